"""Puts the licences of the libraries that a wheel will bundle into it: wheel_licences.py LIBRARY WHEEL.

LIBRARY is libdeeptepp.so; every library it needs that manylinux does not leave to the system counts. Their licences are
those of the Debian packages that they come from, with the common texts that these refer to.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

# What auditwheel leaves to the system: a wheel may expect these of every distribution.
SYSTEM = r"(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|z))\.so"


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def bundled(library: str) -> dict[str, Path]:
    """The file of each needed library, by its name."""
    found = dict(re.findall(r"^\s*(\S+) => (/\S+)", output("ldd", library), re.MULTILINE))
    return {name: Path(path) for name, path in found.items() if not re.match(SYSTEM, name)}


def package(path: Path) -> str:
    """The Debian package of a file, which may be registered by its path before /lib became a link."""
    names = {str(path), str(path.resolve())}
    names |= {name.removeprefix("/usr") for name in names} | {"/usr" + name for name in names if name[:5] != "/usr/"}
    done = subprocess.run(["dpkg-query", "-S", *sorted(names)], capture_output=True, text=True)
    if not done.stdout:
        sys.exit(f"{path}: of no Debian package, so its licence is not known; wanted a library of the distribution")
    return done.stdout.split(":")[0]


def licences(library: str) -> dict[str, str]:
    """Texts by the name they get."""
    texts = {f"{name}.txt": Path("/usr/share/doc", package(path), "copyright").read_text(encoding="utf-8")
             for name, path in bundled(library).items()}
    common = set(re.findall(r"/usr/share/common-licenses/([\w.+-]*\w)", "\n".join(texts.values())))
    for name in common:
        texts[f"{name}.txt"] = Path("/usr/share/common-licenses", name).read_text(encoding="utf-8")
    own = Path(__file__).resolve().parents[2] / "LICENSE"
    return texts | {"libdeeptepp.txt": own.read_text(encoding="utf-8")}


def main(library: str, wheel: str) -> None:
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_DEFLATED) as archive:
        info = next(name.split("/")[0] for name in archive.namelist() if name.split("/")[0].endswith(".dist-info"))
        for name, text in sorted(licences(library).items()):
            archive.writestr(f"{info}/licenses/{name}", text)


if __name__ == "__main__":
    main(*sys.argv[1:])
