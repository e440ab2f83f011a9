"""Arrays that cannot be used are refused by name, before or by the library; geometry is never guessed."""

import gc
import sys
import threading
import warnings
import weakref

import nibabel
import numpy as np
import pytest

import deeptepp
from deeptepp import Volume, _arrays, errors

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


def voxels(dtype=np.float32, shape=(4, 5, 6)):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [object, np.complex64, np.complex128, np.longdouble, "U3", "S3", "V4",
                                   "M8[s]", "m8[s]", [("r", "u1"), ("g", "u1"), ("b", "u1")]])
def test_types_that_are_refused_by_name(dtype):
    array = np.zeros((4, 5, 6), dtype)
    with pytest.raises(TypeError) as caught:
        Volume.from_array(array, AFFINE)
    assert str(array.dtype) in str(caught.value)


@pytest.mark.parametrize("array, error, says", [
    (np.zeros((4, 5)), ValueError, r"\(4, 5\)"), (np.zeros((4, 5, 6, 2)), ValueError, r"\(4, 5, 6, 2\)"),
    (np.float32(4), ValueError, r"\(\)"), ([[[1.0]]], TypeError, "list"), ("image.nii", TypeError, "str"),
    (None, TypeError, "NoneType"), (np.ma.zeros((4, 5, 6)), TypeError, "masked"),
    (np.zeros((0, 5, 6)), errors.VolumeDimsError, "0"),
    (np.full((4, 5, 6), np.nan), errors.VolumeNonfiniteError, "120"),
    (np.full((4, 5, 6), -np.inf), errors.VolumeNonfiniteError, "120"),
    (np.full((4, 5, 6), 1e300), errors.VolumeNonfiniteError, "120"),
    (np.full((4, 5, 6), 2**53 + 1), errors.VolumeInexactError, None),
    (np.lib.stride_tricks.as_strided(np.zeros(100), (4, 5, 6), (8, 8, 8)), errors.VolumeStridesError, None),
])
def test_arrays_that_are_refused(array, error, says):
    with pytest.raises(error, match=says):
        Volume.from_array(array, AFFINE)


@pytest.mark.parametrize("affine, error, says", [
    (None, TypeError, "4 x 4"), (np.eye(3), ValueError, r"\(3, 3\)"), (AFFINE[:3], ValueError, r"\(3, 4\)"),
    (AFFINE * 1j, TypeError, "complex"), (AFFINE.astype(object), TypeError, "object"), ("RAS", TypeError, "dtype"),
    (np.zeros((4, 4)), errors.VolumeAffineError, None), (AFFINE * np.nan, errors.VolumeAffineError, None),
    (AFFINE + np.eye(4)[:, [3, 0, 1, 2]], errors.VolumeAffineError, None),
    (AFFINE + 0.5 * np.eye(4)[[1, 0, 2, 3]] * [1, 1, 0, 0], errors.VolumeShearError, None),
])
def test_affines_that_are_refused(affine, error, says):
    with pytest.raises(error, match=says):
        Volume.from_array(voxels(), affine)


def test_affine_is_mandatory():
    with pytest.raises(TypeError, match="affine"):
        Volume.from_array(voxels())


@pytest.mark.parametrize("kind", [np.float32, np.int32, list])
def test_affines_of_other_kinds(kind):
    affine = AFFINE.tolist() if kind is list else AFFINE.astype(kind)
    assert np.array_equal(Volume.from_array(voxels(), affine).affine, AFFINE)


def test_the_identity_is_warned_of_at_the_caller_s_line(model):
    with pytest.warns(deeptepp.IdentityAffineWarning) as caught:
        Volume.from_array(voxels(), np.eye(4))
    assert caught[0].filename == __file__ and caught[0].lineno == sys._getframe().f_lineno - 1
    with pytest.warns(deeptepp.IdentityAffineWarning) as caught, pytest.raises(errors.DeepteppError):
        model.score((voxels(), AFFINE), (voxels("uint8"), np.eye(4)))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Volume.from_array(voxels(), AFFINE)


def test_a_bare_array_is_refused(model, paths, arrays):
    with pytest.raises(TypeError, match=r"give \(array, affine\)"):
        model.score(arrays.image, paths[1])
    for wrong in (None, 5, [paths[0]], (arrays.image,), object()):
        with pytest.raises(TypeError):
            model.score(wrong, paths[1])


