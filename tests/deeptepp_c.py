"""The C library through ctypes, for tests that need many calls in one process. The library is DEEPTEPP_LIBRARY."""

import ctypes
import json
import os
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint64, \
    c_void_p
from pathlib import Path

import numpy as np

TYPES = {"uint8": 1, "int8": 2, "uint16": 3, "int16": 4, "uint32": 5, "int32": 6, "uint64": 7, "int64": 8, "float32": 9,
         "float64": 10}


class CError(ctypes.Structure):
    _fields_ = [("status", c_int), ("volumes", c_int32 * 2), ("message", c_char * 1012)]


class VolumeOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("callbacks", c_void_p), ("volume_number", c_int64), ("max_bytes", c_uint64),
                ("orientation", c_char_p)]


class Array(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("data", c_void_p), ("type", c_int), ("dims", c_int64 * 3),
                ("strides", c_int64 * 3), ("affine", c_double * 16)]


class SessionOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("callbacks", c_void_p), ("no_guidance", c_int32),
                ("memory_limit", c_uint64)]


class ModelOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("callbacks", c_void_p), ("threads", c_int32), ("max_file_bytes", c_uint64),
                ("expected_sha256", c_char_p), ("precision", c_int32), ("reserved", c_int32)]


class MaskOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("label", c_int64), ("largest_part", c_int32), ("grid", c_int32)]


class DeepteppError(Exception):
    """A failed call: status is the constant's name without DEEPTEPP_ERR_."""

    def __init__(self, status, message, volumes=(0, 0)):
        super().__init__(f"{status}: {message}")
        self.status, self.message, self.volumes = status, message, tuple(volumes)


