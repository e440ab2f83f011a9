"""What is no mistake, end to end: what must be told all the same, and what must change nothing."""

import json
import os

import numpy as np
import pytest

import cli_program
import deeptepp_c
import hazard_files as files
import make_model
from deeptepp_c import DeepteppError
from hazard_bench import COVARIATES, DCE, GOOD, MODEL, SQUEEZED, Bench, in_the_border

pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture(scope="module")
def bench(tmp_path_factory, library):
    return Bench(tmp_path_factory.mktemp("hazards"))


# ---- What must be told ----


def codes(result):
    return [warning["code"] for warning in result["warnings"]]


def told(result, code):
    return next(warning["message"] for warning in result["warnings"] if warning["code"] == code)


(AFFINES_DISAGREE, ORIENTATION_ASSUMED, PADDED, AT_BORDER, SPACING, NEAR_CUTPOINT, FILLED, TOLERATED,
 SEEDED) = range(1, 10)


def test_the_good_case_has_the_model_s_own_warnings_alone(bench):
    assert sorted(codes(bench.good)) == [FILLED, SEEDED]
    assert '"er"' in told(bench.good, FILLED)
    assert bench.good["covariates_term"] == pytest.approx(0.02 * 2 + 0.3 + 0.001 * 60)


def test_an_assumed_orientation_is_recorded(bench):
    silent = [files.nifti(values, sform_code=0) for values in (files.image(), files.mask())]
    result = bench.score(*silent, orientation="LAS")
    assert codes(result).count(ORIENTATION_ASSUMED) == 2
    assert '"LAS"' in told(result, ORIENTATION_ASSUMED)
    assert result["images"][0]["orientation"] == "LAS"
    assert np.allclose(result["view_scores"], bench.good["view_scores"], atol=1e-6)
    other = bench.score(*silent, orientation="RAS")
    assert abs(other["score"] - bench.good["score"]) > 1e-3


def test_an_orientation_that_is_stated_cannot_be_overridden(bench):
    result = bench.score(orientation="RAS")
    assert result["images"][0]["orientation"] == "LAS"
    assert result["view_scores"] == bench.good["view_scores"]
    assert ORIENTATION_ASSUMED not in codes(result)


def test_an_orientation_that_is_none_is_refused(bench):
    with pytest.raises(DeepteppError) as caught:
        bench.score(files.nifti(files.image(), sform_code=0), orientation="RAR")
    assert caught.value.status == "ARGUMENT"


def test_forms_that_disagree_are_told_in_mm(bench):
    result = bench.score(files.nifti(files.image(), qform_code=1, qoffset_x=41))
    assert AFFINES_DISAGREE in codes(result) and "mm apart" in told(result, AFFINES_DISAGREE)
    assert result["view_scores"] == bench.good["view_scores"], "the sform was not used"


def test_a_region_that_leaves_the_image_is_filled_and_told(bench):
    result = bench.score(mask=np.roll(files.mask(), -11, axis=0))
    assert PADDED in codes(result) and "%" in told(result, PADDED)
    assert sum(result["geometry"]["samples_outside"]) > 0


def test_a_mask_at_the_border_is_told(bench):
    assert AT_BORDER in codes(bench.score(mask=in_the_border()))


def test_unusual_voxels_are_told(bench):
    result = bench.score(files.nifti(files.image(), files.scaled(2.5)), files.nifti(files.mask(), files.scaled(2.5)))
    assert SPACING in codes(result) and "0.9 to 4 mm" in told(result, SPACING)


def test_rounding_between_headers_is_told(bench):
    assert TOLERATED in codes(bench.score(mask=files.nifti(files.mask(), files.moved(x=0.005))))


def test_a_score_at_a_cutpoint_is_told(bench, tmp_path):
    score = bench.good["score"]
    overrides = {**MODEL["overrides"], "tiers.cutpoints": [score - 5e-5, score + 1]}
    make_model.make_model(tmp_path / "m", **{**MODEL, "overrides": overrides})
    patient = deeptepp_c.case(bench.image, bench.mask, covariates=COVARIATES)
    result = deeptepp_c.Session(tmp_path / "m").score(patient)
    assert NEAR_CUTPOINT in codes(result)
    assert result["tier"]["name"] == "Moderate"
    assert NEAR_CUTPOINT not in codes(bench.good)


