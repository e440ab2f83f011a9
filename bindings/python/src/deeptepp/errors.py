"""One exception class for each status of the library, which is also one of Python's own where one fits.

DEEPTEPP_ERR_MASK_EMPTY is MaskEmptyError; DEEPTEPP_ERR_MEMORY is OutOfMemoryError, because MemoryError is Python's.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ._native import ffi, lib


class DeepteppError(Exception):
    """A call into the library that failed.

    status   the status' number, as in the header
    name     the status' own name, such as "DEEPTEPP_ERR_MASK_EMPTY"
    message  one line: the thing, the value found, the value wanted
    volumes  the volumes of the case that it is about: "mask", or an image's channel; empty where it is about none
    """

    status: int = -1
    _classes: ClassVar[dict[int, type[DeepteppError]]] = {}

    def __init_subclass__(cls, group: bool = False, constant: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if not group and "status" not in cls.__dict__ and cls.__module__ == __name__:
            constant = constant or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).upper()
            cls.status = int(getattr(lib, f"DEEPTEPP_ERR_{constant}"))
            DeepteppError._classes[cls.status] = cls

    def __init__(self, message: str = "", volumes: tuple[str, ...] = (), status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.volumes = tuple(volumes)
        if status is not None:
            self.status = status

    @property
    def name(self) -> str:
        return str(ffi.string(lib.deeptepp_status_name(ffi.cast("deeptepp_status", self.status))).decode())

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.volumes, self.status)


def error_of(status: int, message: str, volumes: tuple[str, ...] = ()) -> DeepteppError:
    """The exception for a status; DeepteppError itself for one of a newer library."""
    return DeepteppError._classes.get(status, DeepteppError)(message, volumes, status)


class CallError(DeepteppError, group=True):
    """The call or the machine is at fault, not the data."""


class FileError(DeepteppError, group=True):
    """A file cannot be read, or is not what it should be."""


class NiftiError(FileError, group=True):
    """A file that is no NIfTI file this library reads, or whose header is wrong."""


class VolumeError(DeepteppError, group=True):
    """Voxels, from a file or an array, that cannot be used."""


class ModelFileError(DeepteppError, group=True):
    """A model file that cannot be used."""


class CaseError(DeepteppError, group=True):
    """A case that does not go with its model."""


# ---- The call ----


class ArgumentError(CallError, ValueError):
    """A value outside what the function documents."""


class StructSizeError(CallError, ValueError):
    """An option that the library does not know."""


class OutOfMemoryError(CallError, MemoryError, constant="MEMORY"):
    """An allocation failed."""


class MemoryLimitError(CallError, MemoryError):
    """The caller's own memory limit would be passed."""


class CancelledError(CallError, RuntimeError):
    """The call was cancelled. Ctrl-C is a KeyboardInterrupt, an exception of a callable itself: neither is this."""


class BusyError(CallError, RuntimeError):
    """A session was used by two threads at once."""


class ThreadError(CallError, RuntimeError):
    """The system would not start the threads asked for."""


class BackendError(CallError, RuntimeError):
    """oneDNN refused an operation it should support."""


class InternalError(CallError, RuntimeError):
    """A fault of the library: please report it."""


class PrecisionError(CallError, RuntimeError):
    """A precision was asked for that this processor does not compute in."""


# ---- Files ----


class FileMissingError(FileError, FileNotFoundError):
    """Nothing exists at that path, or a link that leads nowhere."""


class FileReadError(FileError, OSError):
    """It exists and cannot be read: permission, a folder, an I/O error."""


class FileTooLargeError(FileError, ValueError):
    """Larger than the cap."""


class FileTruncatedError(FileError, EOFError):
    """It ends too soon."""


class GzipError(FileError, ValueError):
    """gzip data that is corrupt, or followed by something else."""


class FileFormatError(FileError, ValueError):
    """A file of another kind, which the message names with what to do."""


class FilePointerError(FileError, ValueError):
    """The pointer of Git-LFS or git-annex stands in the file's place."""


# ---- NIfTI ----


class NiftiMagicError(NiftiError, ValueError):
    """Neither NIfTI-1 nor NIfTI-2 in one file."""


class NiftiPairError(NiftiError, ValueError):
    """A header of a .hdr/.img pair."""


class NiftiAnalyzeError(NiftiError, ValueError):
    """An ANALYZE 7.5 header."""


class NiftiDimError(NiftiError, ValueError):
    """Dimensions out of range."""


class Nifti4DError(NiftiError, ValueError, constant="NIFTI_4D"):
    """Several volumes in the file and none was chosen, or one that is not there."""


class NiftiDatatypeError(NiftiError, ValueError):
    """A data type the library does not read."""


class NiftiBitpixError(NiftiError, ValueError):
    """bitpix disagrees with the data type."""


class NiftiVoxOffsetError(NiftiError, ValueError):
    """vox_offset out of range."""


class NiftiPixdimError(NiftiError, ValueError):
    """A voxel size or a qfac out of range."""


