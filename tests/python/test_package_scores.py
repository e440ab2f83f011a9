"""The package gives the command line's numbers to the last bit, however the volumes come."""

import json
import math
import os
import pickle
import struct
import subprocess

import nibabel
import numpy as np
import pytest
import scipy.ndimage

import deeptepp
import make_model

# ---- One case, many ways in ----


def reversed_in_memory(array):
    """The same array, whose memory runs backwards along every axis."""
    return np.ascontiguousarray(array[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]


def every_second(array):
    wide = np.zeros([2 * edge for edge in array.shape], array.dtype)
    wide[::2, ::2, ::2] = array
    return wide[::2, ::2, ::2]


def read_only(array):
    result = array.copy()
    result.flags.writeable = False
    return result


def unaligned(array):
    result = np.frombuffer(bytearray(array.nbytes + 1), np.uint8)[1:].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


class ArrayLike:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


LAYOUTS = {
    "C": np.ascontiguousarray, "Fortran": np.asfortranarray, "negative": reversed_in_memory, "strided": every_second,
    "read-only": read_only, "unaligned": unaligned, "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "array-like": ArrayLike, "longlong": lambda a: a.astype(np.longlong),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_an_array(model, arrays, expected, layout):
    case = [(LAYOUTS[layout](a), arrays.affine) for a in (arrays.image, arrays.mask)]
    assert model.score(*case).view_scores == tuple(expected["view_scores"])


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"])
def test_every_type_of_an_image(model, arrays, expected, dtype):
    image = arrays.image.clip(0).astype(dtype)
    assert np.array_equal(image, arrays.image), "the phantom has no negative voxels"
    assert model.score((image, arrays.affine), (arrays.mask, arrays.affine)).score == expected["score"]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "float16", "float64"])
def test_every_type_of_a_mask(model, arrays, paths, expected, dtype):
    assert model.score(paths[0], (arrays.mask.astype(dtype), arrays.affine)).score == expected["score"]


def test_float16_images_are_their_float32_values(model, arrays):
    half = arrays.image.astype(np.float16)
    mask = (arrays.mask, arrays.affine)
    whole = model.score((half.astype(np.float32), arrays.affine), mask)
    assert model.score((half, arrays.affine), mask).score == whole.score


def test_axes_of_stride_0_are_copied(model, arrays):
    flat = np.broadcast_to(arrays.image[:, :, 20:21], arrays.image.shape)
    mask = (arrays.mask, arrays.affine)
    assert model.score((flat, arrays.affine), mask).score == model.score((flat.copy(), arrays.affine), mask).score


def test_an_array_that_repeats_one_voxel_is_constant(model, arrays):
    """Strides of 0 alone mean packed memory to the library, which would read far past it."""
    flat = np.broadcast_to(np.float32(5), arrays.image.shape)
    with pytest.raises(deeptepp.errors.ImageConstantError):
        model.score((flat, arrays.affine), (arrays.mask, arrays.affine))


def test_paths_volumes_and_images_of_nibabel(model, paths, expected):
    image, mask = paths
    ways = [(str(image), str(mask)), (os.fsencode(image), mask), (deeptepp.Volume.open(image), mask),
            (nibabel.load(image), nibabel.load(mask)), (nibabel.load(image), mask)]
    assert [model.score(*way).score for way in ways] == [expected["score"]] * len(ways)


def test_images_of_simpleitk(model, paths, expected):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    assert model.score(*(sitk.ReadImage(str(path)) for path in paths)).score == expected["score"]


def test_images_of_simpleitk_in_another_direction(model, paths, expected):
    """SimpleITK's own flip changes memory, origin and direction together: the same patient."""
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    flipped = [sitk.Flip(sitk.ReadImage(str(path)), [True, False, True]) for path in paths]
    assert deeptepp.open_model(model.path).score(*flipped).score == pytest.approx(expected["score"], abs=1e-6)


