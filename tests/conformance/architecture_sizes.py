"""Small awkward inputs for every architecture, and which are asked everything."""

import keras

# odd and not square, of two channels, where nothing else is said
SMALL = {
    "alexnet": (67, 71, 2),
    "alexnet_ungrouped": (67, 71, 2),
    "alexnet_one_weird_trick": (63, 95, 2),
    "nin_imagenet": (67, 101, 2),
    "inception_v3": (75, 79, 2),
    # statistics over a few positions magnify what half the bits leave out
    "resnet50_v2_slim": (65, 69, 2),
}
DEFAULT = (33, 35, 2)

# one of each family and of each kind of block: what is asked of layers is asked of them
REPRESENTATIVES = [
    "lenet5_modern",
    "resnet20",
    "nin_cifar10",
    "googlenet_bn",
    "mobilenet_v2_035",
]
# deep ones: on JAX and PyTorch their compilation or their single steps take a minute,
# and the operations are those of the others
if keras.backend.backend() == "tensorflow":
    REPRESENTATIVES += [
        "alexnet",
        "vgg11_bn",
        "resnet50_v2_slim",
        "mobilenet_v1_025",
        "efficientnet_b0",
    ]
