"""Models whose input is mosaics, and cases for them, for the tests of the published views."""

import numpy as np

import deeptepp_c
import make_model

ANGLES = [36 * k for k in range(1, 11)]
SIZES = {"mosaic": [1, 512, 512], "mosaic_cube": [64, 64, 64]}


def session(folder, kind="mosaic", slices="first", axes="stored", angles=ANGLES):
    """A small random network behind the views: only they matter."""
    section = {"recipe": kind, "channels": ["t1"], "axes": axes, "size": SIZES[kind], "slices": slices,
               "angles_deg": angles}
    path = folder / "model.safetensors"
    network = {"architecture": "pmg2d", "width": 8} if kind == "mosaic" else {"depth": 10, "width": 4, "size": 64}
    make_model.make_model(path, **network, self_test=False, overrides={"input": section})
    return deeptepp_c.Session(path, threads=2)


def grey(tensor):
    """The 8-bit values a tensor was made of."""
    values = (tensor.astype(float) / 2 + 0.5) * 255
    assert np.abs(values - np.rint(values)).max() < 1e-4
    return np.rint(values).astype(np.uint8)


def case(image, mask, affine=None):
    affine = np.diag([-1.0, -1, 1, 1]) if affine is None else affine
    return deeptepp_c.case((image, affine), (mask, affine))


def box_mask(shape, low, high, dtype=np.uint8):
    mask = np.zeros(shape, dtype=dtype)
    mask[tuple(slice(a, b) for a, b in zip(low, high))] = 1
    return mask


def waves(shape, seed=1):
    """Soft waves and noise of 0 to 1: no two places are alike. The same on every machine: + - * / alone."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    state = (x * 73856093 ^ y * 19349663 ^ z * 83492791 ^ seed * 2654435761) & 0xFFFFFFFF
    noise = (state * 1103515245 + 12345 & 0x7FFFFFFF) / 2**31
    parabola = sum(((n - size / part) / size) ** 2 for n, size, part in zip((x, y, z), shape, (3, 2, 4)))
    return (1 / (1 + 4 * parabola) + 0.2 * noise) / 1.2
