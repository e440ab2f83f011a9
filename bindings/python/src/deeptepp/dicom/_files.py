"""DICOM files and datasets, one by one: what they are called, their headers, their pixels."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

Source = str | os.PathLike[str] | pydicom.Dataset | Iterable[str | os.PathLike[str] | pydicom.Dataset]


class DicomError(ValueError):
    """DICOM that is refused. One line: the thing, the value found, the value wanted."""


@dataclass(frozen=True)
class Instance:
    """One file or dataset. header: without pixels where it is a file's."""

    name: str
    header: pydicom.Dataset
    path: Path | None = None

    @property
    def number(self) -> int:
        """Of the frame that it is, from 1; 0: it is no frame."""
        return 0

    @property
    def origin(self) -> pydicom.Dataset:
        """The header of its file."""
        return self.header

    def get(self, keyword: str) -> Any:
        """An attribute; None where it is missing."""
        try:
            return self.header.get(keyword)
        except Exception as error:  # whatever pydicom says of raw bytes that are no value of its kind
            raise DicomError(f"{self.name}: {keyword} cannot be read: {one_line(error)}") from error

    def value(self, keyword: str) -> Any:
        """An attribute that must be there and say something."""
        found = self.get(keyword)
        if found is None or (isinstance(found, str) and not found):
            raise DicomError(f"{self.name}: {keyword} is missing, and is needed")
        return found

    def whole(self, keyword: str) -> int:
        found = self.value(keyword)
        if not isinstance(found, int):
            raise DicomError(f"{self.name}: {keyword} is {found!r}, wanted a whole number")
        return int(found)

    def numbers(self, keyword: str, count: int) -> npt.NDArray[np.float64]:
        given = self.value(keyword)
        try:
            found = np.atleast_1d(np.asarray(given, dtype=np.float64))
        except (TypeError, ValueError):
            found = np.empty(0)
        if found.shape != (count,) or not np.isfinite(found).all():
            raise DicomError(f"{self.name}: {keyword} is {given!r}, wanted {count} finite numbers")
        return found

    def kind(self) -> UID:
        return UID(str(self.value("SOPClassUID")))

    def pixels(self) -> npt.NDArray[Any]:
        """As stored. Its transfer syntax must have a decoder here."""
        self._refuse_undecodable()
        try:
            whole = self.header if self.path is None else pydicom.dcmread(self.path)
            return np.asarray(whole.pixel_array)
        except Exception as error:  # whatever a decoder says of a broken stream
            raise DicomError(f"{self.name}: its pixels cannot be read: {one_line(error)}") from error

    def _refuse_undecodable(self) -> None:
        meta = getattr(self.header, "file_meta", None)
        syntax = None if meta is None else Instance(self.name, meta).get("TransferSyntaxUID")
        if syntax is None:
            raise DicomError(f"{self.name}: TransferSyntaxUID is missing from file_meta, and is needed")
        if not UID(syntax).is_transfer_syntax:
            raise DicomError(f"{self.name}: TransferSyntaxUID is {syntax}, wanted one of DICOM's")
        if UID(syntax).is_encapsulated and not _decodes(syntax):
            raise DicomError(f"{self.name}: TransferSyntaxUID is {UID(syntax).name}, for which no decoder is "
                             "installed: pip install pylibjpeg[all], or decompress the file")


def _decodes(syntax: str) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except RuntimeError:  # pydicom knows of none for this syntax
        return False


def one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def instances(source: Source) -> list[Instance]:
    """Of a folder (its own files, without hidden ones and DICOMDIR), a file, a dataset, or a list of the latter two."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        found = [_read(file) for file in _listed(path)] if path.is_dir() else [_read(path)]
    elif isinstance(source, pydicom.Dataset):
        found = [Instance("the dataset", source)]
    else:
        found = [Instance(f"dataset {i} of the list", each) if isinstance(each, pydicom.Dataset) else _read(Path(each))
                 for i, each in enumerate(source)]
    if not found and isinstance(source, (str, os.PathLike)):
        raise DicomError(f"{source} holds no files itself, wanted a series' own folder (those in it are not entered)")
    if not found:
        raise DicomError("the list holds no files")
    return found


def _listed(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir())
            if path.is_file() and not path.name.startswith(".") and path.name != "DICOMDIR"]


def _read(path: Path) -> Instance:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except pydicom.errors.InvalidDicomError as error:
        raise DicomError(f"{path}: not a DICOM file (no DICM after 128 bytes): take it "
                         "out of the folder or list") from error
    except Exception as error:  # whatever pydicom says of broken bytes
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise DicomError(f"{path}: cannot be read as DICOM: {one_line(error)}") from error
    if Instance(str(path), header.file_meta).get("MediaStorageSOPClassUID") == \
            pydicom.uid.MediaStorageDirectoryStorage:
        raise DicomError(f"{path}: a DICOMDIR, which only lists files: give the folder of the series")
    return Instance(str(path), header, path)
