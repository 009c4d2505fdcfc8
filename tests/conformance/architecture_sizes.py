"""Small awkward inputs for every architecture, and which are asked everything."""

# odd and not square, of two channels, where nothing else is said
SMALL = {}
DEFAULT = (33, 35, 2)

# one of each family and of each kind of block: what is asked of layers is asked of them
REPRESENTATIVES = (
    "lenet5_modern",
    "resnet20",
    "resnet50_v2_slim",
)
