"""A few small models ready to run, and a good case for them whose files tests exchange one by one."""

import numpy as np

import deeptepp_c
import hazard_files as files
import make_model

GOOD = files.nifti(files.image())
SQUEEZED = files.compressed(GOOD)
DCE = np.stack([files.image(seed) for seed in (1, 2, 3)], axis=-1)

COVARIATES = {"age": 52, "grade": 3}
MODEL = {
    "depth": 10, "width": 4, "size": 16, "views": 3, "self_test": False,
    "overrides": {
        "input.spacing_mm": {"hard": [0.5, 6], "usual": [0.9, 4]}, "input.min_mask_voxels": 20,
        "covariates": [
            {"name": "age", "unit": "years", "range": [18, 100], "coefficient": 0.02, "centre": 50},
            {"name": "grade", "unit": "none", "levels": [{"value": 2, "name": "2", "coefficient": 0},
                                                         {"value": 3, "name": "3", "coefficient": 0.3}]},
            {"name": "er", "unit": "%", "range": [0, 100], "coefficient": 0.001, "missing": 60}]},
}
TWO = {"depth": 10, "width": 4, "size": 16, "views": 3, "self_test": False, "channels": ("pre", "post")}
STRICT = {**TWO, "channels": ("t1c",), "overrides": {"input.outside": {"rule": "error", "fill": "edge"}}}
RAW = {**TWO, "channels": ("t1c",), "overrides": {"input.intensity": {"rule": "none"}}}


class Bench:
    """Sessions by model, and the good case's files."""

    def __init__(self, folder):
        self.folder = folder
        self.sessions = {}
        for name, options in {"main": MODEL, "two": TWO, "strict": STRICT, "raw": RAW}.items():
            make_model.make_model(folder / f"{name}.safetensors", **options)
            self.sessions[name] = deeptepp_c.Session(folder / f"{name}.safetensors", threads=2)
        self.image = self.write("good.nii", files.nifti(files.image()))
        self.mask = self.write("good_mask.nii.gz", files.compressed(files.nifti(files.mask())))
        self.good = self.score()

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def score(self, image=None, mask=None, model="main", label=0, covariates=COVARIATES, orientation=None):
        """Images and masks: paths, Handles, bytes of a file, arrays on the usual grid, or dicts of them by channel."""
        images = image if isinstance(image, dict) else {None: image}
        images = {name: self.take(one, self.image, "bad.nii", orientation) for name, one in images.items()}
        patient = deeptepp_c.case(images, self.take(mask, self.mask, "bad_mask.nii", orientation), label,
                                  covariates if model == "main" else ())
        return self.sessions[model].score(patient)

    def take(self, image, default, name, orientation):
        if image is None:
            image = default
        if isinstance(image, np.ndarray):
            return deeptepp_c.volume((image, files.affine()))
        if isinstance(image, bytes):
            image = self.write(name, image)
        return image if isinstance(image, deeptepp_c.Handle) else deeptepp_c.volume(image, orientation)


def in_the_border():
    values = files.mask()
    return np.roll(values, -np.argwhere(values)[:, 0].min(), axis=0)
