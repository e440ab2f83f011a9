"""From files to a score with MONAI and PyTorch, as a user would write it; the crop stands for each of the views.

    score_monai.py MODEL IMAGE MASK THREADS
"""

import json
import math
import sys

import numpy as np
import torch
from monai.networks.nets import resnet18
from monai.transforms import LoadImage, NormalizeIntensity, Orientation, Spacing, SpatialCrop
from safetensors import safe_open
from safetensors.torch import load_file


def crop_of(image, mask, size, spacing):
    """Around the middle of the mask's bounding box, on the lattice of Spacing: docs/model-format.md."""
    load, orient = LoadImage(ensure_channel_first=True), Orientation("RAS", labels=None)
    image, mask = orient(load(image)), orient(load(mask))
    voxels = np.nonzero(mask[0].numpy())
    start = []
    for axis in range(3):
        middle = (voxels[axis].min() + voxels[axis].max()) / 2 * float(mask.pixdim[axis]) / spacing[axis]
        start.append(math.floor(middle - (size[axis] - 1) / 2 + 0.5 + 1e-6))
    image = Spacing(spacing, mode="bilinear", padding_mode="border")(image)
    crop = SpatialCrop(roi_start=start, roi_end=[a + n for a, n in zip(start, size)])(image)
    if crop.shape[1:] != tuple(size):
        raise SystemExit(f"the crop of {tuple(crop.shape[1:])} leaves the image: take another phantom")
    return NormalizeIntensity()(crop)


def network_of(model):
    """The module and the model's description."""
    with safe_open(model, framework="pt") as file:
        description = json.loads(file.metadata()["deeptepp"])
    network = resnet18(spatial_dims=3, n_input_channels=1, num_classes=2, conv1_t_size=7,
                       conv1_t_stride=description["network"]["stem_stride"], bias_downsample=False)
    network.load_state_dict(load_file(model))
    return network.eval(), description


def score(network, description, image, mask):
    section = description["input"]
    view = crop_of(image, mask, section["size"], section["region"]["spacing_mm"]).as_tensor()
    views = torch.stack([view] * len(section["angles_deg"]))
    with torch.inference_mode():
        logits = network(views)
    return logits[:, description["score"]["class"]].mean().item()


def main(model, image, mask, threads):
    torch.set_num_threads(int(threads))
    print(score(*network_of(model), image, mask))


if __name__ == "__main__":
    main(*sys.argv[1:])
