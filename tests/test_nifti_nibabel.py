"""Files written by nibabel say here what they say there: dims, affine, spacing, orientation and every voxel."""

import ctypes
import gzip
import hashlib
import itertools

import numpy as np
import pytest

nibabel = pytest.importorskip("nibabel")

SHAPE = (7, 5, 4)


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int32), ("volumes", ctypes.c_int32 * 2), ("message", ctypes.c_char * 1012)]


class Options(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("callbacks", ctypes.c_void_p),
        ("volume_number", ctypes.c_int64),
        ("max_bytes", ctypes.c_uint64),
        ("orientation", ctypes.c_char_p),
    ]


class Refused(Exception):
    pass


class Volume:
    """One deeptepp_volume, read out."""

    def __init__(self, library, path, volume_number=0, orientation=None):
        options = Options(ctypes.sizeof(Options), None, volume_number, 0, orientation)
        handle, error = ctypes.c_void_p(), Error()
        if library.deeptepp_volume_open(ctypes.byref(handle), str(path).encode(), ctypes.byref(options),
                                        ctypes.byref(error)):
            library.deeptepp_status_name.restype = ctypes.c_char_p
            raise Refused(f"{library.deeptepp_status_name(error.status).decode()}: {error.message.decode()}")
        try:
            self._read(library, handle)
        finally:
            library.deeptepp_volume_free(handle)

    def _read(self, library, handle):
        dims, spacing, affine = (ctypes.c_int64 * 3)(), (ctypes.c_double * 3)(), (ctypes.c_double * 16)()
        library.deeptepp_volume_dims(handle, dims)
        library.deeptepp_volume_spacing(handle, spacing)
        library.deeptepp_volume_affine(handle, affine)
        library.deeptepp_volume_orientation.restype = ctypes.c_char_p
        library.deeptepp_volume_sha256.restype = ctypes.c_char_p
        self.dims, self.spacing = tuple(dims), np.array(spacing)
        self.affine = np.array(affine).reshape(4, 4)
        self.orientation = library.deeptepp_volume_orientation(handle).decode()
        self.sha256 = library.deeptepp_volume_sha256(handle).decode()
        self._read_ras(library, handle)

    def _read_ras(self, library, handle):
        dims, spacing = (ctypes.c_int64 * 3)(), (ctypes.c_double * 3)()
        out = np.empty(int(np.prod(self.dims)), np.float32)
        pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        status = library.deeptepp_volume_copy_ras(handle, pointer, ctypes.c_size_t(out.size), dims, spacing, None)
        assert status == 0
        self.ras = out.reshape(tuple(dims), order="F")
        self.ras_spacing = np.array(spacing)


def compare(volume, path, index=None):
    """Everything a volume says against nibabel's reading of the same file."""
    image = nibabel.load(path)
    if index is not None:
        image = image.slicer[..., index]
    image = nibabel.funcs.squeeze_image(image) if image.ndim > 3 else image
    canonical = nibabel.as_closest_canonical(image)
    assert volume.dims == image.shape
    np.testing.assert_allclose(volume.affine, image.affine, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(volume.spacing, nibabel.affines.voxel_sizes(image.affine), rtol=1e-6)
    assert volume.orientation == "".join(nibabel.aff2axcodes(image.affine))
    np.testing.assert_allclose(volume.ras_spacing, nibabel.affines.voxel_sizes(canonical.affine), rtol=1e-6)
    np.testing.assert_allclose(volume.ras, canonical.get_fdata().astype(np.float32), rtol=1e-6)
    return image


def turned(angles_deg, spacing=(0.8, 1.5, 3.1), origin=(-40.0, 12.5, 7.25)):
    """An affine turned about x, y and z in that order."""
    affine = np.eye(4)
    for axis, angle in enumerate(np.deg2rad(angles_deg)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, :3] *= spacing
    affine[:3, 3] = origin
    return affine


def voxels(dtype, shape=SHAPE):
    dtype = np.dtype(dtype)
    random = np.random.default_rng(7)
    if dtype.kind == "f":
        return random.normal(0, 1000, shape).astype(dtype)
    low, high = max(np.iinfo(dtype).min, -(2**53)), min(np.iinfo(dtype).max, 2**53)
    return random.integers(low, high, shape, dtype=dtype, endpoint=True)


def make(version, array, affine=None, endian="<"):
    cls = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version]
    header = cls.header_class(endianness=endian)
    header.set_data_dtype(array.dtype)
    image = cls(array, turned((3, -8, 12)) if affine is None else affine, header)
    image.header.set_xyzt_units("mm", "sec")
    return image


