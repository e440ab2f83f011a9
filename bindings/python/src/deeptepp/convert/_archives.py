"""Checkpoints' bytes: PyTorch's zip archives, its bare pickles of before 1.6, and safetensors."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from math import prod
from typing import IO, Any, NoReturn

import numpy as np

from ._description import ConversionError, first_line, no_constant, unique
from ._pickles import PickleFault, load
from ._tensors import MAKERS, MAX_RANK, RAW, WEIGHTS, Array, Storage, Tensor, TensorFault, storage_of

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAX_HEADER = 100 << 20
SAFETENSORS = {**{name: kind for kind, name in WEIGHTS.items()}, "I64": "int64", "I32": "int32", "I16": "int16",
               "I8": "int8", "U8": "uint8", "BOOL": "bool", "C64": "complex64"}


def refuse(path: str, found: str) -> NoReturn:
    raise ConversionError(f"{path}: {found}")


def broken(path: str, why: object) -> NoReturn:
    refuse(path, f"is not a checkpoint of PyTorch's, or a damaged one ({why}), wanted what torch.save writes")


# ---- Zip ----


class ZipArchive:
    """An archive's storages, each read once. All together they are no larger than the file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(path)
        names, members = set(self._zip.namelist()), self._zip.infolist()
        self._refuse_others(names)
        if any(info.compress_type != zipfile.ZIP_STORED for info in members) or \
                sum(info.file_size for info in members) > os.path.getsize(path):
            refuse(path, "is a compressed zip archive, wanted one as torch.save writes it: members stored as they are")
        roots = [name.removesuffix("data.pkl") for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(roots) != 1:
            broken(path, f"it has {len(roots)} members data.pkl")
        self._root = roots[0]
        self._read: dict[str, bytes] = {}
        if f"{self._root}byteorder" in names and self._member("byteorder").strip() != b"little":
            refuse(path, "was written on a big-endian machine, wanted a little-endian one's")

    def _refuse_others(self, names: set[str]) -> None:
        if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
            refuse(self._path, "is TorchScript, a program, wanted weights: load it where you trust it, and save its "
                               "state_dict()")
        if any(name.endswith("archive_format") or name.endswith("/models/model.json") for name in names):
            refuse(self._path, "is a program of torch.export, wanted weights: save the network's state_dict()")

    def _info(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._zip.getinfo(self._root + name)
        except KeyError:
            raise TensorFault(f"has no member {name}") from None

    def _member(self, name: str) -> bytes:
        return self._zip.read(self._info(name))

    def read(self, key: str) -> bytes:
        if key not in self._read:
            try:
                self._read[key] = self._member(f"data/{key}")
            except (zipfile.BadZipFile, EOFError, RuntimeError, OSError) as error:
                raise TensorFault(f"cannot be read: {first_line(error)}") from error
        return self._read[key]

    def content(self) -> object:
        info = self._info("data.pkl")
        with self._zip.open(info) as file:
            return load(file, info.file_size, MAKERS, lambda identity: storage_of(identity, self))


def read_zip(path: str) -> object:
    try:
        return ZipArchive(path).content()
    except OSError as error:
        if error.filename is not None:
            raise
        broken(path, first_line(error))  # a member that begins before the file
    except (zipfile.BadZipFile, PickleFault, TensorFault, EOFError, RuntimeError, ValueError) as error:
        broken(path, first_line(error))


# ---- The bare pickles ----


class LegacyArchive:
    """Five pickles in a row, then each storage behind the number of its numbers."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._types: dict[str, str] = {}

    def content(self) -> object:
        size = os.path.getsize(self._path)
        with open(self._path, "rb") as file:
            parts = [self._pickle(file, size) for _ in range(3)]
            if parts[:2] != [MAGIC, PROTOCOL] or not isinstance(parts[2], dict):
                raise PickleFault("it does not begin as torch.save begins one")
            if parts[2].get("little_endian") is not True:
                refuse(self._path, "was written on a big-endian machine, wanted a little-endian one's")
            content, keys = self._pickle(file, size), self._pickle(file, size)
            if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                raise PickleFault("it has no list of storages")
            self._find(file, keys, size)
        return content

    def _pickle(self, file: IO[bytes], size: int) -> object:
        return load(file, size - file.tell(), MAKERS, self._storage)

    def _storage(self, identity: object) -> object:
        found = storage_of(identity, self)
        if isinstance(found, Storage):
            self._types[found.key] = found.dtype
        return found

    def _find(self, file: IO[bytes], keys: list[Any], size: int) -> None:
        for key in keys:
            if self._types.get(key) not in RAW:
                raise PickleFault(f"its storages are of a type that is not known, {self._types.get(key)}")
            length = int.from_bytes(file.read(8), "little") * np.dtype(RAW[self._types[key]]).itemsize
            if length > size - file.tell():
                raise PickleFault("it ends within a storage")
            self._places[key] = file.tell(), length
            file.seek(length, os.SEEK_CUR)

    def read(self, key: str) -> bytes:
        if key not in self._places:
            raise TensorFault(f"has no storage {key}")
        place, length = self._places[key]
        with open(self._path, "rb") as file:
            file.seek(place)
            return file.read(length)


def refuse_tar(path: str) -> None:
    """The name of a tar archive's first member may begin as a pickle does."""
    try:
        tarfile.TarFile.taropen(path).close()
    except (tarfile.TarError, EOFError, ValueError):
        return
    refuse(path, "is a tar archive, wanted what torch.save writes: zip, or a bare pickle")


def read_legacy(path: str) -> object:
    refuse_tar(path)
    try:
        return LegacyArchive(path).content()
    except PickleFault as error:
        broken(path, first_line(error))


# ---- safetensors ----


def _header(path: str) -> tuple[dict[str, Any], int]:
    """(entries, where the data begin)"""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(min(length, MAX_HEADER + 1))
    if len(text) != length:
        raise ValueError("its header is longer than the file or than 100 MiB")
    header = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    header.pop("__metadata__", None)
    return header, 8 + length


def _stored(path: str, entry: Any, begin: int, size: int) -> Tensor:
    shape, (first, last), kind = entry["shape"], entry["data_offsets"], entry["dtype"]
    whole = [*shape, first, last]
    if len(shape) > MAX_RANK or not all(type(n) is int and n >= 0 for n in whole) or not first <= last <= size - begin:
        raise ValueError("a tensor lies outside the file")
    dtype = SAFETENSORS.get(kind, str(kind).lower())
    if dtype in RAW and prod(shape) * np.dtype(RAW[dtype]).itemsize != last - first:
        raise ValueError("a tensor has another size than its shape says")

    def values() -> Array:
        with open(path, "rb") as file:
            file.seek(begin + first)
            return np.frombuffer(file.read(last - first), RAW[dtype]).reshape(shape)
    return Tensor(dtype, tuple(shape), values)


def read_safetensors(path: str) -> object:
    try:
        header, begin = _header(path)
        size = os.path.getsize(path)
        return {name: _stored(path, entry, begin, size) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, RecursionError, ConversionError) as error:
        refuse(path, f"is not sound safetensors: {first_line(error)}")


# ---- Either ----


def read(path: str) -> object:
    """What the checkpoint holds, by its content: names lie."""
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        refuse(path, "is a Git-LFS pointer, wanted the file itself (git lfs pull)")
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= os.path.getsize(path) - 8:
        return read_safetensors(path)
    if start.startswith(b"PK\x03\x04"):
        return read_zip(path)
    if start.startswith(b"\x80"):
        return read_legacy(path)
    refuse(path, "is neither a PyTorch checkpoint nor safetensors")