class NiftiUnitsError(NiftiError, ValueError):
    """A spatial unit that is not m, mm or um."""


class NiftiScalingError(NiftiError, ValueError):
    """A slope or an intercept that cannot be used."""


class NiftiOrientationError(NiftiError, ValueError):
    """The file states no orientation."""


# ---- Volumes ----


class VolumeDimsError(VolumeError, ValueError):
    """A dimension that is not positive, or a product that overflows."""


class VolumeStridesError(VolumeError, ValueError):
    """Strides that make voxels overlap."""


class VolumeTypeError(VolumeError, TypeError):
    """An unknown voxel type."""


class VolumeAffineError(VolumeError, ValueError):
    """An affine that says nothing, or nothing thinkable."""


class VolumeShearError(VolumeError, ValueError):
    """Axes of the affine that are not at right angles."""


class VolumeSpacingError(VolumeError, ValueError):
    """pixdim disagrees with the affine."""


class VolumeNonfiniteError(VolumeError, ValueError):
    """Voxels that are NaN, infinite or beyond float32."""


class VolumeInexactError(VolumeError, ValueError):
    """64-bit integers beyond 2^53."""


# ---- Model files ----


class ModelHeaderLengthError(ModelFileError, ValueError):
    """The header's length is out of range."""


class ModelJsonError(ModelFileError, ValueError):
    """The header or the description is not strict JSON."""


class ModelTensorEntryError(ModelFileError, ValueError):
    """A tensor's entry is wrong."""


class ModelOffsetsError(ModelFileError, ValueError):
    """The tensors overlap, leave a gap, or do not end with the file."""


class ModelDtypeError(ModelFileError, ValueError):
    """A dtype that is not accepted there."""


class ModelMetadataError(ModelFileError, ValueError):
    """The description is missing, incomplete, or has an unknown key."""


class ModelValueError(ModelFileError, ValueError):
    """A value of the description is wrong."""


class ModelSchemaError(ModelFileError, ValueError):
    """Written for another version of the description."""


class ModelArchitectureError(ModelFileError, ValueError):
    """An architecture the library does not have."""


class ModelTensorsError(ModelFileError, ValueError):
    """Tensors missing, unexpected or mis-shaped."""


class ModelNonfiniteError(ModelFileError, ValueError):
    """A weight that is NaN or infinite."""


class ModelVarianceError(ModelFileError, ValueError):
    """A running variance below 0."""


class ModelSelfTestError(ModelFileError, ValueError):
    """The self-test gives another score than the file says."""


class ModelNoSelfTestError(ModelFileError, ValueError):
    """The file has no self-test."""


class ModelSha256Error(ModelFileError, ValueError):
    """The file is not the one that was meant: it has another SHA-256."""


# ---- A case against its model ----


class ChannelMissingError(CaseError, ValueError):
    """The model wants a channel the case does not have."""


class ChannelUnknownError(CaseError, ValueError):
    """The case has a channel the model does not know."""


class ChannelDuplicateError(CaseError, ValueError):
    """One channel given twice."""


class MaskMissingError(CaseError, ValueError):
    """The case has no mask."""


class GeometrySizeError(CaseError, ValueError):
    """Two volumes differ in their numbers of voxels."""


class GeometrySpacingError(CaseError, ValueError):
    """Two volumes differ in voxel size."""


class GeometryDirectionError(CaseError, ValueError):
    """Two volumes differ in direction."""


class GeometryOriginError(CaseError, ValueError):
    """Two volumes differ in origin."""


class MaskEmptyError(CaseError, ValueError):
    """No voxel of the mask is set."""


class MaskLabelError(CaseError, ValueError):
    """The label asked for is not in the mask."""


class MaskLabelsError(CaseError, ValueError):
    """Several labels and none was chosen."""


class MaskFractionalError(CaseError, ValueError):
    """Values that are not whole numbers."""


class MaskSmallError(CaseError, ValueError):
    """Fewer voxels than the model's minimum."""


class RegionOutsideError(CaseError, ValueError):
    """The region leaves the image, or the mask touches its border, and the model forbids it."""


class ImageConstantError(CaseError, ValueError):
    """One value only: nothing to normalise."""


class SpacingRangeError(CaseError, ValueError):
    """A voxel size outside the model's hard range."""


class CovariateMissingError(CaseError, ValueError):
    """The model wants a covariate the case does not have."""


class CovariateUnknownError(CaseError, ValueError):
    """The case has a covariate the model does not know."""


class CovariateDuplicateError(CaseError, ValueError):
    """One covariate given twice."""


class CovariateValueError(CaseError, ValueError):
    """NaN or infinite: a missing value is not a value."""


class CovariateRangeError(CaseError, ValueError):
    """Outside the model's range, or not one of its levels."""


class ScoreNonfiniteError(CaseError, OverflowError):
    """The network could overflow."""


class MaskOutsideRegionError(CaseError, ValueError):
    """The region looks past the tumour."""
