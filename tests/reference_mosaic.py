"""The published views by OpenCV and NumPy, written from the description (docs/model-format.md), not from any code.

Arrays are indexed as the reference indexes them; a mask is 0 and 1 in the type it is stored in. Where the published
pipeline has no answer (a crop past the edge, a constant slice, a mask that interpolation leaves nothing of), this one
has the documented answer."""

import cv2
import numpy as np

EDGE, TILE, TILES = 512, 64, 64
BEFORE, AFTER = 5, 10


def warp(plane, matrix, size):
    """cv2.warpAffine with weights of 1/32 cell, whatever the version and type: OpenCV 4 has them for all types, OpenCV
    5 only where it has no newer kernel; and neither takes 32-bit integers. float64 has them in both."""
    if plane.dtype in (np.int16, np.float64) or (int(cv2.__version__.split(".")[0]) < 5 and plane.itemsize < 4):
        return cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_LINEAR)
    exact = cv2.warpAffine(plane.astype(np.float64), matrix, size, flags=cv2.INTER_LINEAR)
    if plane.dtype.kind == "f":
        return exact.astype(plane.dtype)
    return (np.floor(exact + 0.5) if plane.itemsize == 1 else np.rint(exact)).astype(plane.dtype)


def rotate(volume, degrees):
    """About axis 1, clockwise in the plane of axes 0 (rows) and 2 (columns); the canvas grows."""
    rows, columns = volume.shape[0], volume.shape[2]
    cx, cy = columns // 2, rows // 2
    matrix = cv2.getRotationMatrix2D((cx, cy), -degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = int(rows * sine + columns * cosine), int(rows * cosine + columns * sine)
    matrix[0, 2] += size[0] / 2 - cx
    matrix[1, 2] += size[1] / 2 - cy
    planes = [warp(np.ascontiguousarray(volume[:, y, :]), matrix, size) for y in range(volume.shape[1])]
    return np.stack(planes, axis=1)


def resize(array, size):
    """16-bit integers beyond OpenCV's own (32 and 64 bits) are resized as float64 and rounded."""
    array = np.ascontiguousarray(array)
    if array.dtype.kind in "iu" and array.itemsize > 2:
        return np.rint(cv2.resize(array.astype(np.float64), size, interpolation=cv2.INTER_LINEAR))
    return cv2.resize(array, size, interpolation=cv2.INTER_LINEAR)


def nearest(indices, size):
    """First of and how many resized cells read any index from the first to the last, or hold their middles if none
    does."""
    inside = np.zeros((size, 1))
    inside[indices[0]:indices[-1] + 1] = 1
    cells = np.flatnonzero(resize(inside, (1, EDGE)) > 0)
    if not cells.size:
        cells = [(2 * i + 1) * EDGE // (2 * size) for i in (indices[0], indices[-1])]
    return cells[0], cells[-1] - cells[0] + 1


def rectangle(mask_slice, any_weight):
    """Rows and columns of the crop, ends exclusive, or None."""
    large = resize(mask_slice, (EDGE, EDGE))
    cells = (large > 0 if any_weight else large.astype(np.uint8) != 0).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(cells)
    if w == 0 and any_weight:
        y, h = nearest(np.flatnonzero(mask_slice.any(axis=1)), mask_slice.shape[0])
        x, w = nearest(np.flatnonzero(mask_slice.any(axis=0)), mask_slice.shape[1])
    if w == 0:
        return None
    return max(0, y - BEFORE), min(EDGE, y + h + AFTER), max(0, x - BEFORE), min(EDGE, x + w + AFTER)


def rectangles(mask, degrees, any_weight=False):
    """{index along axis 2: crop}, and in how many slices interpolation left nothing of the mask."""
    rotated = rotate(mask.astype(np.float64) if any_weight else mask, degrees)
    touched = [z for z in range(rotated.shape[2]) if rotated[:, :, z].max() != 0]
    crops = {z: rectangle(rotated[:, :, z], any_weight) for z in touched}
    found = {z: crop for z, crop in crops.items() if crop}
    return found, len(crops) - len(found)


def tile(image_slice, crop):
    """64 x 64, of 0 to 255, not rounded; and whether the slice is constant."""
    large = resize(image_slice, (EDGE, EDGE)).astype(np.float64)
    low, high = large.min(), large.max()
    if low == high:
        return np.zeros((TILE, TILE)), True
    scaled = (large - low) / (high - low) * 255
    return resize(scaled[crop[0]:crop[1], crop[2]:crop[3]], (TILE, TILE)), False


def tiles(image, mask, degrees, rule="first"):
    """64 tiles, uint8, and what was met on the way."""
    crops, faded = rectangles(mask, degrees)
    vanished = not crops
    if vanished:
        crops, faded = rectangles(mask, degrees, any_weight=True)[0], 0
    touched = sorted(crops)
    chosen = touched
    if len(touched) > TILES:
        spaced = [touched[(2 * n + 1) * len(touched) // (2 * TILES)] for n in range(TILES)]
        chosen = touched[:TILES] if rule == "first" else spaced
    rotated = rotate(image, degrees)
    made = [tile(rotated[:, :, z], crops[z]) for z in chosen]
    stack = np.stack([made[n % len(made)][0] for n in range(TILES)])
    facts = {"slices": len(touched), "dropped": len(touched) - len(chosen), "faded": faded, "vanished": vanished,
             "constant": sum(constant for _, constant in made)}
    return np.rint(stack).clip(0, 255).astype(np.uint8), facts


def mosaic_of_tiles(stack):
    """(64, 64, 64) to (512, 512): tile n in row n // 8, column n % 8."""
    return stack.reshape(8, 8, TILE, TILE).swapaxes(1, 2).reshape(EDGE, EDGE)


def mosaic(image, mask, degrees, rule="first"):
    stack, facts = tiles(image, mask, degrees, rule)
    return mosaic_of_tiles(stack), facts


def normalise(grey):
    """As the network takes it."""
    return ((grey.astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)).astype(np.float32)
