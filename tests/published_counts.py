"""Trained parameters and multiply-accumulates of every architecture, as published.

Numbers are exact. Text holds as many digits as the source gives: `"0.724 G"`.
"""


def transformer(width, depth, patches, pixels):
    """Add up the products of matrices of a Vision Transformer with a class token."""
    vectors = patches + 1
    # queries, keys, values, their sum: 4; feed-forward: 8; and vectors with vectors
    block = 12 * vectors * width**2 + 2 * vectors**2 * width
    return patches * pixels * width + depth * block + width * 1000


def reading(width, hidden, tokens):
    """Add up the products of a block in which tokens look at each other."""
    # queries, keys, values, their sum; scores and weighted sums; feed-forward
    return 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * hidden


def looking(width, seeing, seen):
    """Add up the products of an attention to a memory."""
    return 2 * (seeing + seen) * width**2 + 2 * seeing * seen * width


def translating(width, hidden, depth, vocabulary, tokens=32):
    """Add up an encoder and a decoder, of as many tokens, and the logits."""
    blocks = 2 * reading(width, hidden, tokens) + looking(width, tokens, tokens)
    return depth * blocks + tokens * width * vocabulary


def weights_of_block(width, hidden, attentions):
    """Count projections without biases, feed-forward parts with, and their norms."""
    projected, norms = 4 * attentions * width**2, 2 * (attentions + 1) * width
    return projected + 2 * width * hidden + hidden + width + norms


def gated(gates, inputs, units):
    """Count the products of a step of an LSTM (4 gates) or a GRU (3)."""
    return gates * units * (inputs + units)


def looking_after(memory, units, positions, tokens=32):
    """Count keys once, and at each step scores and the weighted sum of the memory."""
    return positions * memory * units + tokens * positions * (units + memory)


# of the recurrent ones, by the equations of their papers' appendices, with states
# of 1,000 units and a memory of 2,000; Keras' GRU has two biases a gate
N, M = 1000, 2000
BAHDANAU = (
    30_000 * 620 * 2  # embedding, logits
    + 2 * (gated(3, 620, N) + 6 * N)  # reading in both directions
    + (M * N + N)  # the state to begin with
    + (gated(3, 620 + M, N) + 6 * N)
    + (N * N + M * N + N)  # of the score
    + ((N + M) * 620 + 620),
    32 * 2 * gated(3, 620, N)
    + M * N
    + 32 * (gated(3, 620 + M, N) + N * N)
    + looking_after(M, N, 32)
    + 32 * ((N + M) * 620 + 620 * 30_000),
)
LUONG = (
    50_000 * N * 2
    + 2 * (gated(4, N, N) + 4 * N)
    + 3 * 2 * (gated(4, M, N) + 4 * N)
    + 4 * 2 * (M * N + N)  # both states of each level
    + 4 * (gated(4, N, N) + 4 * N)
    + 4 * N * N  # what the first level is fed beside its inputs
    + (M * N + (M + N) * N),  # of the score, and of the output
    32 * 2 * (gated(4, N, N) + 3 * gated(4, M, N))
    + 4 * 2 * M * N
    + 32 * (gated(4, 2 * N, N) + 3 * gated(4, N, N) + (M + N) * N)
    + looking_after(M, N, 32)
    + 32 * N * 50_000,
)


