"""Fixtures of the Python package's tests: it is installed in the interpreter that runs them (tests/run)."""

import json
import os
import subprocess

import nibabel
import numpy as np
import pytest

import deeptepp
import make_model


@pytest.fixture(scope="session")
def command_line():
    """score through the deeptepp program: the JSON's object."""
    def score(model, image, mask, *options):
        images = image if isinstance(image, list) else [image]
        arguments = ["--model", model, *(x for i in images for x in ("--image", i)), "--mask", mask, *options]
        done = subprocess.run([os.environ["DEEPTEPP_CLI"], "score", "--json", *map(os.fspath, map(str, arguments))],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return score


@pytest.fixture(scope="session")
def model(tiny_case):
    with deeptepp.open_model(tiny_case[0]) as opened:
        yield opened


@pytest.fixture(scope="session")
def paths(tiny_case):
    """Of image and mask."""
    return tiny_case[1:]


@pytest.fixture(scope="session")
def expected(tiny_case, command_line):
    return command_line(*tiny_case)


class Arrays:
    def __init__(self, image, mask):
        files = nibabel.load(image), nibabel.load(mask)
        self.image, self.mask = (np.asarray(file.dataobj) for file in files)
        self.affine = files[0].affine


@pytest.fixture(scope="session")
def arrays(paths):
    """Voxels and affine as nibabel reads them."""
    return Arrays(*paths)


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory):
    """Path of a model that takes seconds a score on one thread."""
    path = tmp_path_factory.mktemp("slow") / "model.safetensors"
    make_model.make_model(path, depth=18, width=32, size=(64, 64, 64), views=60, self_test=False)
    return path