VERSIONS = pytest.mark.parametrize("version", [1, 2])
ENDIANS = pytest.mark.parametrize("endian", ["<", ">"])


@VERSIONS
@ENDIANS
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_every_type_version_and_byte_order(library, tmp_path, version, endian, suffix, dtype):
    path = tmp_path / ("a" + suffix)
    make(version, voxels(dtype), endian=endian).to_filename(path)
    volume = Volume(library, path)
    image = compare(volume, path)
    assert image.header.endianness == endian
    assert volume.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@VERSIONS
@ENDIANS
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4"])
@pytest.mark.parametrize("slope,inter", [(2.5, -3), (-0.001, 7), (1, 0), (np.nan, 4), (0, 9), (1e-12, 0)])
def test_slope_and_intercept(library, tmp_path, version, endian, dtype, slope, inter):
    image = make(version, voxels(dtype), endian=endian)
    image.header.set_data_dtype(dtype)
    path = tmp_path / "a.nii"
    image.to_filename(path)
    raw = bytearray(path.read_bytes())
    at, kind = {1: (112, "f4"), 2: (176, "f8")}[version]
    packed = np.array([slope, inter], endian + kind).tobytes()
    raw[at:at + len(packed)] = packed
    path.write_bytes(raw)
    compare(Volume(library, path), path)


@VERSIONS
def test_floats_stored_as_scaled_integers(library, tmp_path, version):
    image = make(version, voxels("f4"))
    image.header.set_data_dtype("i2")
    path = tmp_path / "a.nii.gz"
    image.to_filename(path)
    assert nibabel.load(path).dataobj.slope != 1
    compare(Volume(library, path), path)


@VERSIONS
@pytest.mark.parametrize("sform,qform", [(0, 1), (1, 0), (2, 1), (1, 1), (4, 3), (0, 2), (5, 0)])
def test_forms(library, tmp_path, version, sform, qform):
    image = make(version, voxels("i2"))
    image.set_sform(turned((2, 4, -6), origin=(1, 2, 3)), code=sform, update_affine=False)
    image.set_qform(turned((20, -10, 5)), code=qform, update_affine=False)
    path = tmp_path / "a.nii"
    image.to_filename(path)
    compare(Volume(library, path), path)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([1, -1], repeat=3)))
def test_all_48_orientations(library, tmp_path, order, flips):
    turn = np.zeros((4, 4))
    for column, (row, flip) in enumerate(zip(order, flips)):
        turn[row, column] = flip
    turn[3, 3] = 1
    for sform in (0, 1):
        image = make(1, voxels("i2"), turned((7, -11, 4)) @ turn)
        image.set_sform(image.affine, code=sform, update_affine=False)
        image.set_qform(image.affine, code=1 - sform, update_affine=False)
        path = tmp_path / "a.nii"
        image.to_filename(path)
        compare(Volume(library, path), path)


@VERSIONS
def test_oblique_up_to_40_degrees(library, tmp_path, version):
    random = np.random.default_rng(11)
    path = tmp_path / "a.nii"
    for _ in range(100):
        angles = np.zeros(3)
        angles[random.integers(3)] = random.uniform(-40, 40)
        make(version, voxels("u1"), turned(angles, spacing=random.uniform(0.3, 7, 3))).to_filename(path)
        compare(Volume(library, path), path)


