"""What is hosted of ImageNet's weights: the files, and their names for our layers.

By Keras, and where it has none by torchvision.
"""

import dataclasses
from collections.abc import Mapping

ADDRESS = "https://storage.googleapis.com/"
APPLICATIONS = f"{ADDRESS}tensorflow/keras-applications/"
KERNELS = "weights_tf_dim_ordering_tf_kernels"

# each channel's mean and deviation that its pixels of 0 to 255 are freed from
CAFFE = ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0))
SYMMETRIC = ((127.5,) * 3, (127.5,) * 3)
DEVIATION = (0.229, 0.224, 0.225)
PYTORCH = (
    tuple(255 * mean for mean in (0.485, 0.456, 0.406)),
    tuple(255 * deviation for deviation in DEVIATION),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hosted:
    """The hosted weights of one variant.

    Args:
        application: Name of the function in `keras.applications`, empty for files of
            torchvision.
        address: Where the files are.
        files: Names of the files with and without the head.
        hashes: Their MD5 sums, where Keras knows them; SHA-256 of torchvision's.
        constants: Mean and deviation of each channel of the images it was trained on.
        reversed_channels: Whether it was trained on blue, green and red.
        options: Arguments of the function.
        block: Pattern of the names that a block's layers begin with there.
        names: Their name of each of our layers, the blocks' with `{block}`; no names
            where they are counted.

    Example:

    >>> HOSTED["resnet50"].files[0]
    'resnet50_weights_tf_dim_ordering_tf_kernels.h5'
    """

    application: str
    address: str
    files: tuple[str, str]
    hashes: tuple[str, str] | tuple[None, None] = (None, None)
    constants: tuple[tuple[float, ...], tuple[float, ...]] = SYMMETRIC
    reversed_channels: bool = False
    options: Mapping[str, float] = dataclasses.field(default_factory=dict)
    block: str = "$"
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)


VGG = {
    **{
        f"stage{stage}_conv{number}": f"block{stage}_conv{number}"
        for stage in range(1, 6)
        for number in range(1, 5)
    },
    "fc6": "fc1",
    "fc7": "fc2",
    "logits": "predictions",
}
RESIDUAL_BLOCK = {
    f"_conv{number}{ours}": f"{{block}}_{number}_{theirs}"
    for number in (1, 2, 3)
    for ours, theirs in (("", "conv"), ("_norm", "bn"))
}
RESNET = {
    **RESIDUAL_BLOCK,
    "_shortcut": "{block}_0_conv",
    "_shortcut_norm": "{block}_0_bn",
    "stem_conv": "conv1_conv",
    "stem_conv_norm": "conv1_bn",
    "logits": "predictions",
}
RESNET_V2 = {
    **RESIDUAL_BLOCK,
    "_start_norm": "{block}_preact_bn",
    "_shortcut": "{block}_0_conv",
    "stem_conv": "conv1_conv",
    "end_norm": "post_bn",
    "logits": "predictions",
}
MOBILENET_V1 = {
    "stem_conv": "conv1",
    "stem_conv_norm": "conv1_bn",
    "_depthwise": "conv_dw_{block}",
    "_depthwise_norm": "conv_dw_{block}_bn",
    "_pointwise": "conv_pw_{block}",
    "_pointwise_norm": "conv_pw_{block}_bn",
    "logits": "conv_preds",
}
MOBILENET_V2 = {
    "stem_conv": "Conv1",
    "stem_conv_norm": "bn_Conv1",
    **{
        f"_{part}{ours}": f"{{block}}_{part}{theirs}"
        for part in ("expand", "depthwise", "project")
        for ours, theirs in (("", ""), ("_norm", "_BN"))
    },
    "head_conv": "Conv_1",
    "head_conv_norm": "Conv_1_bn",
    "logits": "predictions",
}
EFFICIENTNET = {
    "stem_conv": "stem_conv",
    "stem_conv_norm": "stem_bn",
    "_expand": "{block}_expand_conv",
    "_expand_norm": "{block}_expand_bn",
    "_depthwise": "{block}_dwconv",
    "_depthwise_norm": "{block}_bn",
    "_attention/reduce": "{block}_se_reduce",
    "_attention/expand": "{block}_se_expand",
    "_project": "{block}_project_conv",
    "_project_norm": "{block}_project_bn",
    "head_conv": "top_conv",
    "head_conv_norm": "top_bn",
    "logits": "predictions",
}
TORCHVISION = {
    "stem_conv": "conv1",
    "stem_conv_norm": "bn1",
    **{
        f"stage{stage}_block{block}_{ours}": f"layer{stage}.{block - 1}.{theirs}"
        for stage in range(1, 5)
        for block in range(1, 7)
        for ours, theirs in (
            ("conv1", "conv1"),
            ("conv1_norm", "bn1"),
            ("conv2", "conv2"),
            ("conv2_norm", "bn2"),
            ("shortcut", "downsample.0"),
            ("shortcut_norm", "downsample.1"),
        )
    },
    "logits": "fc",
}