def test_scaled_files_through_nibabel(model, paths, arrays, command_line, tmp_path):
    scaled = nibabel.Nifti1Image(arrays.image, arrays.affine)
    scaled.header.set_slope_inter(0.37, -11.25)
    nibabel.save(scaled, tmp_path / "scaled.nii")
    raw = bytearray((tmp_path / "scaled.nii").read_bytes())
    struct.pack_into("<2f", raw, 112, 0.37, -11.25)
    (tmp_path / "scaled.nii").write_bytes(raw)
    found = model.score(nibabel.load(tmp_path / "scaled.nii"), paths[1])
    # nibabel hands out the scaled values as float64, the library scales after it has interpolated.
    assert found.score == pytest.approx(command_line(model.path, tmp_path / "scaled.nii", paths[1])["score"], abs=1e-6)


@pytest.mark.parametrize("unit", ["micron", "meter"])
def test_units_through_nibabel(model, paths, arrays, expected, unit, tmp_path):
    factor = {"micron": 1000, "meter": 0.001}[unit]
    affine = np.diag([factor] * 3 + [1]) @ arrays.affine
    image = nibabel.Nifti1Image(arrays.image, affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "image.nii")
    scores = [model.score(i, paths[1]).score for i in (tmp_path / "image.nii", image)]
    assert scores == pytest.approx([expected["score"]] * 2, abs=1e-5)


def test_a_last_axis_of_one_through_nibabel(model, paths, arrays, expected):
    image = nibabel.Nifti1Image(arrays.image[..., None], arrays.affine)
    assert model.score(image, paths[1]).score == expected["score"]


# ---- Everything a score says ----


def test_the_dict_is_the_command_line_s_object(model, paths, expected):
    assert model.score(*paths).to_dict() == expected


def test_every_getter_agrees_with_the_json(model, paths, expected):
    found = model.score(*paths)
    tier = expected["tier"]
    assert (found.score, found.score_sd) == (expected["score"], expected["score_sd"])
    assert list(found.view_scores) == expected["view_scores"]
    assert list(found.member_scores) == expected["member_scores"]
    assert (found.tier, found.tier_name) == (tier["index"], tier["name"])
    assert found.cutpoint_distance == tier["distance_to_nearest"]
    assert found.guidance is None and expected["guidance"] is None
    assert found.survival == () and expected["survival"] is None
    assert [(w.code, w.message) for w in found.warnings] == [(w["code"], w["message"]) for w in expected["warnings"]]
    assert [w.name for w in found.warnings] == ["DEEPTEPP_WARN_SEEDED_WEIGHTS"]
    assert float(found) == found.score


def with_a_second_part(mask):
    """Two voxels, 5 beside the tumour's last along i."""
    result, (i, j, k) = mask.copy(), np.argwhere(mask)[-1]
    result[i + 5, j, k:k + 2] = 1
    return result


def test_the_mask_of_a_score_agrees_with_the_json(model, paths, arrays):
    parts = with_a_second_part(arrays.mask)
    for options in ({}, {"largest_part": True}):
        score = model.score(paths[0], (parts, arrays.affine), **options)
        found, wanted, geometry = score.mask, score.to_dict()["mask"], score.to_dict()["geometry"]
        for key in ("label", "voxels", "part_count", "rounding"):
            assert getattr(found, key) == wanted[key]
        assert list(found.parts) == [(part["voxels"], part["distance_mm"]) for part in wanted["parts"]]
        assert [list(found.low), list(found.high)] == wanted["box"]
        assert found.share == geometry["share_inside"] and list(found.view_shares) == geometry["view_share_inside"]
    voxels = np.argwhere(arrays.mask)
    assert (found.low, found.high) == (tuple(voxels.min(axis=0)), tuple(voxels.max(axis=0)))
    assert found.voxels == len(voxels) and found.part_count == 2 and found.parts[1].voxels == 2