COUNTS = {
    "unet": (31_030_658, "150.43 G"),
    "unet_same": (31_031_745, "48.17 G"),
    # LeNet-5 as built today without its logits, and 128 values from its 84 features;
    # two images for the pairs
    "siamese_triplet": (60_856 + 85 * 128, 415_680 + 84 * 128),
    "siamese_contrastive": (60_856 + 85 * 128, 2 * (415_680 + 84 * 128)),
    "siamese_logistic": (60_856 + 85 * 128 + 129, 2 * (415_680 + 84 * 128) + 128),
    # the paper's 340,908 connections count 12,812 biases too
    "lenet5": (60_000, 340_908 - 12_812),
    "lenet5_modern": (61_706, 416_520),
    "alexnet": (60_965_224, "0.724 G"),
    "alexnet_ungrouped": (62_378_344, "1.135 G"),
    "alexnet_one_weird_trick": (61_100_840, "0.714 G"),
    "vgg11": (132_863_336, "7.609 G"),
    "vgg13": (133_047_848, "11.308 G"),
    "vgg16": (138_357_544, "15.470 G"),
    "vgg19": (143_667_240, "19.632 G"),
    "vgg11_bn": (132_868_840, "7.609 G"),
    "vgg13_bn": (133_053_736, "11.308 G"),
    "vgg16_bn": (138_365_992, "15.470 G"),
    "vgg19_bn": (143_678_248, "19.632 G"),
    "nin_cifar10": (966_986, "0.2225 G"),
    "nin_imagenet": (7_595_176, "0.969 G"),
    "googlenet": (6_998_552, "1.583 G"),
    "googlenet_bn": (7_005_832, "1.583 G"),
    "inception_v3": (23_817_352, "5.713 G"),
    "resnet18": (11_689_512, "1.814 G"),
    "resnet34": (21_797_672, "3.664 G"),
    "resnet50": (25_557_032, "3.858 G"),
    "resnet101": (44_549_160, "7.570 G"),
    "resnet152": (60_192_808, "11.282 G"),
    "resnet50_v1_5": (25_557_032, "4.089 G"),
    "resnet101_v1_5": (44_549_160, "7.801 G"),
    "resnet152_v1_5": (60_192_808, "11.514 G"),
    # of the norms, those behind three shortcuts are gone, that before the first block
    # too, three have half the channels, and there is one at the end
    "resnet18_v2": (11_689_512 - 2 * (896 + 64 + 448 - 512), "1.814 G"),
    "resnet34_v2": (21_797_672 - 2 * (896 + 64 + 448 - 512), "3.664 G"),
    "resnet50_v2": (25_549_352, "4.089 G"),
    "resnet101_v2": (44_541_480, "7.801 G"),
    "resnet152_v2": (60_185_128, "11.514 G"),
    "resnet200_v2": (64_666_152, "15.007 G"),
    # what Keras has without its biases, which only the stem needs: 64
    "resnet50_v2_slim": (25_549_352 + 64, "3.482 G"),
    "resnet101_v2_slim": (44_541_480 + 64, "7.194 G"),
    "resnet152_v2_slim": (60_185_128 + 64, "10.907 G"),
    "resnet20": (269_722, "40.55 M"),
    "resnet32": (464_154, "68.86 M"),
    "resnet44": (658_586, "97.17 M"),
    "resnet56": (853_018, "125.49 M"),
    "resnet110": (1_727_962, "252.89 M"),
    # two projections of 16 x 32 and 32 x 64, at 16 x 16 and 8 x 8 positions
    "resnet20_b": (272_474, 40_551_040 + 2 * 16 * 32 * 16 * 16),
    "resnet32_b": (466_906, "69.12 M"),
    "resnet44_b": (661_338, "97.44 M"),
    "resnet56_b": (855_770, "125.75 M"),
    "resnet110_b": (1_730_714, "253.15 M"),
    "preresnet110": (1_727_962, "252.89 M"),
    "preresnet164": (1_703_258, "247.65 M"),
    "preresnet1001": (10_327_706, "1.491 G"),
    "mobilenet_v1": (4_231_976, "569 M"),
    "mobilenet_v1_075": (2_585_560, "325.4 M"),
    "mobilenet_v1_050": (1_331_592, "149.5 M"),
    "mobilenet_v1_025": (470_072, "41.0 M"),
    "mobilenet_v2": (3_504_872, "300.8 M"),
    "mobilenet_v2_035": (1_677_128, "59.3 M"),
    "mobilenet_v2_050": (1_968_680, "97.1 M"),
    "mobilenet_v2_075": (2_636_424, "209.1 M"),
    "mobilenet_v2_130": (5_386_792, "509.4 M"),
    "mobilenet_v2_140": (6_108_776, "582.2 M"),
    "efficientnet_b0": (5_288_548, "0.386 G"),
    "efficientnet_b1": (7_794_184, "0.687 G"),
    "efficientnet_b2": (9_109_994, "0.994 G"),
    "efficientnet_b3": (12_233_232, "1.827 G"),
    "efficientnet_b4": (19_341_616, "4.394 G"),
    "efficientnet_b5": (30_389_784, "10.266 G"),
    "efficientnet_b6": (43_040_704, "19.068 G"),
    "efficientnet_b7": (66_347_960, "37.746 G"),
    # the paper of CaiT tells 1.3 G and 4.6 G
    "vit_tiny": (5_717_416, transformer(192, 12, 14 * 14, 16 * 16 * 3)),
    "vit_small": (22_050_664, transformer(384, 12, 14 * 14, 16 * 16 * 3)),
    "vit_base": (86_567_656, "17.564 G"),
    "vit_base_32": (88_224_232, "4.409 G"),
    "vit_large": (304_326_632, "61.555 G"),
    "vit_large_32": (306_535_400, "15.378 G"),
    "transformer_base": (63_045_632, translating(512, 2048, 6, 37_000)),
    "transformer_big": (214_171_648, translating(1024, 4096, 6, 37_000)),
    "transformer_tiny": (
        100 * 128
        + 2 * (weights_of_block(128, 512, 1) + weights_of_block(128, 512, 2))
        + 2 * 2 * 128,  # the norms behind the last blocks
        translating(128, 512, 2, 100),
    ),
    "transformer_classifier": (
        20_000 * 128 + 2 * weights_of_block(128, 512, 1) + 2 * 128 + 2 * 128 + 2,
        2 * reading(128, 512, 32) + 2 * 128,
    ),
    # 117 million, the paper's code says
    "gpt": (116_534_784, 12 * reading(768, 3072, 512) + 512 * 768 * 40_478),
    "bilstm_classifier": (
        20_000 * 128 + 2 * (gated(4, 128, 128) + 4 * 128) + 2 * 256 + 2,
        32 * 2 * gated(4, 128, 128) + 2 * 256,
    ),
    "seq2seq_bahdanau": BAHDANAU,
    "seq2seq_luong": LUONG,
}
