"""The networks of docs/model-format.md in PyTorch, built from the shapes of a checkpoint's tensors.

    module = build(network, shapes)         # on the meta device: names and shapes, no numbers
    expected(module)                        # {tensor name: shape}
    load(module, tensors)(x)                # (n, heads, classes)
"""

import re
import warnings

import torch
from torch import nn

from description import ConversionError

ARCHITECTURES = ("resnet3d", "pmg2d")
# Depth: blocks in each layer. Other counts are a checkpoint that lacks some.
DEPTHS = {
    "basic": {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)},
    "bottleneck": {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)},
}
# What the published network fixes.
PMG2D = {"block": "bottleneck", "blocks": DEPTHS["bottleneck"][50], "stem_stride": [2, 2], "stem_pool": True,
         "layer_strides": [1, 2, 2, 2], "layer_dilations": [1, 1, 1, 1], "shortcut": "B",
         "stem_activation": "relu", "activation": "relu"}
PMG2D_POOLS = (56, 28, 14)
PMG2D_PLANES = 3
ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.01), "elu": nn.ELU}
CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOLS = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
COUNTER = "num_batches_tracked"
BLOCK_NAME = re.compile(r"layer([1-4])\.([0-9]+)\.(?:(?:conv|bn)(3)\.)?")
UNKNOWN = 0  # a dimension that no tensor tells; layers of that size are built, and never run


# ---- Blocks ----


def blocks_found(names):
    """(block type, blocks in each layer) of a resnet3d. The type is most blocks': one tensor does not change it."""
    found = [match.groups() for match in map(BLOCK_NAME.match, names) if match]
    blocks = {(layer, index) for layer, index, _ in found}
    bottlenecks = {(layer, index) for layer, index, third in found if third}
    counts = tuple(sum(layer == own for own, _ in blocks) for layer in "1234")
    return "bottleneck" if 2 * len(bottlenecks) > len(blocks) else "basic", counts


def blocks_of(names):
    """Those of the ResNet that comes nearest, so that what a checkpoint lacks is missing by name."""
    kind, counts = blocks_found(names)
    nearest = min(DEPTHS[kind].values(), key=lambda wanted: sum(abs(a - b) for a, b in zip(counts, wanted)))
    return {"block": kind, "blocks": nearest}


def wrong_depth(names):
    """In words; "" where the blocks are a ResNet's."""
    kind, counts = blocks_found(names)
    if counts in DEPTHS[kind].values():
        return ""
    found, *wanted = (", ".join(map(str, blocks)) for blocks in (counts, *DEPTHS[kind].values()))
    known = " or ".join(f"{blocks} (ResNet-{depth})" for depth, blocks in zip(DEPTHS[kind], wanted))
    return f"layers 1 to 4 have {found} {kind} blocks, wanted {known}"


# ---- Layers ----


class Shapes:
    """The shapes of tensors under a name."""

    def __init__(self, shapes, at=""):
        self.shapes, self.at = shapes, at

    def under(self, name):
        return Shapes(self.shapes, f"{self.at}{name}.")

    def has(self, name):
        return any(key.startswith(self.at + name) for key in self.shapes)

    def dim(self, name, index):
        shape = self.shapes.get(self.at + name, ())
        return shape[index] if index < len(shape) else UNKNOWN

    def channels(self, *layers):
        """By the first of them that tells."""
        return next(filter(None, (self.dim(f"{layer}.weight", 0) for layer in layers)), UNKNOWN)


def convolution(into, out, kernel, stride=1, dilation=1, bias=False):
    padding = [(k - 1) // 2 * dilation for k in kernel]
    return CONVOLUTIONS[len(kernel)](into, out, tuple(kernel), stride, padding, dilation, bias=bias)


class ZeroExtended(nn.Module):
    """Shortcut A: every stride-th voxel, then zero channels."""

    def __init__(self, stride, channels):
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x):
        x = x[(slice(None), slice(None)) + (slice(None, None, self.stride),) * (x.ndim - 2)]
        return torch.cat([x, x.new_zeros(x.shape[0], self.channels - x.shape[1], *x.shape[2:])], dim=1)


class Residual(nn.Module):
    """A basic block strides in its first convolution, a bottleneck (there is a third) in its second."""

    def __init__(self, shapes, rank, into, out, stride, dilation, network):
        super().__init__()
        kernels, strided = ((1, 3, 1), 2) if network["block"] == "bottleneck" else ((3, 3), 1)
        self.count, self.activation = len(kernels), ACTIVATIONS[network["activation"]]()
        self.channels, channels = out, into
        for i, kernel in enumerate(kernels, 1):
            wide = out if i == self.count else shapes.channels(f"conv{i}", f"bn{i}")
            self.add_module(f"conv{i}", convolution(channels, wide, (kernel,) * rank, stride if i == strided else 1,
                                                    dilation if kernel == 3 else 1))
            self.add_module(f"bn{i}", NORMS[rank](wide))
            channels = wide
        self.downsample = self.shortcut(shapes, rank, into, stride, network["shortcut"])

    def shortcut(self, shapes, rank, into, stride, kind):
        known = UNKNOWN not in (into, self.channels)
        if stride == 1 and (into == self.channels if known else not shapes.has("downsample.")):
            return nn.Identity()
        if kind == "A":
            if known and self.channels < into:
                raise ConversionError(f'{shapes.at.rstrip(".")} narrows {into} channels to {self.channels}, wanted '
                                      f'at least {into}, as network.shortcut is "A"')
            return ZeroExtended(stride, self.channels)
        bias = rank == 3 and shapes.has("downsample.0.bias")
        projection = convolution(into, self.channels, (1,) * rank, stride, bias=bias)
        return nn.Sequential(projection, NORMS[rank](self.channels))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = self.activation(y)
        return self.activation(y + self.downsample(x))


