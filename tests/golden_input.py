"""The inputs of the stored vectors, the same on every machine: whole numbers only, until the affine divides them."""

import hashlib

import numpy as np

SHAPE = (44, 52, 30)
EDGES_MM = (1.25, 0.75, 2.0)
QUATERNION = (9, 1, -1, 2)  # turns by 30 degrees about an axis that is no one's


def rotation(a, b, c, d):
    """Exact in fractions, so that no sine is needed."""
    n = a * a + b * b + c * c + d * d
    return np.array([[a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                     [2 * (b * c + a * d), a * a - b * b + c * c - d * d, 2 * (c * d - a * b)],
                     [2 * (b * d - a * c), 2 * (c * d + a * b), a * a - b * b - c * c + d * d]]) / n


def affine():
    """Oblique, its first axis to the left."""
    result = np.eye(4)
    result[:3, :3] = rotation(*QUATERNION) * EDGES_MM * [-1, 1, 1]
    result[:3, 3] = 37.5, -81.25, 12
    return result


def smooth(values, width):
    """Sums over `width` neighbours along each axis."""
    for axis in range(3):
        total = np.cumsum(values, axis=axis)
        total = np.insert(total, 0, 0, axis=axis)
        first, last = (np.take(total, np.arange(start, total.shape[axis] - width + start), axis=axis)
                       for start in (0, width))
        values = last - first
    return values


def voxels(seed):
    """Smoothed noise, int16."""
    width = 5
    random = np.random.Generator(np.random.PCG64(seed))
    noise = random.integers(0, 100, [n + width - 1 for n in SHAPE], dtype=np.int64)
    return smooth(noise, width).astype(np.int16)


def mask():
    result = np.zeros(SHAPE, dtype=np.uint8)
    result[18:26, 20:31, 12:17] = 1
    return result


def digest(*arrays):
    """Of the values in Fortran order."""
    result = hashlib.sha256()
    for array in arrays:
        result.update(array.tobytes(order="F"))
    return result.hexdigest()
