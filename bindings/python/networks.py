"""The networks of docs/model-format.md in PyTorch, built from the shapes of a checkpoint's tensors.

    module = build(network, shapes)         # on the meta device: names and shapes, no numbers
    expected(module)                        # {tensor name: shape}
    load(module, tensors)(x)                # (n, heads, classes)
"""

import torch
from torch import nn

ARCHITECTURES = ("resnet3d", "pmg2d")
# What the published network fixes.
PMG2D = {"stem_stride": [2, 2], "stem_pool": True, "layer_strides": [1, 2, 2, 2], "layer_dilations": [1, 1, 1, 1],
         "shortcut": "B", "activation": "relu"}
PMG2D_POOLS = (56, 28, 14)
PMG2D_PLANES = 3
ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.01), "elu": nn.ELU}
CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOLS = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
COUNTER = "num_batches_tracked"


class Shapes:
    """The shapes of tensors under a name. A missing tensor has the shape asked for: the caller compares later."""

    def __init__(self, shapes, at=""):
        self.shapes, self.at = shapes, at

    def under(self, name):
        return Shapes(self.shapes, f"{self.at}{name}.")

    def has(self, name):
        return any(key.startswith(self.at + name) for key in self.shapes)

    def dim(self, name, index, default=1):
        shape = self.shapes.get(self.at + name, ())
        return shape[index] if index < len(shape) else default

    def channels(self, convolution, norm=None):
        """A zero-sized tensor is no layer: it is reported as mis-shaped."""
        found = self.dim(f"{convolution}.weight", 0, 0) or (self.dim(f"{norm}.weight", 0, 0) if norm else 0)
        return found or 1


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

    def __init__(self, shapes, rank, into, stride, dilation, network):
        super().__init__()
        bottleneck = shapes.has("conv3.") or shapes.has("bn3.")
        kernels, strided = ((1, 3, 1), 2) if bottleneck else ((3, 3), 1)
        self.count, self.activation = len(kernels), ACTIVATIONS[network["activation"]]()
        channels = into
        for i, kernel in enumerate(kernels, 1):
            out = shapes.channels(f"conv{i}", f"bn{i}")
            self.add_module(f"conv{i}", convolution(channels, out, (kernel,) * rank, stride if i == strided else 1,
                                                    dilation if kernel == 3 else 1))
            self.add_module(f"bn{i}", NORMS[rank](out))
            channels = out
        self.channels = channels
        self.downsample = self.shortcut(shapes, rank, into, stride, network["shortcut"])

    def shortcut(self, shapes, rank, into, stride, kind):
        if stride == 1 and into == self.channels:
            return nn.Identity()
        if kind == "A":
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
    """Stem and four layers; channels: what each layer makes."""

    def __init__(self, shapes, rank, into, network):
        super().__init__()
        width = shapes.channels("conv1", "bn1")
        # Even kernels and none at all do not fit either network: the shapes then differ, and are reported.
        kernel = [7 if rank == 2 else shapes.dim("conv1.weight", 2 + i) // 2 * 2 + 1 for i in range(rank)]
        self.conv1 = convolution(into, width, kernel, tuple(network["stem_stride"]))
        self.bn1 = NORMS[rank](width)
        self.activation = ACTIVATIONS[network["activation"]]()
        self.pool = MAX_POOLS[rank](3, 2, 1) if network["stem_pool"] else nn.Identity()
        self.channels = []
        for layer, (stride, dilation) in enumerate(zip(network["layer_strides"], network["layer_dilations"]), 1):
            blocks = nn.Sequential()
            while not blocks or shapes.has(f"layer{layer}.{len(blocks)}."):
                own = shapes.under(f"layer{layer}.{len(blocks)}")
                blocks.append(Residual(own, rank, width, 1 if blocks else stride, dilation, network))
                width = blocks[-1].channels
            self.add_module(f"layer{layer}", blocks)
            self.channels.append(width)

    def maps(self, x):
        x = self.pool(self.activation(self.bn1(self.conv1(x))))
        for layer in range(1, 5):
            x = getattr(self, f"layer{layer}")(x)
            yield x


class ResNet3d(Backbone):
    def __init__(self, shapes, network):
        super().__init__(shapes, 3, shapes.dim("conv1.weight", 1), network)
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
        total = 0
        for i in (1, 2, 3):
            own = shapes.under(f"conv_block{i}")
            narrow = BasicConv(own.under("0"), self.features.channels[i], 1)
            wide = BasicConv(own.under("1"), narrow.bn.num_features, 3)
            self.add_module(f"conv_block{i}", nn.Sequential(narrow, wide))
            self.add_module(f"classifier{i}", classifier(shapes.under(f"classifier{i}"), wide.bn.num_features))
            total += wide.bn.num_features
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
    with torch.device("meta"):
        return Pmg2d(Shapes(shapes)) if network["architecture"] == "pmg2d" else ResNet3d(Shapes(shapes), network)


def expected(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items() if not name.endswith(COUNTER)}


def load(module, tensors, dtype):
    """Weights are float32 to the library, whatever the file's type: so they are here before anything else."""
    tensors = {name: value.to(torch.float32).to(dtype) for name, value in tensors.items()}
    module.load_state_dict(tensors, strict=True, assign=True)
    return module.eval()