def _vgg(number, *hashes):
    return Hosted(
        application=f"VGG{number}",
        address=f"{APPLICATIONS}vgg{number}/",
        files=_two(f"vgg{number}_{KERNELS}{{}}.h5"),
        hashes=hashes,
        constants=CAFFE,
        reversed_channels=True,
        names=VGG,
    )


def _resnet(number, version, *hashes):
    named = {
        "": {"names": RESNET, "constants": CAFFE, "reversed_channels": True},
        "v2": {"names": RESNET_V2},
    }
    return Hosted(
        application=f"ResNet{number}{version.upper()}",
        address=f"{APPLICATIONS}resnet/",
        files=_two(f"resnet{number}{version}_{KERNELS}{{}}.h5"),
        hashes=hashes,
        block=r"(conv\d_block\d+)_",
        **named[version],
    )


def _torchvision(file, sha256):
    # torchvision's names tell the first digits of a file's sum
    return Hosted(
        application="",
        address="https://download.pytorch.org/models/",
        files=(file, file),
        hashes=(sha256, sha256),
        constants=PYTORCH,
        names=TORCHVISION,
    )


def _mobilenet_v1(width, text):
    return Hosted(
        application="MobileNet",
        address=f"{APPLICATIONS}mobilenet/",
        files=_two(f"mobilenet_{text}_224_tf{{}}.h5", "_no_top"),
        options={"alpha": width},
        block=r"conv_dw_(\d+)",
        names=MOBILENET_V1,
    )


def _mobilenet_v2(width):
    return Hosted(
        application="MobileNetV2",
        address=f"{APPLICATIONS}mobilenet_v2/",
        files=_two(f"mobilenet_v2_{KERNELS}_{width}_224{{}}.h5", "_no_top"),
        options={"alpha": width},
        block=r"(expanded_conv|block_\d+)_",
        names=MOBILENET_V2,
    )


def _efficientnet(number, *hashes):
    return Hosted(
        application=f"EfficientNetB{number}",
        address=f"{ADDRESS}keras-applications/",
        files=_two(f"efficientnetb{number}{{}}.h5"),
        hashes=hashes,
        constants=PYTORCH,
        block=r"(block\d[a-z])_",
        names=EFFICIENTNET,
    )


def _two(name, without_top="_notop"):
    return name.format(""), name.format(without_top)


HOSTED = {
    "vgg16": _vgg(
        16, "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"
    ),
    "vgg19": _vgg(
        19, "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"
    ),
    "resnet18": _torchvision(
        "resnet18-f37072fd.pth",
        "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    ),
    "resnet34": _torchvision(
        "resnet34-b627a593.pth",
        "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
    ),
    "resnet50": _resnet(
        50, "", "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"
    ),
    "resnet101": _resnet(
        101, "", "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"
    ),
    "resnet152": _resnet(
        152, "", "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"
    ),
    "resnet50_v2_slim": _resnet(
        50, "v2", "3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"
    ),
    "resnet101_v2_slim": _resnet(
        101,
        "v2",
        "6343647c601c52e1368623803854d971",
        "c0ed64b8031c3730f411d2eb4eea35b5",
    ),
    "resnet152_v2_slim": _resnet(
        152,
        "v2",
        "a49b44d1979771252814e80f8ec446f9",
        "ed17cf2e0169df9d443503ef94b23b33",
    ),
    "inception_v3": Hosted(
        application="InceptionV3",
        address=f"{APPLICATIONS}inception_v3/",
        files=_two(f"inception_v3_{KERNELS}{{}}.h5"),
        hashes=("9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63"),
    ),
    "mobilenet_v1": _mobilenet_v1(1.0, "1_0"),
    "mobilenet_v1_075": _mobilenet_v1(0.75, "7_5"),
    "mobilenet_v1_050": _mobilenet_v1(0.5, "5_0"),
    "mobilenet_v1_025": _mobilenet_v1(0.25, "2_5"),
    "mobilenet_v2": _mobilenet_v2(1.0),
    "mobilenet_v2_035": _mobilenet_v2(0.35),
    "mobilenet_v2_050": _mobilenet_v2(0.5),
    "mobilenet_v2_075": _mobilenet_v2(0.75),
    "mobilenet_v2_130": _mobilenet_v2(1.3),
    "mobilenet_v2_140": _mobilenet_v2(1.4),
    "efficientnet_b0": _efficientnet(
        0, "902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d"
    ),
    "efficientnet_b1": _efficientnet(
        1, "1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432"
    ),
    "efficientnet_b2": _efficientnet(
        2, "b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39"
    ),
    "efficientnet_b3": _efficientnet(
        3, "ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226"
    ),
    "efficientnet_b4": _efficientnet(
        4, "18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba"
    ),
    "efficientnet_b5": _efficientnet(
        5, "ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f"
    ),
    "efficientnet_b6": _efficientnet(
        6, "165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743"
    ),
    "efficientnet_b7": _efficientnet(
        7, "8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a"
    ),
}
