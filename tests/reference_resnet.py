"""The resnet3d of docs/model-format.md in PyTorch, with the options MONAI's ResNet lacks: dilations, layer strides, a
stem stride per axis, an activation of the blocks. Names and shapes are MONAI's and MedicalNet's.

    python tests/reference_resnet.py MODEL INPUT.npy [--dtype float64]

prints the logits of each member and view as JSON; INPUT.npy is (views, channels, depth, height, width).
"""

import argparse
import json

import numpy as np
import torch
from torch import nn

import make_model
from numpy_resnet import self_test_input  # noqa: F401 - its users look for it here

ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.01), "elu": nn.ELU}


def convolution(weight, stride=1, dilation=1, bias=False):
    out, into, *kernel = weight.shape
    padding = [(k - 1) // 2 * dilation for k in kernel]
    return nn.Conv3d(into, out, tuple(kernel), stride=stride, padding=padding, dilation=dilation, bias=bias)


class Subsample(nn.Module):
    """Shortcut A."""

    def __init__(self, stride, channels):
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x):
        x = x[:, :, ::self.stride, ::self.stride, ::self.stride]
        return nn.functional.pad(x, (0,) * 7 + (self.channels - x.shape[1],))


class Block(nn.Module):
    """Of the tensors under one block's name; the stride is the 3x3x3's that comes first."""

    def __init__(self, tensors, stride, dilation, activation, shortcut):
        super().__init__()
        self.n = 3 if "conv3.weight" in tensors else 2
        self.act = activation()
        for i in range(1, self.n + 1):
            weight = tensors[f"conv{i}.weight"]
            wide = weight.shape[2] > 1
            self.add_module(f"conv{i}", convolution(weight, stride if i == self.n - 1 else 1, dilation if wide else 1))
            self.add_module(f"bn{i}", nn.BatchNorm3d(len(weight)))
        channels_in, channels = tensors["conv1.weight"].shape[1], len(weight)
        self.downsample = nn.Identity()
        if "downsample.0.weight" in tensors:
            self.downsample = nn.Sequential(
                convolution(tensors["downsample.0.weight"], stride, bias="downsample.0.bias" in tensors),
                nn.BatchNorm3d(channels))
        elif stride != 1 or channels_in != channels:
            if shortcut != "A":
                raise ValueError("shortcut B, and a block that changes the shape has no downsample")
            self.downsample = Subsample(stride, channels)

    def forward(self, x):
        y = x
        for i in range(1, self.n + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = self.act(y) if i < self.n else y
        return self.act(y + self.downsample(x))


def under(tensors, name):
    return {key[len(name):]: value for key, value in tensors.items() if key.startswith(name)}


class ResNet(nn.Module):
    def __init__(self, network, tensors):
        super().__init__()
        activation = ACTIVATIONS[network["activation"]]
        self.conv1 = convolution(tensors["conv1.weight"], tuple(network["stem_stride"]))
        self.bn1 = nn.BatchNorm3d(len(tensors["conv1.weight"]))
        self.act = ACTIVATIONS[network.get("stem_activation", network["activation"])]()
        self.pool = nn.MaxPool3d(3, stride=2, padding=1) if network["stem_pool"] else nn.Identity()
        for layer in range(4):
            parts = under(tensors, f"layer{layer + 1}.")
            count = len({key.split(".")[0] for key in parts})
            blocks = [Block(under(parts, f"{i}."), 1 if i else network["layer_strides"][layer],
                            network["layer_dilations"][layer], activation, network["shortcut"]) for i in range(count)]
            self.add_module(f"layer{layer + 1}", nn.Sequential(*blocks))
        classes, features = tensors["fc.weight"].shape
        self.fc = nn.Linear(features, classes)

    def forward(self, x):
        x = self.pool(self.act(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(2, 3, 4)))


def to_torch(tensors):
    return {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}


def build(description, tensors):
    """One member, ready to run. tensors: NumPy arrays by names without prefix; `num_batches_tracked` may be absent."""
    module = ResNet(description["network"], tensors)
    missing, unexpected = module.load_state_dict(to_torch(tensors), strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"missing {missing}, unexpected {unexpected}")
    return module.eval()


def logits(description, tensors, views, dtype=torch.float64):
    """{"members": [{"prefix": ..., "logits": [view][class]}]} of a whole file's tensors."""
    views = torch.from_numpy(views).to(dtype)
    members = []
    with torch.no_grad():
        for prefix, own in make_model.member_tensors(description, tensors):
            module = build(description, own).to(dtype)
            rows = [module(view[None])[0].tolist() for view in views]
            members.append({"prefix": prefix, "logits": rows})
    return {"members": members}


def main():
    parser = argparse.ArgumentParser(description="Print a model's logits, by PyTorch.")
    parser.add_argument("model")
    parser.add_argument("input", help=".npy of (views, channels, depth, height, width)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    arguments = parser.parse_args()
    tensors, description = make_model.read_safetensors(arguments.model)
    print(json.dumps(logits(description, tensors, np.load(arguments.input), getattr(torch, arguments.dtype))))


if __name__ == "__main__":
    main()