def test_of_many_parts_the_64_largest_are_told(model, paths, arrays):
    specks = arrays.mask.copy()
    free = np.argwhere(scipy.ndimage.maximum_filter(arrays.mask, 5) == 0)
    specks[tuple(free[(free % 3 == 0).all(axis=1)][:70].T)] = 1
    mask = model.score(paths[0], (specks, arrays.affine), largest_part=True).mask
    assert mask.part_count == 71 and len(mask.parts) == 64
    assert {part.voxels for part in mask.parts[1:]} == {1}


def test_repr_shows_tier_distance_and_warnings(model, paths, expected):
    shown = repr(model.score(*paths))
    for part in (f"{expected['score']:.6f}", repr(expected["tier"]["name"]),
                 f"{expected['tier']['distance_to_nearest']:+.6f}", "SEEDED_WEIGHTS"):
        assert part in shown


def test_a_score_outlives_its_model_and_pickles(tiny_case):
    with deeptepp.open_model(tiny_case[0]) as opened:
        found = opened.score(*tiny_case[1:])
    assert pickle.loads(pickle.dumps(found)) == found
    assert b"deeptepp._" not in pickle.dumps(found) and b"deeptepp.score" not in pickle.dumps(found)
    with pytest.raises(AttributeError):
        found.score = 1.0


def test_preprocess_is_the_command_line_s(model, paths, tmp_path):
    subprocess.run([os.environ["DEEPTEPP_CLI"], "preprocess", "--model", model.path, "--image", paths[0], "--mask",
                    paths[1], "--out", tmp_path / "x.npy"], check=True, stdout=subprocess.DEVNULL)
    found = model.preprocess(*paths)
    assert found.dtype == np.float32 and found.shape == model.input_shape and found.flags.c_contiguous
    assert np.array_equal(found, np.load(tmp_path / "x.npy"))


def test_self_test(model):
    found = model.self_test()
    assert found.found == pytest.approx(found.expected, rel=1e-4)


# ---- Options ----


def test_label(model, paths, arrays, expected):
    two = arrays.mask.astype(np.uint8) * 3
    two[0, 0, 0] = 2
    mask = (two, arrays.affine)
    with pytest.raises(deeptepp.errors.MaskLabelsError) as caught:
        model.score(paths[0], mask)
    assert caught.value.volumes == ("mask",)
    assert model.score(paths[0], mask, label=3).score == expected["score"]
    assert model.score(paths[0], mask, label=np.int16(3)).score == expected["score"]
    for wrong in (0, -1, 2**53 + 1):
        with pytest.raises(ValueError, match="label is"):
            model.score(paths[0], mask, label=wrong)
    with pytest.raises(TypeError):
        model.score(paths[0], mask, label=3.0)


def test_largest_part(model, paths, arrays, expected, command_line, tmp_path):
    parts = with_a_second_part(arrays.mask)
    case = paths[0], tmp_path / "parts.nii"
    nibabel.save(nibabel.Nifti1Image(parts, arrays.affine), case[1])
    found = model.score(*case, largest_part=True)
    assert found.score == expected["score"] != model.score(*case).score
    assert found.to_dict() == command_line(model.path, *case, "--largest-part")
    assert model.preprocess(*case, largest_part=True).tobytes() == model.preprocess(*paths).tobytes()


def test_mask_grid(model, paths, arrays, expected):
    moved = arrays.affine.copy()
    moved[0, 3] += 500
    mask = (arrays.mask, moved)
    with pytest.raises(deeptepp.errors.GeometryOriginError) as caught:
        model.score(paths[0], mask)
    assert set(caught.value.volumes) == {"t1c", "mask"}
    assert model.score(paths[0], mask, mask_grid="image").score == expected["score"]
    assert model.score(*paths, mask_grid="nearest").score == expected["score"]
    for wrong in ("linear", None, ["same"]):
        with pytest.raises(ValueError, match="'same', 'image', 'nearest'"):
            model.score(*paths, mask_grid=wrong)


