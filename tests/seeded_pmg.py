"""Seeded weights of the published network, pmg2d, for make_model.py."""

import numpy as np

import numpy_pmg
from seeded import as_float32, batch_norm, convolution, phantom, residual_block, under

BLOCKS = (3, 4, 6, 3)  # ResNet-50's
BRANCH_SCALE = np.sqrt(2 / sum(BLOCKS))
UNUSED_CLASSES = 1000  # of features.fc, which nothing reads
SIZE = 512
TILE = 64
MOSAICS = 4
MOST_SCALE = 4  # the network's rounding errors grow with it

# A maximum over hundreds of cells lies well above 0 and hardly moves from case to case. The first BatchNorm of a
# trained network's head knows that, and so does a seeded one's: the levels are what widths 8 to 64 show.
FEATURE_MEAN = (0.5, 1.5)
FEATURE_VARIANCE = (0.1, 0.4)


def backbone(random, width):
    tensors = {"conv1.weight": convolution(random, width, numpy_pmg.PLANES, (7, 7))}
    tensors.update(under("bn1", batch_norm(random, width)))
    channels = width
    for layer, blocks in enumerate(BLOCKS):
        planes = width << layer
        for i in range(blocks):
            tensors.update(residual_block(random, f"layer{layer + 1}.{i}", (1, 3, 1), channels, planes, 4,
                                          BRANCH_SCALE, None if i else False, rank=2))
            channels = planes * 4
    tensors["fc.weight"] = random.standard_normal((UNUSED_CLASSES, channels)) / np.sqrt(channels)
    tensors["fc.bias"] = random.uniform(-0.2, 0.2, UNUSED_CLASSES)
    return under("features", tensors)


def conv_block(random, name, channels_in, width):
    middle, out = 8 * width, 16 * width
    return {
        f"{name}.0.conv.weight": convolution(random, middle, channels_in, (1, 1)),
        **under(f"{name}.0.bn", batch_norm(random, middle)),
        f"{name}.1.conv.weight": convolution(random, out, middle, (3, 3)),
        **under(f"{name}.1.bn", batch_norm(random, out)),
    }


def linear(random, name, out, channels_in):
    return {f"{name}.weight": random.standard_normal((out, channels_in)) / np.sqrt(channels_in),
            f"{name}.bias": random.uniform(-0.2, 0.2, out)}


def classifier(random, name, features, width, classes):
    hidden = 8 * width
    entry = batch_norm(random, features)
    entry["running_mean"] = random.uniform(*FEATURE_MEAN, features)
    entry["running_var"] = random.uniform(*FEATURE_VARIANCE, features)
    return {
        **under(f"{name}.0", entry), **linear(random, f"{name}.1", hidden, features),
        **under(f"{name}.2", batch_norm(random, hidden)), **linear(random, f"{name}.4", classes, hidden),
    }


def state_dict(random, width=64, classes=2):
    """One member's tensors, float32 (counters int64), by the published names. Width 64 is the published network."""
    tensors = backbone(random, width)
    for i in range(3):
        tensors.update(conv_block(random, f"conv_block{i + 1}", width * 4 << i + 1, width))
    for i in range(3):
        tensors.update(classifier(random, f"classifier{i + 1}", 16 * width, width, classes))
    tensors.update(classifier(random, "classifier_concat", 48 * width, width, classes))
    return as_float32(tensors)


def mosaic(random):
    """A phantom's slices as tiles, each scaled to 8 bits: (512, 512), in [-1, 1]."""
    cube = phantom(random, 1, (TILE,) * 3)[0]
    low, high = cube.min(axis=(1, 2), keepdims=True), cube.max(axis=(1, 2), keepdims=True)
    tiles = np.round(255 * (cube - low) / (high - low)).reshape(8, 8, TILE, TILE)
    return (tiles.transpose(0, 2, 1, 3).reshape(SIZE, SIZE) / 255 - 0.5) / 0.5


def forward(tensors):
    """View (height, width) -> heads (4, classes), by PyTorch where it is, else by NumPy: the same to 1e-10."""
    try:
        import reference_pmg
    except ImportError:
        return numpy_pmg.Member(tensors).heads
    return reference_pmg.forward(tensors)


def centre(tensors, random):
    """Scales and shifts each head's last layer so that over mosaics of phantoms the logits of a head have mean 0, and
    their sum over heads standard deviation 1 or so. Rounded, so that every machine gets the same file."""
    heads = forward(tensors)
    logits = np.stack([heads(mosaic(random)) for _ in range(MOSAICS)])
    for i, name in enumerate(("classifier1", "classifier2", "classifier3", "classifier_concat")):
        weight, bias = tensors[f"{name}.4.weight"], tensors[f"{name}.4.bias"].astype(np.float64)
        scale = np.array([float(f"{min(0.5 / value, MOST_SCALE):.2g}") for value in logits[:, i].std(axis=0)])
        tensors[f"{name}.4.weight"] = (weight * scale[:, None]).astype(np.float32)
        tensors[f"{name}.4.bias"] = np.round(-(logits[:, i] - bias).mean(axis=0) * scale, 3).astype(np.float32)
