"""Files by name, without letter case."""

import os
from pathlib import Path

from ._table import Unusable

SUFFIXES = (".nii.gz", ".nii")


class Folder:
    """The names in a folder, read once; an absent folder is empty."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.names: dict[str, list[str]] = {}
        for name in sorted(os.listdir(self.path)) if self.path.is_dir() else ():
            self.names.setdefault(name.casefold(), []).append(name)

    def find(self, *names: str) -> str | None:
        """The name of the first that is there, as it is spelt there."""
        for name in names:
            found = self.names.get(name.casefold(), [])
            if len(found) > 1:
                raise Unusable("names that differ in letter case alone")
            if found:
                return found[0]
        return None

    def sub(self, name: str) -> "Folder | None":
        """The folder of that name in this one."""
        found = self.find(name)
        return Folder(self.path / found) if found is not None and (self.path / found).is_dir() else None


def need(folder: Folder, name: str) -> Folder:
    """A part without which the layout is another."""
    try:
        found = folder.sub(name)
    except Unusable as error:
        raise ValueError(f"{folder.path}: {error} ({name})") from None
    if found is None:
        raise FileNotFoundError(f"{folder.path}: no folder \"{name}\" there")
    return found