def test_orientation(model, paths, arrays, command_line, tmp_path):
    for name, voxels in (("image.nii", arrays.image), ("mask.nii", arrays.mask)):
        silent = nibabel.Nifti1Image(voxels, arrays.affine)
        silent.set_sform(None, 0)
        silent.set_qform(None, 0)
        silent.header.set_zooms(np.linalg.norm(arrays.affine[:3, :3], axis=0))
        nibabel.save(silent, tmp_path / name)
    case = tmp_path / "image.nii", tmp_path / "mask.nii"
    with pytest.raises(deeptepp.errors.NiftiOrientationError) as caught:
        model.score(*case)
    assert caught.value.volumes == ("t1c",)
    with pytest.raises(deeptepp.errors.NiftiOrientationError, match="nibabel made one up"):
        model.score(nibabel.load(case[0]), case[1])
    found = model.score(*case, orientation="RAS")
    assert found.to_dict() == command_line(model.path, *case, "--orientation", "RAS")
    with pytest.raises(ValueError, match="none of the volumes is given by its path"):
        model.score((arrays.image, arrays.affine), (arrays.mask, arrays.affine), orientation="RAS")


def test_analyze_images_are_refused(model, paths, arrays):
    with pytest.raises(deeptepp.errors.NiftiAnalyzeError):
        model.score(nibabel.AnalyzeImage(arrays.image, arrays.affine), paths[1])


def test_unknown_keywords_are_refused(model, paths):
    with pytest.raises(TypeError, match="lable"):
        model.score(*paths, lable=1)


# ---- Several channels, covariates, tiers, a calibration ----

COVARIATES = [
    {"name": "age", "unit": "years", "coefficient": 0.02, "centre": 50, "range": [18, 100]},
    {"name": "er", "unit": "none", "missing": 1,
     "levels": [{"value": 0, "name": "negative", "coefficient": 0},
                {"value": 1, "name": "positive", "coefficient": 0.3}]},
]
CALIBRATION = {"endpoint": "recurrence-free survival", "unit": "years", "source": "made up", "times": [3, 5],
               "baseline_survival": [0.9, 0.8], "slope": 1.0, "centre": 0.5}


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """Two channels, two covariates, a phantom of two phases."""
    folder = tmp_path_factory.mktemp("rich")
    make_model.make_model(folder / "m.safetensors", depth=10, width=8, size=(32, 32, 32), views=2, members=2,
                          channels=("pre", "post"), overrides={"covariates": COVARIATES, "calibration": CALIBRATION})
    subprocess.run([os.environ["DEEPTEPP_CLI"], "phantom", "--seed", "3", "--phases", "2", "--out-image",
                    folder / "p%d.nii.gz", "--out-mask", folder / "mask.nii.gz"], check=True, stdout=subprocess.DEVNULL)
    return folder


def test_channels_go_by_name(rich, command_line):
    pre, post, mask = (rich / name for name in ("p0.nii.gz", "p1.nii.gz", "mask.nii.gz"))
    with deeptepp.open_model(rich / "m.safetensors") as model:
        assert model.channels == ("pre", "post") and len(model.members) == 2
        options = ["--covariate", "age=60", "--covariate", "er=0"]
        wanted = command_line(model.path, [f"pre={pre}", f"post={post}"], mask, *options)
        found = model.score({"post": post, "pre": pre}, mask, covariates={"er": False, "age": np.float32(60)})
        assert found.view_scores == tuple(wanted["view_scores"])
        assert found.member_scores == tuple(wanted["member_scores"])
        assert [c._asdict() for c in found.covariates] == wanted["covariates"]
        assert [s.time for s in found.survival] == wanted["survival"]["times"] == [3, 5] == list(model.survival_times)
        assert [s.probability for s in found.survival] == wanted["survival"]["probability"]
        assert found.to_dict() == wanted
        for wrong, error, about in (({"pre": pre}, "ChannelMissingError", ()),
                                    (post, "ChannelUnknownError", ("image",)),
                                    ({"pre": pre, "post": post, "flair": pre}, "ChannelUnknownError", ("flair",)),
                                    ({"pre": pre, "post": mask.parent / "none.nii"}, "FileMissingError", ("post",))):
            with pytest.raises(getattr(deeptepp.errors, error)) as caught:
                model.score(wrong, mask, covariates={"age": 60})
            assert caught.value.volumes == about


