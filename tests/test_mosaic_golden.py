"""The published views against what OpenCV made of the same cases, stored for machines that do not have it.

tests/golden/make_mosaics.py made the vectors; tests/test_mosaic_opencv.py compares live and in full.
"""

from pathlib import Path

import numpy as np
import pytest

import deeptepp_c
import golden_mosaic
import mosaic_case

pytestmark = pytest.mark.usefixtures("library")

VECTORS = np.load(Path(__file__).parent / "golden" / "mosaics.npz")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return mosaic_case.session(tmp_path_factory.mktemp("model"), angles=golden_mosaic.ANGLES)


def compare(session, patient, name):
    mosaics = mosaic_case.grey(session.preprocess(patient))[:, 0, 0]
    found = np.stack([golden_mosaic.sample(mosaic) for mosaic in mosaics]).astype(int)
    apart = np.abs(found - VECTORS[f"{name}_sample"])
    assert apart.max() <= 2 and (apart <= 1).mean() >= 0.999
    for mosaic, wanted in zip(mosaics, VECTORS[f"{name}_histogram"]):
        assert np.abs(golden_mosaic.histogram(mosaic) - wanted).sum() <= 0.002 * mosaic.size


@pytest.mark.parametrize("name", golden_mosaic.generated())
def test_generated(name, session):
    compare(session, mosaic_case.case(*golden_mosaic.generated()[name]), name)


def test_breast1(session, data):
    compare(session, deeptepp_c.case(data / "breast1_image.nii.gz", data / "breast1_label.nii.gz"), "breast1")


def test_vectors_tell_angles_and_cases_apart():
    samples = [sample.astype(int) for name in VECTORS.files if name.endswith("_sample") for sample in VECTORS[name]]
    for i, a in enumerate(samples):
        for b in samples[:i]:
            assert (np.abs(a - b) > 2).mean() > 0.01
