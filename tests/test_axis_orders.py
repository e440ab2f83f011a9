"""One volume stored in all 48 axis orders is one patient; a mirrored one is another."""

import itertools

import numpy as np
import pytest

import deeptepp_c
import make_model

nibabel = pytest.importorskip("nibabel", reason="nibabel is not here")

pytestmark = pytest.mark.usefixtures("library")

ORDERS = [np.array(list(zip(axes, flips))) for axes in itertools.permutations(range(3))
          for flips in itertools.product((1, -1), repeat=3)]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    make_model.make_model(path, depth=10, width=8, size=32, self_test=False)
    return deeptepp_c.Session(path)


@pytest.fixture(scope="module")
def files(data):
    return [nibabel.load(data / f"breast1_{kind}.nii.gz") for kind in ("image", "label")]


def save(path, voxels, affine, form="sform"):
    """With that form alone set."""
    image = nibabel.Nifti1Image(voxels, affine)
    first, second = (image.set_qform, image.set_sform) if form == "sform" else (image.set_sform, image.set_qform)
    first(None, "unknown")
    second(affine, "scanner")
    nibabel.save(image, path)
    # A quaternion in float32 is good to some 1e-3 radians only where a turn is near 180 degrees.
    saved = nibabel.load(path)
    assert np.allclose(saved.affine, affine, atol=0.2) and int(saved.header[f"{form}_code"]) == 1
    return path


def reordered(file, order, path, form="sform"):
    """nibabel reorders data and affine alike."""
    image = file.as_reoriented(order)
    return save(path, np.asarray(image.dataobj), image.affine, form)


@pytest.fixture(scope="module")
def baseline(session, data):
    return session.score(deeptepp_c.case(data / "breast1_image.nii.gz", data / "breast1_label.nii.gz"))["score"]


def test_48_axis_orders_have_one_score(session, files, baseline, tmp_path):
    orientations = set()
    for n, order in enumerate(ORDERS):
        image, mask = (reordered(file, order, tmp_path / f"{name}.nii") for file, name in zip(files, ("image", "mask")))
        result = session.score(deeptepp_c.case(image, mask))
        orientations.add(result["images"][0]["orientation"])
        assert abs(result["score"] - baseline) < 1e-5, f"order {n}: {order.tolist()}"
    assert len(orientations) == 48


def test_a_mask_may_have_an_order_of_its_own(session, files, baseline, data, tmp_path):
    for order in ORDERS:
        mask = reordered(files[1], order, tmp_path / "mask.nii.gz")
        score = session.score(deeptepp_c.case(data / "breast1_image.nii.gz", mask))["score"]
        assert abs(score - baseline) < 1e-5, order.tolist()


def test_a_qform_alone_says_the_same(session, files, baseline, tmp_path):
    """It has one sign for three axes: each order is its own case of quaternion and qfac."""
    for order in ORDERS:
        image, mask = (reordered(file, order, tmp_path / f"{name}.nii", "qform")
                       for file, name in zip(files, ("image", "mask")))
        assert abs(session.score(deeptepp_c.case(image, mask))["score"] - baseline) < 1e-5, order.tolist()


@pytest.mark.parametrize("axis", range(3))
def test_a_mirrored_volume_has_another_score(session, files, baseline, tmp_path, axis):
    """The voxels mirrored, the affine as it was."""
    paths = []
    for file, name in zip(files, ("image", "mask")):
        voxels = np.flip(np.asarray(file.dataobj), axis)
        paths.append(save(tmp_path / f"{name}.nii", voxels, file.affine))
    assert abs(session.score(deeptepp_c.case(*paths))["score"] - baseline) > 1e-3