# ---- What a file may also be ----


def test_units_are_converted(bench):
    for units, factor in ((1, 1e-3), (2, 1), (3, 1e3), (0, 1), (2 | 8, 1)):
        matrix = files.affine()
        matrix[:3] *= factor
        result = bench.score(files.nifti(files.image(), matrix, units=units))
        assert np.allclose(result["view_scores"], bench.good["view_scores"], atol=1e-4), units


def test_files_are_known_by_their_bytes_not_their_names(bench):
    for name, data in (("plain.nii.gz", GOOD), ("squeezed.nii", SQUEEZED), ("noname", SQUEEZED)):
        assert bench.score(bench.write(name, data))["view_scores"] == bench.good["view_scores"]


def test_a_file_s_siblings_are_not_read(bench):
    other = files.nifti(files.image(9))
    for name in ("a.nii", "a.img", "a.hdr", "a", "a.nii.gz.nii"):
        bench.write(name, other)
    assert bench.score(bench.write("a.nii.gz", SQUEEZED))["view_scores"] == bench.good["view_scores"]


def test_a_named_volume_of_a_4d_file_is_the_one(bench):
    path = bench.write("dce.nii.gz", files.compressed(files.nifti(DCE)))
    for number in (1, 2, 3):
        wanted = bench.score(files.nifti(DCE[..., number - 1]))["view_scores"]
        assert bench.score(deeptepp_c.volume(path, number=number))["view_scores"] == wanted


def test_nifti_2_and_scaling_give_the_same(bench):
    assert bench.score(files.nifti2(files.image()))["view_scores"] == bench.good["view_scores"]
    halved = bench.score(files.nifti((files.image() - 100) * 4, slope=0.25, inter=100))
    assert np.allclose(halved["view_scores"], bench.good["view_scores"], atol=1e-6)
    for slope in (0, float("nan")):
        same = bench.score(files.nifti(files.image(), slope=slope, inter=12))
        assert same["view_scores"] == bench.good["view_scores"], "no slope means no scaling"


# ---- The host ----


def test_the_host_s_rounding_mode_and_threads_change_nothing(bench):
    """FE_UPWARD of the host's thread, and its OpenMP settings."""
    import ctypes
    import ctypes.util
    import platform

    upward = {"x86_64": 0x800, "aarch64": 0x400000}.get(platform.machine())
    math = ctypes.CDLL(ctypes.util.find_library("m"))
    openmp = ctypes.CDLL(ctypes.util.find_library("gomp") or "libgomp.so.1")
    if upward is None:
        pytest.skip(f"FE_UPWARD of {platform.machine()} is not known here")
    threads = openmp.omp_get_max_threads()
    try:
        openmp.omp_set_num_threads(1)
        assert math.fesetround(upward) == 0
        again = bench.score()
        assert math.fegetround() == upward and openmp.omp_get_max_threads() == 1, "the host's settings were changed"
    finally:
        math.fesetround(0)
        openmp.omp_set_num_threads(threads)
    # The last step, from logits to score, is made in double on the caller's own thread.
    assert np.allclose(again["view_scores"], bench.good["view_scores"], rtol=1e-12, atol=0)


@cli_program.needs_program
@pytest.mark.parametrize("mode", ["BF16", "F16", "ANY", "TF32"])
def test_the_backend_s_variable_for_fast_arithmetic_changes_nothing(bench, mode):
    command = ("score", "--model", bench.folder / "two.safetensors", "--image", f"pre={bench.image}", "--image",
               f"post={bench.image}", "--mask", bench.mask, "--json")
    found = [json.loads(cli_program.answer(*command, env={**os.environ, **more}))["view_scores"]
             for more in ({}, {"ONEDNN_DEFAULT_FPMATH_MODE": mode, "DNNL_DEFAULT_FPMATH_MODE": mode})]
    assert found[0] == found[1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # forking with threads is what is tried
def test_a_child_of_fork_scores_too(bench):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, repr(bench.score()["view_scores"]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    assert text == repr(bench.good["view_scores"])
    assert bench.score()["view_scores"] == bench.good["view_scores"]
