"""A small patient as files, and ways to damage them."""

import gzip
import struct

import numpy as np

SHAPE = (36, 32, 24)
EDGES = (1.5, 1.25, 2.0)
INT_MIN = -2.0**31  # R's missing integer


def affine():
    result = np.diag([-EDGES[0], EDGES[1], EDGES[2], 1])
    result[:3, 3] = 40, -30, 12.5
    return result


def image(seed=1):
    random = np.random.Generator(np.random.PCG64(seed))
    grid = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    waves = sum(np.sin(0.2 * axis + seed + i) for i, axis in enumerate(grid))
    return np.round(300 + 80 * waves + random.normal(0, 10, SHAPE)).astype(np.float32)


def mask(value=1):
    result = np.zeros(SHAPE, dtype=np.float32)
    result[14:20, 12:19, 9:13] = value
    return result


# ---- NIfTI-1, by offsets ----

FIELDS = {
    "dim0": ("<h", 40), "dim2": ("<h", 44), "dim3": ("<h", 46), "datatype": ("<h", 70),
    "bitpix": ("<h", 72), "pixdim1": ("<f", 80), "pixdim2": ("<f", 84), "pixdim3": ("<f", 88),
    "vox_offset": ("<f", 108),
    "slope": ("<f", 112), "inter": ("<f", 116), "units": ("<b", 123), "qform_code": ("<h", 252),
    "sform_code": ("<h", 254), "qoffset_x": ("<f", 268), "srow_x0": ("<f", 280), "srow_z2": ("<f", 320),
    "magic": ("<4s", 344),
}


def nifti(voxels, matrix=None, **fields):
    """The bytes of a file with a sform, float32; fields are written over what is right."""
    matrix = affine() if matrix is None else matrix
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, voxels.ndim, *voxels.shape, *[1] * (7 - voxels.ndim))
    struct.pack_into("<8f", header, 76, 1, *np.linalg.norm(matrix[:3, :3], axis=0), 1, 1, 1, 1)
    struct.pack_into("<12f", header, 280, *matrix[:3].ravel())
    right = {"datatype": 16, "bitpix": 32, "vox_offset": 352, "units": 2, "sform_code": 1, "magic": b"n+1\0"}
    for name, value in {**right, **fields}.items():
        kind, at = FIELDS[name]
        struct.pack_into(kind, header, at, value)
    return bytes(header) + voxels.astype("<f4").tobytes(order="F")


def nifti2(voxels, dim0=3):
    """The same in NIfTI-2."""
    header = bytearray(544)
    struct.pack_into("<i8s", header, 0, 540, b"n+2\0\r\n\032\n")
    struct.pack_into("<2h", header, 12, 16, 32)
    struct.pack_into("<8q", header, 16, dim0, *voxels.shape, 1, 1, 1, 1)
    struct.pack_into("<8d", header, 104, 1, *EDGES, 1, 1, 1, 1)
    struct.pack_into("<q", header, 168, 544)
    struct.pack_into("<2i", header, 344, 0, 1)
    struct.pack_into("<12d", header, 400, *affine()[:3].ravel())
    struct.pack_into("<i", header, 500, 2)
    return bytes(header) + voxels.astype("<f4").tobytes(order="F")


def flipped_bit(data, at):
    damaged = bytearray(data)
    damaged[at] ^= 0x10
    return bytes(damaged)


def with_voxel(values, where, value):
    changed = values.copy()
    changed[where] = value
    return changed


def turned(degrees):
    """The affine, turned about the patient's long axis."""
    s, c = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ affine()


def moved(x=0, y=0, z=0):
    result = affine()
    result[:3, 3] += x, y, z
    return result


def scaled(factor):
    result = affine()
    result[:3, 2] *= factor
    return result


def sheared():
    result = affine()
    result[0, 1] = 0.2
    return result


def link(path, target):
    if not path.is_symlink():
        path.symlink_to(target)
    return path


def compressed(data):
    return gzip.compress(data, mtime=0)
