"""The cases of tests/golden/mosaics.npz, and what is stored of their mosaics."""

import numpy as np

import mosaic_case

ANGLES = [36, 252, 360]


def generated():
    """{name: (image, mask)}: the same on every machine."""
    shape, box = (43, 36, 29), ((8, 9, 6), (30, 27, 21))
    waves = mosaic_case.waves(shape)
    return {
        "int16_uint8": ((waves * 2500).astype(np.int16), mosaic_case.box_mask(shape, *box, np.uint8)),
        "uint8_int16": ((waves * 250).astype(np.uint8), mosaic_case.box_mask(shape, *box, np.int16)),
        "float32_float32": (waves.astype(np.float32), mosaic_case.box_mask(shape, *box, np.float32)),
    }


def sample(mosaic):
    return mosaic[3::8, 5::8]


def histogram(mosaic):
    return np.bincount(mosaic.ravel(), minlength=256)
