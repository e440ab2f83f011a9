"""The lattice of MONAI's Spacing on files, oblique ones too, against NumPy's arithmetic: docs/model-format.md."""

import numpy as np
import pytest

import deeptepp_c
import make_model

nibabel = pytest.importorskip("nibabel", reason="nibabel is not here")
pytest.importorskip("scipy", reason="SciPy is not here")
import reference_lattice  # noqa: E402
from reference_lattice import read_case, write_case  # noqa: E402

pytestmark = pytest.mark.usefixtures("library")

OBLIQUE, ALIGNED = (0, 1, 2, 3, 4, 5, 6, 7, 19, 24), range(10, 20)
SPACING = (1, 1.3, 0.8)


def session(folder, region, axes="RAS", **options):
    """(of unrotated views; the recipe)."""
    options = {"depth": 10, "width": 2, "size": (12, 10, 14), **options}
    model = make_model.description(overrides={
        "input.angles_deg": [0], "input.axes": axes, "input.intensity": {"rule": "none"}, "input.region": region},
        **options)
    make_model.write_safetensors(folder / "model.safetensors", make_model.state_dict(**options), model)
    return deeptepp_c.Session(folder / "model.safetensors"), model["input"]


def fixed(lattice, spacing=SPACING):
    return {"rule": "fixed", "spacing_mm": list(spacing), "lattice": lattice}


def views(folder, paths, lattice, spacing=SPACING, axes="RAS"):
    """(the library's unrotated view, the recipe)."""
    opened, recipe = session(folder, fixed(lattice, spacing), axes)
    return opened.preprocess(deeptepp_c.case(*paths))[0, 0], recipe


def compared(folder, paths, **options):
    """Point 0 of the lattice, and the library's view, which is NumPy's."""
    found, recipe = views(folder, paths, "monai", **options)
    image, *rest = read_case(paths)
    wanted, origin = reference_lattice.view(recipe, image, *rest)
    assert np.abs(found - wanted).max() < 1e-5 * np.ptp(image)
    return origin, found


def difference(folder, paths, found, **options):
    """How much of the largest value the default lattice's view differs by."""
    return np.abs(views(folder, paths, "first_voxel", **options)[0] - found).max() / np.abs(found).max()


# ---- Promises ----


@pytest.mark.parametrize("seed", ALIGNED)
@pytest.mark.parametrize("axes", ["RAS", "SAR"])
def test_axis_aligned_files_have_one_lattice(tmp_path, seed, axes):
    paths = write_case(tmp_path, seed, oblique=False)
    origin, found = compared(tmp_path, paths, axes=axes)
    assert not origin.any() and difference(tmp_path, paths, found, axes=axes) == 0


@pytest.mark.parametrize("seed", range(20, 24))
def test_so_have_oblique_ones_of_a_quaternion(tmp_path, seed):
    paths = write_case(tmp_path, seed, oblique=True, form="qform")
    origin, found = compared(tmp_path, paths)
    assert not origin.any() and difference(tmp_path, paths, found) == 0


@pytest.mark.parametrize("seed", OBLIQUE)
@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAL"])
def test_oblique_files_are_sampled_where_monai_samples_them(tmp_path, seed, axes):
    paths = write_case(tmp_path, seed, oblique=True)
    origin, found = compared(tmp_path, paths, axes=axes)
    assert (difference(tmp_path, paths, found, axes=axes) > 0.01) == origin.any()


def test_oblique_files_are_of_both_kinds(tmp_path):
    """Or the test before would try one way only."""
    centred = [compared(tmp_path, write_case(tmp_path, seed, oblique=True))[0].any() for seed in OBLIQUE]
    assert sum(centred) == 8


@pytest.mark.parametrize("oblique", [False, True])
def test_a_step_that_is_nearly_the_voxels_is_theirs(tmp_path, oblique):
    """Within 0.001 mm, axis by axis."""
    paths = write_case(tmp_path, 30, oblique, spacing=(1.0004, 1.2996, 0.9), shape=(38, 36, 40))
    _, found = compared(tmp_path, paths, spacing=(1, 1.3, 2))
    assert difference(tmp_path, paths, found, spacing=(1, 1.3, 2)) > 1e-4


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("edge, step, still", [(3, 3.0025, True), (3, 3.004, False), (1, 1.0012, False)])
def test_an_image_that_would_hardly_move_stays_as_it_is(tmp_path, oblique, edge, step, still):
    """0.0025 mm are more than 0.001 mm, and less than a thousandth of a voxel; but a centred image moves more."""
    paths = write_case(tmp_path, 31, oblique, spacing=(edge,) * 3, shape=(30, 31, 32))
    origin, found = compared(tmp_path, paths, spacing=(step,) * 3)
    image, _, _ = read_case(paths)
    assert np.isin(found, image).all() == (still and not origin.any())


def test_an_unknown_lattice_is_refused(tmp_path):
    with pytest.raises(deeptepp_c.DeepteppError, match="input.region.lattice") as caught:
        views(tmp_path, write_case(tmp_path, 0, oblique=False), "last_voxel")
    assert caught.value.status == "MODEL_VALUE" and "first_voxel, monai" in str(caught.value)


def test_a_box_has_no_lattice(tmp_path):
    with pytest.raises(deeptepp_c.DeepteppError, match="lattice") as caught:
        session(tmp_path, {"rule": "box", "margin_mm": 1, "keep_aspect": True, "lattice": "monai"})
    assert caught.value.status == "MODEL_METADATA"


def test_without_the_key_the_lattice_begins_at_the_first_voxel(tmp_path):
    paths = write_case(tmp_path, 2, oblique=True)
    wanted, _ = views(tmp_path, paths, "first_voxel")
    opened, _ = session(tmp_path, {"rule": "fixed", "spacing_mm": list(SPACING)})
    assert np.array_equal(opened.preprocess(deeptepp_c.case(*paths))[0, 0], wanted)


def test_the_first_channels_image_says_where(tmp_path):
    """Two files of one series, rounded otherwise: only one of them would be centred alone."""
    image, mask = write_case(tmp_path, 2, oblique=True)
    voxels, _, affine = read_case((image, mask))
    affine[:3, 2] += 1e-6 * (affine[:3, 0] + affine[:3, 1])
    affine[:3, 1] += 1e-6 * affine[:3, 0]
    other = tmp_path / "other.nii"
    nibabel.save(nibabel.Nifti1Image(voxels, affine), other)
    axes = "".join(nibabel.aff2axcodes(affine))
    opened, _ = session(tmp_path, fixed("monai"), axes, channels=("pre", "post"))
    for first, second, lattice in ((image, other, "monai"), (other, image, "first_voxel")):
        found = opened.preprocess(deeptepp_c.case({"pre": first, "post": second}, mask))[0]
        wanted, _ = views(tmp_path, (image, mask), lattice, axes=axes)
        assert np.abs(found - wanted).max() < 1e-4 * np.ptp(voxels)
