"""The libraries that a wheel or a prefix has inside, and their licences.

    bundle.py wheel WHEEL ELF...      puts the licences into a wheel, which auditwheel then gives the libraries
    bundle.py prefix FOLDER ELF...    copies the libraries to FOLDER/lib, the licences to FOLDER/share/doc/deeptepp

Every library that the ELF files need and that manylinux does not leave to the system counts. Their licences are those
of the Debian packages that they come from, with the common texts that these refer to.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

# What a system must have: wheels may expect these of every distribution.
SYSTEM = r"(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|z|deeptepp))\.so"


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def bundled(programs: list[str]) -> dict[str, Path]:
    """The file of each needed library, by its name."""
    found = dict(pair for program in programs
                 for pair in re.findall(r"^\s*(\S+) => (/\S+)", output("ldd", program), re.MULTILINE))
    return {name: Path(path) for name, path in found.items() if not re.match(SYSTEM, name)}


def package(path: Path) -> str:
    """The Debian package of a file, which may be registered by its path before /lib became a link."""
    names = {str(path), str(path.resolve())}
    names |= {name.removeprefix("/usr") for name in names} | {"/usr" + name for name in names if name[:5] != "/usr/"}
    done = subprocess.run(["dpkg-query", "-S", *sorted(names)], capture_output=True, text=True)
    if not done.stdout:
        sys.exit(f"{path}: of no Debian package, so its licence is not known; wanted a library of the distribution")
    return done.stdout.split(":")[0]


def licences(libraries: dict[str, Path]) -> dict[str, str]:
    """Texts by the name they get."""
    texts = {f"{name}.txt": Path("/usr/share/doc", package(path), "copyright").read_text(encoding="utf-8")
             for name, path in libraries.items()}
    common = set(re.findall(r"/usr/share/common-licenses/([\w.+-]*\w)", "\n".join(texts.values())))
    for name in common:
        texts[f"{name}.txt"] = Path("/usr/share/common-licenses", name).read_text(encoding="utf-8")
    own = Path(__file__).resolve().parents[1] / "LICENSE"
    return texts | {"libdeeptepp.txt": own.read_text(encoding="utf-8")}


def wheel(path: str, libraries: dict[str, Path]) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        info = next(name.split("/")[0] for name in archive.namelist() if name.split("/")[0].endswith(".dist-info"))
        for name, text in sorted(licences(libraries).items()):
            archive.writestr(f"{info}/licenses/{name}", text)


def prefix(path: str, libraries: dict[str, Path]) -> None:
    for name, text in licences(libraries).items():
        Path(path, "share/doc/deeptepp", name).write_text(text, encoding="utf-8")
    for name, file in libraries.items():
        shutil.copyfile(file, Path(path, "lib", name))
    # RPATH and not RUNPATH: before LD_LIBRARY_PATH, which R sets to the system's folders.
    for name in [*libraries, "libdeeptepp.so"]:
        output("patchelf", "--force-rpath", "--set-rpath", "$ORIGIN", str(Path(path, "lib", name)))


if __name__ == "__main__":
    {"wheel": wheel, "prefix": prefix}[sys.argv[1]](sys.argv[2], bundled(sys.argv[3:]))