@VERSIONS
@ENDIANS
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_every_volume_of_a_4d_file(library, tmp_path, version, endian, suffix):
    path = tmp_path / ("a" + suffix)
    make(version, voxels("f4", (*SHAPE, 3)), endian=endian).to_filename(path)
    for number in range(3):
        compare(Volume(library, path, volume_number=number + 1), path, number)
    for number in (0, 4):
        with pytest.raises(Refused, match="DEEPTEPP_ERR_NIFTI_4D"):
            Volume(library, path, volume_number=number)


def test_a_4d_file_of_one_volume_is_that_volume(library, tmp_path):
    path = tmp_path / "a.nii"
    make(1, voxels("i2", (*SHAPE, 1))).to_filename(path)
    compare(Volume(library, path), path)


def test_header_extensions_are_passed_over(library, tmp_path):
    image = make(1, voxels("i2"))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"x" * 1000))
    path = tmp_path / "a.nii.gz"
    image.to_filename(path)
    compare(Volume(library, path), path)


@pytest.mark.parametrize("units,mm", [("unknown", 1), ("mm", 1), ("meter", 1000), ("micron", 0.001)])
def test_units_scale_the_whole_affine(library, tmp_path, units, mm):
    image = make(1, voxels("i2"))
    image.header.set_xyzt_units(units)
    path = tmp_path / "a.nii"
    image.to_filename(path)
    volume = Volume(library, path)
    np.testing.assert_allclose(volume.affine[:3], nibabel.load(path).affine[:3] * mm, rtol=1e-6)
    np.testing.assert_allclose(volume.spacing, np.array(nibabel.load(path).header.get_zooms()) * mm, rtol=1e-6)


def test_a_file_without_orientation_is_refused_or_assumed(library, tmp_path):
    image = make(1, voxels("i2"))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    path = tmp_path / "a.nii"
    image.to_filename(path)
    with pytest.raises(Refused, match="DEEPTEPP_ERR_NIFTI_ORIENTATION"):
        Volume(library, path)
    volume = Volume(library, path, orientation=b"SPR")
    assert volume.orientation == "SPR"
    centre = volume.affine @ [*((np.array(SHAPE) - 1) / 2), 1]
    np.testing.assert_allclose(centre, [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(volume.spacing, image.header.get_zooms(), rtol=1e-6)


def test_a_pair_and_analyze_are_refused_by_name(library, tmp_path):
    nibabel.Nifti1Pair(voxels("i2"), turned((0, 0, 0))).to_filename(tmp_path / "pair.hdr")
    nibabel.AnalyzeImage(voxels("i2"), np.eye(4)).to_filename(tmp_path / "analyze.hdr")
    with pytest.raises(Refused, match="DEEPTEPP_ERR_NIFTI_PAIR"):
        Volume(library, tmp_path / "pair.hdr")
    with pytest.raises(Refused, match="DEEPTEPP_ERR_NIFTI_ANALYZE"):
        Volume(library, tmp_path / "analyze.hdr")


def test_gzip_of_several_members_and_a_torn_one(library, tmp_path):
    path = tmp_path / "a.nii"
    make(1, voxels("f4")).to_filename(path)
    whole, packed = path.read_bytes(), tmp_path / "a.nii.gz"
    packed.write_bytes(gzip.compress(whole[:300]) + gzip.compress(whole[300:]))
    compare(Volume(library, packed), packed)
    packed.write_bytes(gzip.compress(whole)[:-1])
    with pytest.raises(Refused, match="DEEPTEPP_ERR_FILE_TRUNCATED"):
        Volume(library, packed)


@pytest.mark.parametrize("name", ["breast1_image", "breast1_label", "brain1_image", "brain1_label"])
def test_real_files(library, data, name):
    path = data / f"{name}.nii.gz"
    volume = Volume(library, path)
    compare(volume, path)
    assert volume.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
