"""A 3-D image or mask with its geometry."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from . import _arrays
from ._calls import CALLBACKS, Bar, Call, Progress, c_path, c_text, options, text, whole
from ._native import ffi, lib

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Volume:
    """A 3-D image or mask with its geometry. Immutable; any thread.

    Made by Volume.open and Volume.from_array. It holds memory until it is closed, by close(), by the end of a `with`,
    or with its last reference. It is not pickled: hand its path on instead.
    """

    def __init__(self, *, _handle: Any, _keep: Any = None) -> None:
        # One attribute, so that whoever takes it holds voxels and handle together, whatever close() does meanwhile.
        self._held: tuple[Any, Any] | None = (_handle, _keep)

    @classmethod
    def open(cls, path: Path, *, volume: int | None = None, orientation: str | None = None,
             max_bytes: int | None = None, max_edge: int | None = None, progress: Progress = None) -> Volume:
        """Reads a NIfTI file, .nii or .nii.gz.

        volume       which of the file's volumes, from 1; None: the file must hold exactly one
        orientation  for a file that states none: where its axes run to, such as "LPS"; not used for one that does
        max_bytes    a volume of more bytes is refused; None: 2 GiB
        max_edge     a file of more voxels along an axis is refused; None: 2048
        progress     True for a bar, or a callable that gets the fraction that is done, 0 to 1
        """
        with Bar(progress, "reading") as bar, Call(bar.callable) as call:
            return cls(_handle=open_handle(call, path, volume, orientation, max_bytes, max_edge))

    @classmethod
    def from_array(cls, array: Any, affine: Any) -> Volume:
        """A volume over the array's memory, which must not change as long as the volume is used.

        array   3 axes in the order of the affine's columns; bool, integer or float, of any strides. float16, a foreign
                byte order and strides of 0 take a copy.
        affine  4 x 4, voxel indices to RAS millimetres
        """
        return cls._of(_arrays.from_array(array, affine))

    @classmethod
    def _of(cls, given: _arrays.Voxels) -> Volume:
        with Call() as call:
            return cls(_handle=_array_handle(call, given), _keep=given)

    @staticmethod
    def count(path: Path) -> int:
        """How many volumes a NIfTI file holds; only its header is read."""
        with Call() as call:
            found = ffi.new("int64_t *")
            call.check(lib.deeptepp_volume_count_in_file(found, c_path(path), call.error))
            return int(found[0])

    def close(self) -> None:
        """Gives the memory back; a call that uses the volume keeps it until it ends."""
        self._held = None

    def __enter__(self) -> Volume:
        return self

    def __exit__(self, *rest: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Volume is not pickled: hand on its path, or its array and affine")

    @property
    def _handle(self) -> Any:
        return self._hold()[0]

    def _hold(self) -> tuple[Any, Any]:
        """The handle, and what must live as long as it is used."""
        held = self._held
        if held is None:
            raise ValueError("the volume is closed")
        return held

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j, k."""
        dims = ffi.new("int64_t[3]")
        lib.deeptepp_volume_dims(self._handle, dims)
        return dims[0], dims[1], dims[2]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel sizes along i, j, k, in mm."""
        spacing = ffi.new("double[3]")
        lib.deeptepp_volume_spacing(self._handle, spacing)
        return spacing[0], spacing[1], spacing[2]

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """4 x 4: voxel indices to RAS mm."""
        affine = np.empty((4, 4))
        lib.deeptepp_volume_affine(self._handle, ffi.from_buffer("double[]", affine, require_writable=True))
        return affine

    def _text(self, getter: Callable[[Any], Any]) -> str:
        held = self._hold()  # for as long as the text is read
        return text(getter(held[0]))

    @property
    def orientation(self) -> str:
        """Where i, j, k run to, nearest of R L A P S I each, such as "LPS"."""
        return self._text(lib.deeptepp_volume_orientation)

    @property
    def number(self) -> int:
        """Which volume of its file it is, from 1; 1 for an array."""
        return int(lib.deeptepp_volume_number(self._handle))

    @property
    def sha256(self) -> str:
        """Of the file's bytes; of an array's type, dims, affine and voxels, whatever its strides."""
        return self._text(lib.deeptepp_volume_sha256)

    def to_ras(self) -> tuple[npt.NDArray[np.float32], tuple[float, float, float]]:
        """The voxels, scaled, with axes that run nearest to right, anterior and superior, and their sizes in mm."""
        handle, keep = self._hold()
        dims, spacing = ffi.new("int64_t[3]"), ffi.new("double[3]")
        with Call() as call:
            call.check(lib.deeptepp_volume_copy_ras(handle, ffi.NULL, 0, dims, spacing, call.error))
            voxels = np.empty(tuple(dims)[::-1], dtype=np.float32)
            out = ffi.from_buffer("float[]", voxels, require_writable=True)
            call.check(lib.deeptepp_volume_copy_ras(handle, out, voxels.size, dims, spacing, call.error))
        del keep
        return voxels.T, (spacing[0], spacing[1], spacing[2])

    def __repr__(self) -> str:
        if self._held is None:
            return "<Volume, closed>"
        sizes = " x ".join(f"{edge:g}" for edge in self.spacing)
        return f"<Volume {' x '.join(map(str, self.shape))}, {sizes} mm, {self.orientation}>"


def open_handle(call: Call, path: Path, volume: int | None = None, orientation: str | None = None,
                max_bytes: int | None = None, max_edge: int | None = None) -> Any:
    name = ffi.NULL if orientation is None else ffi.new("char[]", c_text(orientation, "orientation"))
    settings = options("deeptepp_volume_options", callbacks=CALLBACKS, orientation=name,
                       volume_number=whole(volume, "volume"), max_bytes=whole(max_bytes, "max_bytes"),
                       max_edge=whole(max_edge, "max_edge"))
    out = ffi.new("deeptepp_volume **")
    try:
        status = lib.deeptepp_volume_open(out, c_path(path), settings, call.error)
    finally:
        handle = ffi.gc(out[0], lib.deeptepp_volume_free)
    call.check(status)
    return handle


def _array_handle(call: Call, given: _arrays.Voxels) -> Any:
    voxels = given.voxels
    array = options("deeptepp_array", data=ffi.cast("void *", voxels.__array_interface__["data"][0]),
                    type=_arrays.TYPES[voxels.dtype], dims=voxels.shape, strides=voxels.strides,
                    affine=given.affine.ravel().tolist())
    out = ffi.new("deeptepp_volume **")
    try:
        status = lib.deeptepp_volume_from_array(out, array, call.error)
    finally:
        handle = ffi.gc(out[0], lib.deeptepp_volume_free)
    call.check(status)
    return handle