def test_covariates(rich, command_line):
    images = {name: rich / f"p{i}.nii.gz" for i, name in enumerate(("pre", "post"))}
    errors = deeptepp.errors
    with deeptepp.open_model(rich / "m.safetensors") as model:
        age, er = model.covariates
        assert age == ("age", "years", 18, 100, (), None)
        assert er.low is None and er.levels == ((0, "negative"), (1, "positive")) and er.substitute == 1
        score = model.score(images, rich / "mask.nii.gz", covariates={"age": 60, "er": None})
        assert score.covariates[1].filled and score.covariates[1].value == 1
        assert "DEEPTEPP_WARN_COVARIATE_FILLED" in [w.name for w in score.warnings]
        for given, error in (({}, errors.CovariateMissingError), (None, errors.CovariateMissingError),
                             ({"age": 60, "hr": 1}, errors.CovariateUnknownError),
                             ({"age": math.nan}, errors.CovariateValueError),
                             ({"age": 12}, errors.CovariateRangeError), ({"age": "60"}, TypeError),
                             ({"age": 60j}, TypeError), ({5: 60}, TypeError), (["age"], TypeError),
                             ({"age\0x": 60}, ValueError)):
            with pytest.raises(error):
                model.score(images, rich / "mask.nii.gz", covariates=given)


def test_what_a_model_says_is_what_its_file_says(model):
    with open(model.path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    description = json.loads(next(v for v in header["__metadata__"].values() if v.startswith("{")))
    assert model.channels == tuple(description["input"]["channels"])
    assert model.info["name"] == description["name"] == model.name
    assert model.info["network.architecture"] == "resnet3d"
    assert list(model.cutpoints) == make_model.CUTPOINTS and len(model.tiers) == 3
    assert model.input_shape == (2, 1, 32, 32, 32) and model.memory > 0 and model.survival_times == ()
    assert not model.covariates
    with pytest.raises(TypeError):
        model.info["name"] = "x"


def test_volumes_of_files(paths, arrays, tmp_path):
    several = nibabel.Nifti1Image(np.stack([arrays.image, arrays.image + 1], axis=3), arrays.affine)
    nibabel.save(several, tmp_path / "dce.nii")
    assert deeptepp.Volume.count(tmp_path / "dce.nii") == 2 and deeptepp.Volume.count(paths[0]) == 1
    with pytest.raises(deeptepp.errors.Nifti4DError):
        deeptepp.Volume.open(tmp_path / "dce.nii")
    with pytest.raises(ValueError, match=r"image\.slicer"):
        deeptepp._cases.volume_of(several, "image")
    with deeptepp.Volume.open(tmp_path / "dce.nii", volume=2) as volume:
        assert volume.number == 2 and volume.shape == arrays.image.shape
        assert np.array_equal(volume.affine, arrays.affine) and volume.orientation == "RAS"
        voxels, spacing = volume.to_ras()
        assert np.array_equal(voxels, arrays.image + 1)
        assert spacing == volume.spacing == tuple(np.linalg.norm(arrays.affine[:3, :3], axis=0))
    assert repr(volume) == "<Volume, closed>"
    for use in (lambda: volume.shape, lambda: volume.sha256, volume.to_ras):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_to_ras_turns_axes(arrays):
    """Against nibabel's own reorientation."""
    turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(arrays.image, np.diag([-1, -2, 3, 1]) @ np.eye(4)))
    volume = deeptepp.Volume.from_array(arrays.image, np.diag([-1.0, -2, 3, 1]))
    voxels, spacing = volume.to_ras()
    assert np.array_equal(voxels, turned.dataobj) and spacing == (1, 2, 3) and volume.orientation == "LPS"
