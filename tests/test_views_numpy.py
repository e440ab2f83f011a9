"""Views of real images, against nibabel's affines and SciPy's interpolation."""

import numpy as np
import pytest

import cli_program
import deeptepp_c
import make_model

nibabel = pytest.importorskip("nibabel", reason="nibabel is not here")
ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not here")
import reference_views  # noqa: E402

pytestmark = pytest.mark.usefixtures("library")

FIXED = {"rule": "fixed", "spacing_mm": [1, 1, 1]}
# Every option that moves a sample. The ten angles are the description's default: 36, 72, ... 360 degrees.
CASES = {
    "ten angles": {},
    "anisotropic steps": {"input.region": {"rule": "fixed", "spacing_mm": [0.7, 1.3, 2.1]}},
    "depth is superior": {"input.axes": "SAR"},
    "left posterior inferior": {"input.axes": "LPI", "input.size": [20, 24, 33]},
    "about right": {"input.rotation_axis": "LR"},
    "about superior": {"input.rotation_axis": "SI", "input.axes": "PSL"},
    "box": {"input.region": {"rule": "box", "margin_mm": 10, "keep_aspect": False}},
    "cubic box": {"input.region": {"rule": "box", "margin_mm": 4, "keep_aspect": True}},
    "constant fill": {"input.outside": {"rule": "warn", "fill": "constant", "value": -50}},
}


def load(folder, name):
    """(voxels, affine) of image and label."""
    files = [nibabel.load(folder / f"{name}_{kind}.nii.gz") for kind in ("image", "label")]
    return [(np.asarray(file.dataobj), file.affine) for file in files]


def recipe_session(folder, **overrides):
    """A session whose network is of no interest, and its recipe."""
    options = {"depth": 10, "width": 2, "size": 24,
               "overrides": {"input.intensity": {"rule": "none"}, "input.region": FIXED, **overrides}}
    model = make_model.description(**options)
    make_model.write_safetensors(folder / "model.safetensors", make_model.state_dict(**options), model)
    return deeptepp_c.Session(folder / "model.safetensors"), model["input"]


@pytest.mark.parametrize("overrides", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", ["breast1", "brain1"])
def test_views_are_where_nibabel_and_scipy_put_them(data, tmp_path, name, overrides):
    session, recipe = recipe_session(tmp_path, **overrides)
    found = session.preprocess(deeptepp_c.case(data / f"{name}_image.nii.gz", data / f"{name}_label.nii.gz",
                                               largest_part=True))
    (image, affine), (mask, _) = load(data, name)
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    mask = (parts == np.bincount(parts.ravel())[1:].argmax() + 1).astype(mask.dtype)
    wanted = reference_views.raw_views(recipe, [image], mask, affine)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-5 * np.ptp(image)


def test_zscored_views_are_too(data, tmp_path):
    session, recipe = recipe_session(tmp_path, **{"input.intensity": {"rule": "zscore", "over": "view"}})
    found = session.preprocess(deeptepp_c.case(data / "breast1_image.nii.gz", data / "breast1_label.nii.gz"))
    (image, affine), (mask, _) = load(data, "breast1")
    assert np.abs(found - reference_views.views(recipe, [image], mask, affine)).max() < 1e-4


def test_an_array_gives_what_its_file_gives(data, tmp_path):
    """nibabel's arrays are Fortran-ordered; a C-ordered copy has other strides."""
    session, _ = recipe_session(tmp_path)
    from_file = session.preprocess(deeptepp_c.case(data / "breast1_image.nii.gz", data / "breast1_label.nii.gz"))
    for order in "FC":
        image, mask = ((np.array(voxels, order=order), affine) for voxels, affine in load(data, "breast1"))
        assert np.array_equal(session.preprocess(deeptepp_c.case(image, mask)), from_file)


@cli_program.needs_program
def test_the_command_line_writes_the_same(data, tmp_path):
    session, _ = recipe_session(tmp_path)
    files = data / "breast1_image.nii.gz", data / "breast1_label.nii.gz"
    cli_program.answer("preprocess", "--model", tmp_path / "model.safetensors", "--image", files[0], "--mask", files[1],
                       "--out", tmp_path / "case.npy")
    assert np.array_equal(np.load(tmp_path / "case.npy"), session.preprocess(deeptepp_c.case(*files)))


def test_orientation_is_nibabels_up_to_45_degrees(tmp_path):
    """Further, nibabel's answer depends on the order of the axes in storage, which a score must not."""
    from scipy.spatial.transform import Rotation

    random = np.random.Generator(np.random.PCG64(4))
    for order in random.permuted(np.tile(np.arange(3), (300, 1)), axis=1):
        turn = Rotation.from_euler("xyz", random.uniform(-24, 24, 3), degrees=True).as_matrix()
        affine = np.eye(4)
        affine[:3, :3] = turn[:, order] * random.choice([-1, 1], 3) * random.uniform(0.5, 5, 3)
        image = np.zeros((2, 2, 2), dtype=np.uint8), affine
        assert deeptepp_c.orientation(image) == "".join(nibabel.aff2axcodes(affine))
