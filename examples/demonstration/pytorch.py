#!/usr/bin/env python3
"""Do the library's scores have the values that PyTorch gives? pytorch.py MODEL COHORT.tsv SCORES.tsv

The network of a demonstration model is written out below, from the tensors of its file, and run on the inputs that the
library makes (Model.preprocess). Ends with 1 if a score differs by more than 1e-4 of the larger of 1 and its magnitude.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import batch_norm, conv3d, max_pool3d, relu

import deeptepp


def read_tensors(path):
    """Of a safetensors file of float32: the description and the tensors by name."""
    raw = Path(path).read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    description = json.loads(header.pop("__metadata__")["deeptepp"])
    return description, {name: torch.from_numpy(np.frombuffer(raw[start:][slice(*entry["data_offsets"])], "<f4")
                                                .reshape(entry["shape"]).copy())
                         for name, entry in header.items() if entry["dtype"] == "F32"}


class Member:
    """A ResNet 10 of model-format.md with shortcut B and ReLU."""

    def __init__(self, tensors, prefix, network):
        self.tensors, self.prefix, self.network = tensors, prefix, network

    def get(self, name):
        return self.tensors.get(self.prefix + name)

    def conv_bn(self, x, conv, bn, stride):
        kernel = self.get(f"{conv}.weight")
        x = conv3d(x, kernel, self.get(f"{conv}.bias"), stride, [k // 2 for k in kernel.shape[2:]])
        return batch_norm(x, *(self.get(f"{bn}.{name}") for name in ("running_mean", "running_var", "weight", "bias")))

    def block(self, x, name, stride):
        shortcut = x
        if self.get(f"{name}.downsample.0.weight") is not None:
            shortcut = self.conv_bn(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
        y = relu(self.conv_bn(x, f"{name}.conv1", f"{name}.bn1", stride))
        return relu(self.conv_bn(y, f"{name}.conv2", f"{name}.bn2", 1) + shortcut)

    def __call__(self, x):
        x = relu(self.conv_bn(x, "conv1", "bn1", self.network["stem_stride"]))
        if self.network["stem_pool"]:
            x = max_pool3d(x, 3, 2, 1)
        for layer, stride in enumerate(self.network["layer_strides"], 1):
            x = self.block(x, f"layer{layer}.0", stride)
        return x.mean((2, 3, 4)) @ self.get("fc.weight").T + self.get("fc.bias")


def differences(model_path, cohort_path, scores_path):
    """Of each case, all of which were scored, relative to the larger of 1 and its magnitude."""
    description, tensors = read_tensors(model_path)
    network = description["network"]
    members = [Member(tensors, prefix, network) for prefix in network.get("members", [""])]
    with open(scores_path, newline="", encoding="utf-8") as file, deeptepp.open_model(model_path) as model:
        for row in csv.DictReader(file, delimiter="\t"):
            image, mask = (Path(cohort_path).parent / row[name] for name in ("image", "mask"))
            x = torch.from_numpy(np.array(model.preprocess(image, mask)))
            score = float(torch.stack([member(x)[:, description["score"]["class"]] for member in members]).mean())
            yield abs(score - float(row["score"])) / max(1, abs(score))


@torch.inference_mode()
def main():
    if len(sys.argv) != 4:
        return __doc__
    largest = np.max(found := list(differences(*sys.argv[1:])))
    print(f"{len(found)} cases: scores differ from PyTorch's by at most {largest:.1e} (relative; 1e-4 is allowed)")
    return int(not largest <= 1e-4)


if __name__ == "__main__":
    sys.exit(main())
