"""Arrays and images of other packages, as voxels with an affine. No package but NumPy is imported."""

from __future__ import annotations

import sys
import warnings
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ._native import lib
from .errors import NiftiAnalyzeError, NiftiOrientationError, NiftiUnitsError

TYPES = {np.dtype(name): getattr(lib, f"DEEPTEPP_{name.upper()}")
         for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")}

MM_IN_UNIT = {"meter": 1000.0, "micron": 0.001}
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


class IdentityAffineWarning(UserWarning):
    """An array came with the identity as its affine: 1 mm voxels in RAS order, which is hardly ever what is meant."""


class Voxels(NamedTuple):
    """voxels: of one of TYPES; affine: voxel indices to RAS mm; owner: what else has to live as long as the voxels."""

    voxels: npt.NDArray[Any]
    affine: npt.NDArray[np.float64]
    owner: Any = None


def from_array(array: Any, affine: Any, owner: Any = None) -> Voxels:
    """Without a copy, unless the values have to be put otherwise (float16, foreign byte order, repeated axes)."""
    return Voxels(_readable(_ndarray(array)), _affine(affine), owner)


def _ndarray(array: Any) -> npt.NDArray[Any]:
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError("the array is masked: say what stands in its masked voxels, array.filled(value)")
    if not isinstance(array, np.ndarray):
        if not (hasattr(array, "__array__") or hasattr(array, "__array_interface__")):
            raise TypeError(f"the array is of type {type(array).__name__}, wanted a NumPy array")
        array = np.asarray(array)
    if array.ndim != 3:
        raise ValueError(f"the array has shape {array.shape}, wanted 3 axes, in the order of the affine's columns")
    return np.asarray(array)


def _readable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same values as one of TYPES, with strides that the library reads."""
    dtype = array.dtype
    if dtype.kind == "b":
        array = array.view(np.uint8)
    elif dtype == np.float16:
        array = array.astype(np.float32)
    elif not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
    if array.dtype not in TYPES:
        raise TypeError(f"the array has dtype {dtype}, wanted bool, an integer or a float of at most 64 bits")
    # A stride of 0 repeats voxels, and three of them would mean another layout to the library.
    return array.copy() if array.size and 0 in array.strides else array


def _affine(affine: Any) -> npt.NDArray[np.float64]:
    if affine is None:
        raise TypeError("affine is None, wanted a 4 x 4 matrix from voxel indices to RAS millimetres")
    given = np.asarray(affine)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"affine has dtype {given.dtype}, wanted real numbers")
    if given.shape != (4, 4):
        raise ValueError(f"affine has shape {given.shape}, wanted (4, 4)")
    _warn_of_identity(given)
    return np.ascontiguousarray(given, dtype=np.float64)


def _warn_of_identity(affine: npt.NDArray[Any]) -> None:
    if np.array_equal(affine, np.eye(4)):
        warnings.warn("affine is the identity: voxels of 1 mm in RAS order; give the image's own if it has one",
                      IdentityAffineWarning, stacklevel=_caller())


def _caller() -> int:
    """How far up the first frame outside this package is: that is whose line the warning is about."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "deeptepp":
        level, frame = level + 1, frame.f_back
    return level


# ---- Images of nibabel and SimpleITK ----


class NibabelImage(Protocol):
    @property
    def dataobj(self) -> Any: ...
    @property
    def affine(self) -> Any: ...
    @property
    def header(self) -> Any: ...


class SimpleITKImage(Protocol):
    def GetDirection(self) -> Any: ...
    def GetOrigin(self) -> Any: ...
    def GetSpacing(self) -> Any: ...


def is_nibabel(image: Any) -> bool:
    return hasattr(image, "dataobj") and hasattr(image, "affine")


def from_nibabel(image: Any) -> Voxels:
    """As its file would be read: the same form, the same unit; one that states no orientation is refused."""
    _refuse_unoriented(image)
    if sum(edge != 1 for edge in image.shape[3:]):
        raise ValueError(f"the image has shape {image.shape}: choose one of its volumes, image.slicer[..., n]")
    voxels = np.asanyarray(image.dataobj)
    if isinstance(voxels, np.memmap):  # nobody asked for one: the file may change, or be cut short, meanwhile
        voxels = np.array(voxels)
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    if image.affine is None:
        raise TypeError("the image has no affine (None), which says where its voxels lie")
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3] *= _mm(image.header)
    return from_array(voxels, affine)


def _refuse_unoriented(image: Any) -> None:
    """nibabel makes an affine up where a header has none."""
    header = image.header
    if any(base.__name__ == "AnalyzeImage" for base in type(image).__mro__) and "sform_code" not in header:
        raise NiftiAnalyzeError("the image is ANALYZE 7.5, which states no orientation: convert it to NIfTI")
    if "sform_code" in _keys(header) and not int(header["sform_code"]) and not int(header["qform_code"]):
        raise NiftiOrientationError("the image states no orientation (sform and qform codes are both 0), and nibabel "
                                    "made one up: give its file and orientation=, or the array and its affine")


def _keys(header: Any) -> Any:
    return header.keys() if hasattr(header, "keys") else ()


def _mm(header: Any) -> float:
    try:
        units = header.get_xyzt_units()[0] if hasattr(header, "get_xyzt_units") else "mm"
    except KeyError as error:
        raise NiftiUnitsError(f"the image's header has xyzt_units of code {error.args[0]}, wanted metres, millimetres "
                              "or microns") from None
    return MM_IN_UNIT.get(units, 1.0)


def is_simpleitk(image: Any) -> bool:
    return all(hasattr(image, name) for name in ("GetDirection", "GetOrigin", "GetSpacing", "GetPixelIDTypeAsString"))


def from_simpleitk(image: Any) -> Voxels:
    """Its buffer, whose axes SimpleITK shows in reverse; its geometry is in LPS."""
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError(f"the image has {image.GetDimension()} dimensions and {image.GetNumberOfComponentsPerPixel()} "
                         "values a voxel, wanted 3 and 1")
    if image.GetPixelIDTypeAsString().startswith("label"):
        raise TypeError("the image is a label map, which has no array of voxels: SimpleITK.Cast(image, "
                        "SimpleITK.sitkUInt8) makes one")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    _warn_of_identity(affine)
    return from_array(_simpleitk(image).GetArrayViewFromImage(image).T, LPS_TO_RAS @ affine, owner=image)


def _simpleitk(image: Any) -> Any:
    """The package that the image, or what its class derives from, is of."""
    for base in type(image).__mro__:
        package = sys.modules.get(base.__module__.partition(".")[0])
        if hasattr(package, "GetArrayViewFromImage"):
            return package
    raise TypeError(f"the image is of type {type(image).__name__}, wanted one of SimpleITK's")