def test_no_copy_is_made():
    """Where the layout allows: what changes in the array afterwards shows in the volume."""
    for array in (voxels(), np.asfortranarray(voxels()), voxels()[::-1, :, ::-2], voxels(bool), voxels("int16").T):
        volume = Volume.from_array(array, AFFINE)
        array[1, 2, 1] = 1 - array[1, 2, 1]
        assert np.array_equal(volume.to_ras()[0], array.astype(np.float32))


def test_a_copy_is_made_where_values_are_put_otherwise():
    for array in (voxels("float16"), voxels(">f4"), voxels(">i2")):
        volume = Volume.from_array(array, AFFINE)
        assert np.array_equal(volume.to_ras()[0], array.astype(np.float32))


def test_a_volume_keeps_its_array_alive():
    array = voxels(shape=(40, 50, 60))
    alive, wanted = weakref.ref(array), array.copy()
    volume = Volume.from_array(array, AFFINE)
    del array
    gc.collect()
    assert np.array_equal(volume.to_ras()[0], wanted)
    volume.close()
    gc.collect()
    assert alive() is None


def test_an_array_in_a_volume_is_not_resized():
    array = voxels()
    volume = Volume.from_array(array, AFFINE)
    with pytest.raises(ValueError):
        array.resize((40, 50, 60))
    assert volume.shape == (4, 5, 6)


def test_a_volume_closed_while_it_is_used(model, arrays, expected):
    """The call that runs keeps handle and array."""
    image = Volume.from_array(arrays.image.copy(), arrays.affine)
    mask = Volume.from_array(arrays.mask.copy(), arrays.affine)

    def close(fraction):
        image.close()
        mask.close()
        gc.collect()

    assert model.score(image, mask, progress=close).score == expected["score"]
    with pytest.raises(ValueError, match="closed"):
        model.score(image, mask)


def test_one_volume_in_many_threads(model, arrays, expected):
    image, mask = (Volume.from_array(a, arrays.affine) for a in (arrays.image, arrays.mask))
    found = []
    threads = [threading.Thread(target=lambda: found.append(model.score(image, mask).score)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected["score"]] * 6


def test_the_digest_is_the_voxels_whatever_their_strides():
    digests = {Volume.from_array(a, AFFINE).sha256 for a in
               (voxels(), np.asfortranarray(voxels()), np.ascontiguousarray(voxels()[::-1])[::-1])}
    assert len(digests) == 1
    assert Volume.from_array(voxels() + 1, AFFINE).sha256 not in digests


def test_simpleitk_s_label_maps_are_refused(model, paths):
    sitk = pytest.importorskip("SimpleITK")
    mask = sitk.Cast(sitk.ReadImage(str(paths[1])), sitk.sitkLabelUInt8)
    with pytest.raises(TypeError, match="'mask': the image is a label map"):
        model.score(paths[0], mask)


def test_simpleitk_s_images_without_geometry_are_warned_of(arrays):
    sitk = pytest.importorskip("SimpleITK")
    with pytest.warns(deeptepp.IdentityAffineWarning):
        _arrays.from_simpleitk(sitk.GetImageFromArray(np.ascontiguousarray(arrays.image.T)))


def test_a_class_derived_from_simpleitk_s(arrays, paths):
    sitk = pytest.importorskip("SimpleITK")

    class Image(sitk.Image):
        pass

    assert np.array_equal(_arrays.from_simpleitk(Image(sitk.ReadImage(str(paths[0])))).voxels, arrays.image)


def test_nibabel_s_images_do_not_stay_on_disk(arrays, tmp_path):
    path = tmp_path / "image.nii"
    nibabel.save(nibabel.Nifti1Image(arrays.image, arrays.affine), path)
    image = nibabel.load(path)
    assert isinstance(np.asanyarray(image.dataobj), np.memmap)
    assert not isinstance(_arrays.from_nibabel(image).voxels, np.memmap)


def test_nibabel_s_images_that_say_no_place(arrays, tmp_path):
    image = nibabel.Nifti1Image(arrays.image, arrays.affine)
    image.header["xyzt_units"] = 7
    with pytest.raises(deeptepp.errors.NiftiUnitsError, match="code 7"):
        _arrays.from_nibabel(image)
    with pytest.raises(TypeError, match="no affine"):
        _arrays.from_nibabel(nibabel.MGHImage(arrays.image.astype(np.float32), None))


def test_errors_say_which_volume(model, paths, arrays):
    with pytest.raises(ValueError, match="^'mask': the array has"):
        model.score(paths[0], (arrays.mask[0], arrays.affine))
    with pytest.raises(TypeError, match="largest_part is 'no'"):
        model.score(*paths, largest_part="no")
