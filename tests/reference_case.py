"""The published pipeline as a whole, in Python: OpenCV's mosaics (reference_mosaic.py), PyTorch's network
(reference_pmg.py), means over views and members."""

import numpy as np

import make_model
import reference_mosaic
import reference_pmg

# Thin members, so that PyTorch takes seconds; the file's own axis order, as the published pipeline had it.
OPTIONS = {"architecture": "pmg2d", "width": 8, "members": 5, "seed": 21, "overrides": {"input.axes": "stored"}}


def views(section, image, mask):
    """(views, height, width) as the network takes them. image, mask: arrays in the model's index order."""
    return np.stack([reference_mosaic.normalise(reference_mosaic.mosaic(image, mask, degrees, section["slices"])[0])
                     for degrees in section["angles_deg"]])


def scores(path, model, image, mask):
    """[member][view]: the sum of the heads' logits of the model's class, in float64."""
    tensors, _ = make_model.read_safetensors(path)
    seen, chosen = views(model["input"], image, mask), model["score"]["class"]
    return np.array([reference_pmg.heads(reference_pmg.build(own).double(), seen).sum(axis=1)[:, chosen]
                     for _, own in make_model.member_tensors(model, tensors)])