class Backbone(nn.Module):
    """Stem and four layers; channels: what each layer makes. network: the description's, and the blocks."""

    def __init__(self, shapes, rank, into, network):
        super().__init__()
        width = shapes.channels("conv1", "bn1")
        # Even kernels do not fit either network: the shapes then differ, and are reported.
        sides = [7 if rank == 2 else shapes.dim("conv1.weight", 2 + i) for i in range(rank)]
        kernel = [side and side // 2 * 2 + 1 for side in sides]
        self.conv1 = convolution(into, width, kernel, tuple(network["stem_stride"]))
        self.bn1 = NORMS[rank](width)
        self.activation = ACTIVATIONS[network["stem_activation"]]()
        self.pool = MAX_POOLS[rank](3, 2, 1) if network["stem_pool"] else nn.Identity()
        self.channels = []
        for layer in range(1, 5):
            self.add_module(f"layer{layer}", self.layer(shapes, rank, width, network, layer))
            width = getattr(self, f"layer{layer}")[-1].channels
            self.channels.append(width)

    @staticmethod
    def layer(shapes, rank, into, network, number):
        """All blocks but the first keep channels and size."""
        layer, last = nn.Sequential(), 3 if network["block"] == "bottleneck" else 2
        stride, dilation = network["layer_strides"][number - 1], network["layer_dilations"][number - 1]
        for i in range(network["blocks"][number - 1]):
            own = shapes.under(f"layer{number}.{i}")
            out = own.channels(f"conv{last}", f"bn{last}", "downsample.0", "downsample.1") or \
                (into if i else shapes.dim(f"layer{number}.1.conv1.weight", 1))
            layer.append(Residual(own, rank, into, out, 1 if i else stride, dilation, network))
            into = out
        return layer

    def maps(self, x):
        x = self.pool(self.activation(self.bn1(self.conv1(x))))
        for layer in range(1, 5):
            x = getattr(self, f"layer{layer}")(x)
            yield x


class ResNet3d(Backbone):
    def __init__(self, shapes, network):
        super().__init__(shapes, 3, shapes.dim("conv1.weight", 1), {**network, **blocks_of(shapes.shapes)})
        self.fc = nn.Linear(self.channels[-1], shapes.channels("fc"))

    def forward(self, x):
        *_, last = self.maps(x)
        return self.fc(last.mean(dim=(2, 3, 4)))[:, None]


class BasicConv(nn.Module):
    def __init__(self, shapes, into, kernel):
        super().__init__()
        out = shapes.channels("conv", "bn")
        self.conv, self.bn = convolution(into, out, (kernel, kernel)), nn.BatchNorm2d(out)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


def classifier(shapes, into):
    hidden = shapes.channels("1", "2")
    return nn.Sequential(nn.BatchNorm1d(into), nn.Linear(into, hidden), nn.BatchNorm1d(hidden), nn.ELU(),
                         nn.Linear(hidden, shapes.channels("4")))


class Pmg2d(nn.Module):
    """Blocks 1, 2 and 3 read the maps of stride 8, 16 and 32, each pooled to its first cell."""

    def __init__(self, shapes):
        super().__init__()
        self.features = Backbone(shapes.under("features"), 2, PMG2D_PLANES, PMG2D)
        widths = []
        for i in (1, 2, 3):
            own = shapes.under(f"conv_block{i}")
            narrow = BasicConv(own.under("0"), self.features.channels[i], 1)
            wide = BasicConv(own.under("1"), narrow.bn.num_features, 3)
            self.add_module(f"conv_block{i}", nn.Sequential(narrow, wide))
            self.add_module(f"classifier{i}", classifier(shapes.under(f"classifier{i}"), wide.bn.num_features))
            widths.append(wide.bn.num_features)
        total = UNKNOWN if UNKNOWN in widths else sum(widths)
        self.classifier_concat = classifier(shapes.under("classifier_concat"), total)

    def forward(self, x):
        """x has one channel: the network was trained on three equal ones."""
        maps = list(self.features.maps(x.expand(-1, PMG2D_PLANES, -1, -1)))[1:]
        cells = [nn.functional.max_pool2d(getattr(self, f"conv_block{i}")(map_), pool).flatten(1)
                 for i, (map_, pool) in enumerate(zip(maps, PMG2D_POOLS), 1)]
        heads = [getattr(self, f"classifier{i}")(cell) for i, cell in enumerate(cells, 1)]
        return torch.stack([*heads, self.classifier_concat(torch.cat(cells, dim=1))], dim=1)


def build(network, shapes):
    """network: the description's section. On the meta device, so that no shape costs memory."""
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):  # layers of unknown size have no elements
        return Pmg2d(Shapes(shapes)) if network["architecture"] == "pmg2d" else ResNet3d(Shapes(shapes), network)


def expected(module):
    """UNKNOWN stands for dimensions that the checkpoint does not tell."""
    return {name: tuple(value.shape) for name, value in module.state_dict().items() if not name.endswith(COUNTER)}


def load(module, tensors, dtype):
    """Weights are float32 to the library, whatever the file's type: so they are here before anything else."""
    tensors = {name: value.to(torch.float32).to(dtype) for name, value in tensors.items()}
    module.load_state_dict(tensors, strict=True, assign=True)
    return module.eval()
