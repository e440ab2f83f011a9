"""The pmg2d of docs/model-format.md in PyTorch: a ResNet-50 with progressive multi-granularity heads, under the names
of torchvision's ResNet and the published heads. Widths are read from the tensors, so that thin networks can be tested.

    python tests/reference_pmg.py MODEL INPUT.npy [--dtype float64]

prints the four heads' logits of each member and view as JSON; INPUT.npy is (views, 1, 1, height, width).
"""

import argparse
import json

import numpy as np
import torch
from torch import nn


class Bottleneck(nn.Module):
    """The stride is the 3x3's."""

    def __init__(self, channels_in, planes, stride):
        super().__init__()
        channels = 4 * planes
        self.conv1 = nn.Conv2d(channels_in, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False),
                                            nn.BatchNorm2d(channels))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """Gives the maps of stride 8, 16 and 32; `fc` is there because checkpoints have it."""

    def __init__(self, width, unused_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self.layer(width, width, 3, 1)
        self.layer2 = self.layer(4 * width, 2 * width, 4, 2)
        self.layer3 = self.layer(8 * width, 4 * width, 6, 2)
        self.layer4 = self.layer(16 * width, 8 * width, 3, 2)
        self.fc = nn.Linear(32 * width, unused_classes)

    @staticmethod
    def layer(channels_in, planes, blocks, stride):
        rest = [Bottleneck(4 * planes, planes, 1) for _ in range(blocks - 1)]
        return nn.Sequential(Bottleneck(channels_in, planes, stride), *rest)

    def forward(self, x):
        x = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        stride8 = self.layer2(x)
        stride16 = self.layer3(stride8)
        return stride8, stride16, self.layer4(stride16)


class BasicConv(nn.Module):
    def __init__(self, channels_in, channels, kernel):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=1e-5)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.bn(self.conv(x)))


def classifier(features, hidden, classes):
    return nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ELU(),
                         nn.Linear(hidden, classes))


class PMG(nn.Module):
    def __init__(self, width=64, middle=512, features=1024, hidden=512, classes=2, unused_classes=1000):
        super().__init__()
        self.features = ResNet50(width, unused_classes)
        for i, (channels, pool) in enumerate(((8 * width, 56), (16 * width, 28), (32 * width, 14)), 1):
            self.add_module(f"conv_block{i}", nn.Sequential(BasicConv(channels, middle, 1),
                                                            BasicConv(middle, features, 3)))
            self.add_module(f"max{i}", nn.MaxPool2d(pool, stride=pool))
            self.add_module(f"classifier{i}", classifier(features, hidden, classes))
        self.classifier_concat = classifier(3 * features, hidden, classes)

    def forward(self, x):
        """(n, 3, height, width) -> (n, 4, classes)."""
        one, two, three = self.features(x)
        one = self.max1(self.conv_block1(one)).flatten(1)
        two = self.max2(self.conv_block2(two)).flatten(1)
        three = self.max3(self.conv_block3(three)).flatten(1)
        heads = [self.classifier1(one), self.classifier2(two), self.classifier3(three),
                 self.classifier_concat(torch.cat([one, two, three], dim=1))]
        return torch.stack(heads, dim=1)


def build(tensors):
    """One member, ready to run. tensors: NumPy arrays by names without prefix; what nothing reads may be absent."""
    shape = {name: value.shape for name, value in tensors.items()}
    unused = shape.get("features.fc.bias", (1,))
    module = PMG(shape["features.conv1.weight"][0], *shape["conv_block1.1.conv.weight"][1::-1],
                 shape["classifier1.1.weight"][0], shape["classifier1.4.weight"][0], *unused)
    given = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
    missing, unexpected = module.load_state_dict(given, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked") and ".fc." not in name]
    if missing or unexpected:
        raise ValueError(f"missing {missing}, unexpected {unexpected}")
    return module.eval()


def heads(module, views):
    """(views, 4, classes) of NumPy mosaics (views, ..., height, width), each shown to all three input channels."""
    dtype = next(module.parameters()).dtype
    views = torch.from_numpy(views.reshape(len(views), 1, *views.shape[-2:])).to(dtype)
    with torch.no_grad():
        return np.stack([module(view.expand(1, 3, -1, -1))[0].numpy() for view in views])


def forward(tensors):
    """A function from a mosaic (height, width) to its heads (4, classes), in float64."""
    module = build(tensors).double()
    return lambda view: heads(module, view[None])[0]


def main():
    import make_model
    parser = argparse.ArgumentParser(description="Print the logits of a pmg2d model's heads, by PyTorch.")
    parser.add_argument("model")
    parser.add_argument("input", help=".npy of (views, 1, 1, height, width)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    arguments = parser.parse_args()
    tensors, description = make_model.read_safetensors(arguments.model)
    views = np.load(arguments.input)
    rows = [{"prefix": prefix, "heads": heads(build(own).to(getattr(torch, arguments.dtype)), views).tolist()}
            for prefix, own in make_model.member_tensors(description, tensors)]
    print(json.dumps({"members": rows}))


if __name__ == "__main__":
    main()
