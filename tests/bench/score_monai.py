"""From files to a score with nibabel, MONAI and PyTorch: prints every view's score, as JSON.

    score_monai.py WAY MODEL THREADS MASK IMAGE...

WAY: `resampled`, as a user writes it: the images resampled, one crop of them, which stands for each of the views;
`views`, the least work: each view is sampled from the images as they are.
"""

import json
import math
import sys

import numpy as np
import torch
from monai.networks.nets import resnet18
from monai.transforms import LoadImage, NormalizeIntensity, Orientation, Spacing, SpatialCrop, SpatialResample
from safetensors import safe_open
from safetensors.torch import load_file


# ---- Images ----


def read(path):
    return Orientation("RAS", labels=None)(LoadImage(ensure_channel_first=True)(path))


def start_of(mask, size, spacing):
    """The crop around the middle of the mask's bounding box, on the lattice of Spacing: docs/model-format.md."""
    voxels = np.nonzero(mask[0].numpy())
    start = []
    for axis in range(3):
        middle = (voxels[axis].min() + voxels[axis].max()) / 2 * float(mask.pixdim[axis]) / spacing[axis]
        start.append(math.floor(middle - (size[axis] - 1) / 2 + 0.5 + 1e-6))
    return start


def resampled(images, start, size, spacing, angles):
    whole = torch.cat([Spacing(spacing, mode="bilinear", padding_mode="border")(image) for image in images])
    crop = SpatialCrop(roi_start=start, roi_end=[a + n for a, n in zip(start, size)])(whole)
    if crop.shape[1:] != tuple(size):
        raise SystemExit(f"the crop of {tuple(crop.shape[1:])} leaves the image: take another phantom")
    return [crop] * len(angles)


def affine_of(image, start, size, spacing, angle):
    """Of a view turned about the axis to the front; the image's axes are the patient's."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    half = (np.array(size) - 1) / 2 * spacing
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = image.affine.numpy()[:3, 3] + np.array(start) * spacing + half - turn @ half
    return affine


def view_by_view(images, start, size, spacing, angles):
    sample = SpatialResample(mode="bilinear", padding_mode="border", dtype=torch.float32)
    together = torch.cat(images)
    return [sample(together, affine_of(together, start, size, spacing, angle), size) for angle in angles]


WAYS = {"resampled": resampled, "views": view_by_view}


# ---- Network ----


def network_of(model):
    """The module and the model's description."""
    with safe_open(model, framework="pt") as file:
        description = json.loads(file.metadata()["deeptepp"])
    network = resnet18(spatial_dims=3, n_input_channels=len(description["input"]["channels"]), num_classes=2,
                       conv1_t_size=7, conv1_t_stride=description["network"]["stem_stride"], bias_downsample=False)
    network.load_state_dict(load_file(model))
    return network.eval(), description


def scores(way, network, description, mask, images):
    """Of each view."""
    section = description["input"]
    size, spacing = section["size"], np.array(section["region"]["spacing_mm"], float)
    views = WAYS[way]([read(image) for image in images], start_of(read(mask), size, spacing), size, spacing,
                      section["angles_deg"])
    normalise = NormalizeIntensity(channel_wise=True)
    views = torch.stack([normalise(view).as_tensor() for view in views])
    with torch.inference_mode():
        return network(views)[:, description["score"]["class"]].tolist()


def main(way, model, threads, mask, *images):
    torch.set_num_threads(int(threads))
    print(json.dumps(scores(way, *network_of(model), mask, images)))


if __name__ == "__main__":
    main(*sys.argv[1:])