def load():
    """The library, or None when DEEPTEPP_LIBRARY does not say where it is."""
    path = os.environ.get("DEEPTEPP_LIBRARY")
    if not path:
        return None
    library = ctypes.CDLL(path)
    signatures = {
        "status_name": (c_char_p, [c_int]),
        "model_open": (c_int, [POINTER(c_void_p), c_char_p, POINTER(ModelOptions), POINTER(CError)]),
        "model_free": (None, [c_void_p]),
        "model_input_shape": (None, [c_void_p, POINTER(c_int64)]),
        "volume_open": (c_int, [POINTER(c_void_p), c_char_p, POINTER(VolumeOptions), POINTER(CError)]),
        "volume_from_array": (c_int, [POINTER(c_void_p), POINTER(Array), POINTER(CError)]),
        "volume_count_in_file": (c_int, [POINTER(c_int64), c_char_p, POINTER(CError)]),
        "volume_free": (None, [c_void_p]),
        "volume_orientation": (c_char_p, [c_void_p]),
        "case_new": (c_int, [POINTER(c_void_p), POINTER(CError)]),
        "case_free": (None, [c_void_p]),
        "case_set_image": (c_int, [c_void_p, c_char_p, c_void_p, POINTER(CError)]),
        "case_set_mask": (c_int, [c_void_p, c_void_p, POINTER(MaskOptions), POINTER(CError)]),
        "case_set_covariate": (c_int, [c_void_p, c_char_p, c_double, POINTER(CError)]),
        "mask_new": (c_int, [POINTER(c_void_p), c_void_p, POINTER(MaskOptions), POINTER(CError)]),
        "mask_free": (None, [c_void_p]),
        "mask_label": (c_int64, [c_void_p]),
        "mask_voxels": (c_int64, [c_void_p]),
        "mask_part_count": (c_int64, [c_void_p]),
        "mask_part_voxels": (c_int64, [c_void_p, c_int64]),
        "mask_part_distance": (c_double, [c_void_p, c_int64]),
        "mask_rounding": (c_double, [c_void_p]),
        "mask_copy_ras": (c_int, [c_void_p, POINTER(c_int32), c_size_t, POINTER(c_int64), POINTER(c_double),
                                  POINTER(CError)]),
        "session_new": (c_int, [POINTER(c_void_p), c_void_p, POINTER(SessionOptions), POINTER(CError)]),
        "session_free": (None, [c_void_p]),
        "session_score": (c_int, [c_void_p, c_void_p, POINTER(c_void_p), POINTER(CError)]),
        "session_preprocess": (c_int, [c_void_p, c_void_p, POINTER(c_float), c_size_t, POINTER(CError)]),
        "session_self_test": (c_int, [c_void_p, POINTER(c_double), POINTER(c_double), POINTER(CError)]),
        "result_free": (None, [c_void_p]),
        "result_json": (c_char_p, [c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, "deeptepp_" + name)
        function.restype, function.argtypes = result, arguments
    return library


LIBRARY = load()


def call(name, *arguments):
    error = CError()
    if getattr(LIBRARY, "deeptepp_" + name)(*arguments, byref(error)):
        status = LIBRARY.deeptepp_status_name(error.status).decode()
        raise DeepteppError(status.removeprefix("DEEPTEPP_ERR_"), error.message.decode(), error.volumes)


class Handle:
    def __init__(self, kind, make, *arguments):
        self.kind, self.pointer = kind, c_void_p()
        call(make, byref(self.pointer), *arguments)

    def __del__(self):
        if LIBRARY is not None:
            getattr(LIBRARY, f"deeptepp_{self.kind}_free")(self.pointer)


def volume(image, orientation=None, number=0):
    """Of a path, or of (an array indexed i, j, k; an affine)."""
    if isinstance(image, (str, Path)):
        options = VolumeOptions(ctypes.sizeof(VolumeOptions), None, number, 0, orientation and orientation.encode())
        return Handle("volume", "volume_open", os.fsencode(image), byref(options))
    voxels, affine = np.asarray(image[0]), np.asarray(image[1], dtype=float)
    array = Array(ctypes.sizeof(Array), voxels.ctypes.data, TYPES[voxels.dtype.name], (c_int64 * 3)(*voxels.shape),
                  (c_int64 * 3)(*voxels.strides), (c_double * 16)(*affine.ravel()))
    handle = Handle("volume", "volume_from_array", byref(array))
    handle.voxels = voxels  # the library does not copy them
    return handle


def volumes_in(path):
    count = c_int64()
    call("volume_count_in_file", byref(count), os.fsencode(path))
    return count.value


def orientation(image):
    return LIBRARY.deeptepp_volume_orientation(volume(image).pointer).decode()


GRIDS = {"same": 0, "image": 1, "nearest": 2}


def case(images, mask, label=0, covariates=(), orientation=None, largest_part=False, grid="same"):
    """images: one image, or a dict by channel name. Each image and the mask: whatever `volume` takes, or a Handle."""
    patient = Handle("case", "case_new")
    patient.held = []

    def take(image):
        patient.held.append(image if isinstance(image, Handle) else volume(image, orientation))
        return patient.held[-1].pointer
    named = images if isinstance(images, dict) else {None: images}
    for name, image in named.items():
        call("case_set_image", patient.pointer, name and name.encode(), take(image))
    if mask is not None:
        options = MaskOptions(ctypes.sizeof(MaskOptions), label, largest_part, GRIDS[grid])
        call("case_set_mask", patient.pointer, take(mask), byref(options))
    for name, value in dict(covariates).items():
        call("case_set_covariate", patient.pointer, name.encode(), value)
    return patient


class Mask:
    """What a mask says without a model: its parts, by size."""

    def __init__(self, mask, label=0, largest_part=False):
        options = MaskOptions(ctypes.sizeof(MaskOptions), label, largest_part, 0)
        read = mask if isinstance(mask, Handle) else volume(mask)
        handle = Handle("mask", "mask_new", read.pointer, byref(options))
        at = handle.pointer
        self.label, self.voxels = LIBRARY.deeptepp_mask_label(at), LIBRARY.deeptepp_mask_voxels(at)
        self.rounding, self.count = LIBRARY.deeptepp_mask_rounding(at), LIBRARY.deeptepp_mask_part_count(at)
        told = range(min(self.count, 64))
        self.sizes = [LIBRARY.deeptepp_mask_part_voxels(at, n) for n in told]
        self.distances = [LIBRARY.deeptepp_mask_part_distance(at, n) for n in told]
        dims = (c_int64 * 3)()
        call("mask_copy_ras", at, None, 0, dims, None)
        self.parts = np.empty(tuple(dims)[::-1], dtype=np.int32)
        call("mask_copy_ras", at, self.parts.ctypes.data_as(POINTER(c_int32)), self.parts.size, None, None)
        self.parts = self.parts.T  # x, y, z


class Session:
    def __init__(self, model, threads=0, precision=0):
        options = ModelOptions(ctypes.sizeof(ModelOptions), None, threads, 0, None, precision)
        self.model = Handle("model", "model_open", os.fsencode(model), byref(options))
        self.handle = Handle("session", "session_new", self.model.pointer, None)
        shape = (c_int64 * 5)()
        LIBRARY.deeptepp_model_input_shape(self.model.pointer, shape)
        self.shape = tuple(shape)

    def score(self, patient):
        """The result's JSON, parsed."""
        pointer = c_void_p()
        call("session_score", self.handle.pointer, patient.pointer, byref(pointer))
        result = json.loads(LIBRARY.deeptepp_result_json(pointer))
        LIBRARY.deeptepp_result_free(pointer)
        return result

    def preprocess(self, patient):
        out = np.empty(self.shape, dtype=np.float32)
        call("session_preprocess", self.handle.pointer, patient.pointer, out.ctypes.data_as(POINTER(c_float)), out.size)
        return out

    def self_test(self):
        expected, found = c_double(), c_double()
        call("session_self_test", self.handle.pointer, byref(expected), byref(found))
        return expected.value, found.value
