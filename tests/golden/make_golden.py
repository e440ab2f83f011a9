"""Writes the stored vectors beside this file: what MONAI, SciPy, OpenCV and PyTorch say of a few seeded models. By
hand, where these are installed (tests/live-requirements.txt):

    python tests/golden/make_golden.py [FOLDER OF breast1_*.nii.gz]

Nothing of the C library is used: views come from reference_views.py, of which the unrotated one must be MONAI's, or, as
mosaics, from reference_mosaic.py; scores from reference_resnet.py or reference_pmg.py in float64. tests/test_golden.py
compares with NumPy alone.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import monai
import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import NormalizeIntensity, Orientation, Spacing, SpatialCrop

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden_input  # noqa: E402
import make_model  # noqa: E402
import numpy_resnet  # noqa: E402
import reference_case  # noqa: E402
import reference_resnet  # noqa: E402
import reference_views  # noqa: E402

SMALL = {"width": 8, "size": (32, 32, 32), "self_test": False}
MODELS = {
    "resnet10": {**SMALL, "depth": 10, "seed": 11},
    "medicalnet18": {**SMALL, "depth": 18, "seed": 12, "size": (16, 24, 20), "layer_strides": (1, 2, 1, 1),
                     "layer_dilations": (1, 1, 2, 4), "overrides": {"input.axes": "SAR"}},
    "ensemble50": {**SMALL, "depth": 50, "seed": 13, "shortcut": "A", "members": 3, "dtype": "F16",
                   "overrides": {"score.rule": "softmax",
                                 "input.region": {"rule": "fixed", "spacing_mm": [0.8, 1.1, 1.6]}}},
    "two_channels": {**SMALL, "depth": 10, "seed": 14, "channels": ("pre", "post"), "stem_stride": (1, 2, 2),
                     "overrides": {"input.rotation_axis": "SI"}},
}
MOSAIC_MODELS = {"pmg5": {**reference_case.OPTIONS, "self_test": False}}
SAMPLES = 64


def inputs(folder):
    """{name: (channels' voxels, mask, affine)}."""
    files = [nibabel.load(folder / f"breast1_{kind}.nii.gz") for kind in ("image", "label")]
    return {
        "breast1": ([np.asarray(files[0].dataobj)], np.asarray(files[1].dataobj), files[0].affine),
        "phantom": ([golden_input.voxels(1)], golden_input.mask(), golden_input.affine()),
        "phantom2": ([golden_input.voxels(1), golden_input.voxels(2)], golden_input.mask(), golden_input.affine()),
    }


def monai_view(recipe, images, mask, affine):
    """The unrotated view, or None where MONAI's crop leaves the image."""
    frame = reference_views.Frame(mask.shape, affine, recipe["axes"])
    start = reference_views.crop_start(recipe, *reference_views.tumour_box(mask, affine, frame)).astype(int)
    tensor = MetaTensor(torch.from_numpy(np.stack(images).astype(float)), affine=torch.from_numpy(affine))
    for transform in (Orientation(axcodes=recipe["axes"], labels=None),
                      Spacing(pixdim=recipe["region"]["spacing_mm"], mode="bilinear", dtype=torch.float64),
                      SpatialCrop(roi_start=start, roi_end=start + np.array(recipe["size"])),
                      NormalizeIntensity(channel_wise=True, dtype=np.float64)):
        tensor = transform(tensor)
    return np.asarray(tensor) if tensor.shape[1:] == tuple(recipe["size"]) else None


def tensor_of(recipe, images, mask, affine):
    """(the network's input, whether MONAI confirms its unrotated view)."""
    tensor = reference_views.views(recipe, images, mask, affine)
    unrotated = recipe["angles_deg"].index(360)
    theirs = monai_view(recipe, images, mask, affine)
    if theirs is not None:
        worst = np.abs(theirs - tensor[unrotated]).max()
        assert worst < 1e-4, f"MONAI's view differs by {worst}"
    return tensor.astype(np.float32), theirs is not None


def scores(model, tensors, tensor):
    """[member][view]."""
    members = reference_resnet.logits(model, tensors, tensor)["members"]
    return np.array([[numpy_resnet.score(model["score"], np.array(row)) for row in member["logits"]]
                     for member in members])


def sampled(tensor):
    """A few hundredths of a per cent of it, and two sums that see the rest."""
    places = np.random.Generator(np.random.PCG64(5)).integers(0, tensor.size, SAMPLES)
    flat = tensor.ravel().astype(float)
    return {"shape": list(tensor.shape), "at": places.tolist(), "values": [float(f"{v:.7g}") for v in flat[places]],
            "mean_of_fourth_powers": [float(f"{v:.9g}") for v in (tensor.astype(float) ** 4).mean(axis=(1, 2, 3, 4))]}


def of_cubes(path, model, images, mask, affine):
    """(the network's input, [member][view], what else to store)."""
    tensors, _ = make_model.read_safetensors(path)
    tensor, confirmed = tensor_of(model["input"], images, mask, affine)
    return tensor, scores(model, tensors, tensor), {"unrotated_view_is_monais": confirmed}


def of_mosaics(path, model, images, mask, affine):
    views = reference_case.views(model["input"], images[0], mask)
    return views[:, None, None], reference_case.scores(path, model, images[0], mask), {}


def vector(options, make, images, mask, affine):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model = make_model.make_model(path, **options)
        model_digest = golden_input.digest(np.frombuffer(path.read_bytes(), dtype=np.uint8))
        tensor, each, more = make(path, model, images, mask, affine)
    return {"options": options, "model_sha256": model_digest, "input_sha256": golden_input.digest(*images, mask),
            **more, "tensor": sampled(tensor), "score": each.mean(),
            "view_scores": each.mean(axis=0).tolist(), "member_scores": each.mean(axis=1).tolist()}


def write(name, kind, options, make, case):
    versions = {"torch": torch.__version__, "monai": monai.__version__, "numpy": np.__version__}
    stored = {"model": name, "input": kind, "made_with": versions, **vector(options, make, *case)}
    (HERE / f"{name}_{kind}.json").write_text(json.dumps(stored, indent=1) + "\n")


def main():
    default = os.environ.get("DEEPTEPP_TEST_DATA", HERE.parents[2] / "shared" / "data")
    folder = sys.argv[1] if len(sys.argv) > 1 else default
    for kind, case in inputs(Path(folder)).items():
        for name, options in MODELS.items():
            if len(options.get("channels", ("t1c",))) == len(case[0]):
                write(name, kind, options, of_cubes, case)
        for name, options in MOSAIC_MODELS.items() if kind == "breast1" else ():
            write(name, kind, options, of_mosaics, case)


if __name__ == "__main__":
    main()
