"""Stored vectors: scores by PyTorch and tensors by MONAI and SciPy, for machines that have none of them.

tests/golden/make_golden.py made them and says how.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import deeptepp_c
import golden_input
import make_model

VECTORS = sorted((Path(__file__).parent / "golden").glob("*.json"))

pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture(params=VECTORS, ids=[path.stem for path in VECTORS], scope="module")
def vector(request):
    return json.loads(request.param.read_text())


@pytest.fixture(scope="module")
def model(vector, tmp_path_factory):
    """The model file, made anew from its seed."""
    path = tmp_path_factory.mktemp("golden") / "model.safetensors"
    make_model.make_model(path, **vector["options"])
    return path


def phantom_images(stored):
    return [golden_input.voxels(seed) for seed in (1, 2)[:stored["tensor"]["shape"][1]]]


def phantom_case(images):
    affine = golden_input.affine()
    named = {"pre": (images[0], affine), "post": (images[1], affine)} if len(images) > 1 else (images[0], affine)
    return deeptepp_c.case(named, (golden_input.mask(), affine))


@pytest.fixture
def case(vector, request):
    if vector["input"] == "breast1":
        data = request.getfixturevalue("data")
        return deeptepp_c.case(data / "breast1_image.nii.gz", data / "breast1_label.nii.gz")
    return phantom_case(phantom_images(vector))


def test_there_are_vectors():
    assert len(VECTORS) >= 7


def test_the_model_is_made_anew_bit_by_bit(vector, model):
    digest = golden_input.digest(np.frombuffer(model.read_bytes(), dtype=np.uint8))
    assert digest == vector["model_sha256"], "NumPy's generator or make_model.py has changed: run make_golden.py"


def test_phantoms_are_made_anew_bit_by_bit():
    for path in VECTORS:
        stored = json.loads(path.read_text())
        if stored["input"] != "breast1":
            made = golden_input.digest(*phantom_images(stored), golden_input.mask())
            assert made == stored["input_sha256"], path.name


def test_the_tensor_is_monais_and_scipys(vector, model, case):
    tensor = deeptepp_c.Session(model).preprocess(case)
    stored = vector["tensor"]
    assert list(tensor.shape) == stored["shape"]
    assert np.abs(tensor.ravel()[stored["at"]] - stored["values"]).max() < 1e-4
    fourth = (tensor.astype(float) ** 4).mean(axis=(1, 2, 3, 4))
    assert np.allclose(fourth, stored["mean_of_fourth_powers"], rtol=1e-4)


def test_the_score_is_pytorchs(vector, model, case):
    """A mosaic may have pixels one grey level off: a thousandth of the score's spread over views is promised."""
    result = deeptepp_c.Session(model).score(case)
    mosaic = vector["options"].get("architecture") == "pmg2d"
    atol = 1e-3 * np.std(vector["view_scores"], ddof=1) if mosaic else 1e-5
    for key in ("view_scores", "member_scores", "score"):
        assert np.allclose(result[key], vector[key], rtol=1e-4, atol=atol), key
