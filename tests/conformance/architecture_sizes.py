"""Small awkward inputs for every architecture, and which are asked everything."""

import keras

# odd and not square, of two channels, where nothing else is said
SMALL = {
    "alexnet": (67, 71, 2),
    "alexnet_ungrouped": (67, 71, 2),
    "alexnet_one_weird_trick": (63, 95, 2),
    "nin_imagenet": (67, 101, 2),
    "inception_v3": (75, 79, 2),
    "unet": (188, 204, 2),
    # whole patches of 16 x 16 and 32 x 32
    **dict.fromkeys(("vit_tiny", "vit_small", "vit_base", "vit_large"), (32, 48, 2)),
    **dict.fromkeys(("vit_base_32", "vit_large_32"), (32, 64, 2)),
}
DEFAULT = (33, 35, 2)

# what makes large ones small enough to compute with
NARROW = {
    "unet": {"width": 8},
    "unet_same": {"width": 8},
    "vit_tiny": {"depth": 4},
}

# one of each kind of block: what is asked of layers is asked of them
REPRESENTATIVES = ["lenet5_modern", "nin_cifar10", "resnet20", "unet_same"]
# on JAX and PyTorch these take minutes, to compile or step by step, and the operations
# are those of the others and of the rows of layers
if keras.backend.backend() == "tensorflow":
    REPRESENTATIVES += [
        "googlenet_bn",
        "mobilenet_v2_035",
        "efficientnet_b0",
        "vit_tiny",
    ]
