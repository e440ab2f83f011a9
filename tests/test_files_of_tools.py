"""Files as tools write them, end to end: what nibabel saves is read as it is meant, or called by its name."""

import gzip

import numpy as np
import pytest

import deeptepp_c
import hazard_files as files
from deeptepp_c import DeepteppError
from hazard_bench import Bench

nibabel = pytest.importorskip("nibabel")
pytestmark = pytest.mark.usefixtures("library")

FORM_UNUSABLE, PIXDIM_IGNORED = 17, 20


@pytest.fixture(scope="module")
def bench(tmp_path_factory, library):
    return Bench(tmp_path_factory.mktemp("tools"))


def save(bench, image, name="tool.nii"):
    nibabel.save(image, bench.folder / name)
    return bench.folder / name


def codes(result):
    return [warning["code"] for warning in result["warnings"]]


def refusal(act, *arguments):
    with pytest.raises(DeepteppError) as caught:
        act(*arguments)
    return caught.value


def with_sform_alone(matrix=None):
    """As nibabel's users make it: a header of one's own, set_sform, and no word on voxel sizes."""
    image = nibabel.Nifti1Image(files.image(), None)
    image.header.set_sform(files.affine() if matrix is None else matrix, code=1)
    return image


# ---- Forms ----


def test_a_sform_alone_counts_where_pixdim_was_left_at_ones(bench):
    path = save(bench, with_sform_alone())
    assert nibabel.load(path).header.get_zooms() == (1, 1, 1)
    result = bench.score(path)
    assert result["view_scores"] == bench.good["view_scores"]
    assert codes(result).count(PIXDIM_IGNORED) == 1
    message = next(w["message"] for w in result["warnings"] if w["code"] == PIXDIM_IGNORED)
    assert "1.5 x 1.25 x 2 mm" in message


def test_pixdim_that_disagrees_is_mended_as_the_line_says(bench):
    image = with_sform_alone()
    image.header["pixdim"][1:4] = 1, 1, 3
    path = save(bench, image)
    error = refusal(bench.score, path)
    assert error.status == "VOLUME_SPACING" and "image.set_qform(image.affine)" in error.message
    image = nibabel.load(path)
    image.set_qform(image.affine)
    result = bench.score(save(bench, image, "mended.nii"))
    assert np.allclose(result["view_scores"], bench.good["view_scores"], atol=1e-5)
    assert PIXDIM_IGNORED not in codes(result)


def test_an_unusable_form_gives_way_to_the_other(bench):
    good = nibabel.Nifti1Image(files.image(), files.affine())
    good.set_qform(files.affine(), code=1)
    damages = {"no sform": ("srow_x", 0), "a long quaternion": ("quatern_b", 1.5), "NaN": ("quatern_c", np.nan)}
    for name, (field, value) in damages.items():
        image = nibabel.Nifti1Image(files.image(), None, good.header)
        image.header[field] = value
        result = bench.score(save(bench, image))
        assert codes(result).count(FORM_UNUSABLE) == 1, name
        assert np.allclose(result["view_scores"], bench.good["view_scores"], atol=1e-5), name


def test_both_unusable_is_the_sform_s_error(bench):
    good = nibabel.Nifti1Image(files.image(), files.affine())
    good.set_qform(files.affine(), code=1)
    image = nibabel.Nifti1Image(files.image(), None, good.header)
    image.header["srow_x"] = image.header["quatern_b"] = np.nan
    error = refusal(bench.score, save(bench, image))
    assert error.status == "VOLUME_AFFINE" and "row 0" in error.message


# ---- Volumes ----


@pytest.mark.parametrize("along", (4, 5, 6))
def test_phases_are_the_volumes_of_the_first_dimension_that_has_several(bench, along):
    shape = files.SHAPE + (1,) * (along - 3)
    phases = np.concatenate([files.image(seed).reshape(shape + (1,)) for seed in (2, 1, 3)], axis=-1)
    path = save(bench, nibabel.Nifti1Image(phases, files.affine()))
    assert deeptepp_c.volumes_in(path) == 3
    assert refusal(deeptepp_c.volume, path).status == "NIFTI_4D"
    result = bench.score(deeptepp_c.volume(path, number=2))
    assert result["view_scores"] == bench.good["view_scores"]


def test_volumes_along_two_dimensions_are_refused(bench):
    path = save(bench, nibabel.Nifti1Image(np.zeros(files.SHAPE + (2, 3), np.float32), files.affine()))
    assert refusal(deeptepp_c.volume, path).status == "NIFTI_DIM"
    assert refusal(deeptepp_c.volumes_in, path).status == "NIFTI_DIM"


# ---- Other formats ----


def test_what_nibabel_writes_in_other_formats_is_named(bench):
    kinds = {"a.mgh": (nibabel.MGHImage, "MGH", "mri_convert"), "a.mgz": (nibabel.MGHImage, "MGH", "mri_convert")}
    for name, (kind, *texts) in kinds.items():
        error = refusal(bench.score, save(bench, kind(files.image(), files.affine()), name))
        assert error.status == "FILE_FORMAT", name
        assert all(text in error.message for text in texts), error.message


def test_numpy_s_own_files_are_named(bench):
    np.save(bench.folder / "a.npy", files.image())
    np.savez(bench.folder / "a.npz", files.image())
    for name, text in {"a.npy": "NumPy array", "a.npz": "ZIP archive"}.items():
        error = refusal(bench.score, bench.folder / name)
        assert error.status == "FILE_FORMAT" and text in error.message


def test_a_model_path_that_leads_elsewhere_is_named(bench):
    wrong = {"page.safetensors": (b"<html><body>Sign in</body></html>", "FILE_FORMAT", "web page"),
             "torch.pt": (b"PK\x03\x04" + bytes(60), "FILE_FORMAT", "ZIP archive"),
             "old.pt": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "FILE_FORMAT", "pickle"),
             "volume.nii": (files.nifti(files.image()), "FILE_FORMAT", "NIfTI"),
             "volume.nii.gz": (gzip.compress(files.nifti(files.image()), mtime=0), "FILE_FORMAT", "gunzip"),
             "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "FILE_POINTER",
                         "git lfs pull")}
    for name, (data, status, text) in wrong.items():
        error = refusal(deeptepp_c.Session, bench.write(name, data))
        assert error.status == status and text in error.message, f"{name}: {error}"
