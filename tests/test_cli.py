"""The command line program, from outside: exit codes, what goes to which stream, the files it writes.

DEEPTEPP_CLI names the program; without it one on the PATH is used. Nothing is read but what the tests make.
"""

import gzip
import hashlib
import itertools
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import time
import zlib

import numpy as np
import pytest

PROGRAM = os.environ.get("DEEPTEPP_CLI") or shutil.which("deeptepp")
HEADER = pathlib.Path(__file__).parent.parent / "include" / "deeptepp" / "version.h"
COMMANDS = ("score", "preprocess", "info", "selftest", "picture", "phantom")
SMALL = ("--dims", "48,40,20", "--spacing", "2,2,3")

pytestmark = pytest.mark.skipif(not PROGRAM, reason="DEEPTEPP_CLI is not set and there is no deeptepp on the PATH")


def run(*arguments, **options):
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([PROGRAM, *map(str, arguments)], stderr=subprocess.PIPE, timeout=300, **options)


def answer(*arguments, **options):
    """What it prints when all is well: nothing but the answer."""
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


def refusal(code, *arguments, **options):
    """The one line it prints when something is not."""
    done = run(*arguments, **options)
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert not done.stdout
    assert text.startswith("deeptepp: ") and text.count("\n") == 1 and text.endswith("\n"), text
    return text


def phantom(folder, *arguments, seed=7, name=""):
    image, mask = folder / f"image{name}.nii.gz", folder / f"mask{name}.nii.gz"
    answer("phantom", "--seed", seed, "--out-image", image, "--out-mask", mask, *(arguments or SMALL))
    return image, mask


# ---- NIfTI, read and written without any library ----


def read_nifti(path):
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    dims = struct.unpack_from("<8h", data, 40)
    kind = {2: "<u1", 4: "<i2"}[struct.unpack_from("<h", data, 70)[0]]
    voxels = np.frombuffer(data, kind, offset=int(struct.unpack_from("<f", data, 108)[0]))
    return data, voxels.reshape(dims[dims[0]:0:-1]).T


def write_nifti(path, voxels, affine, code=1):
    voxels = np.asarray(voxels, "<f4")
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, voxels.ndim, *voxels.shape, *[1] * (7 - voxels.ndim))
    struct.pack_into("<2h", header, 70, 16, 32)
    struct.pack_into("<8f", header, 76, 1, *np.linalg.norm(affine[:3, :3], axis=0), 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    header[123] = 2
    struct.pack_into("<2h", header, 252, 0, code)
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + voxels.tobytes(order="F"))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def case(folder):
    return phantom(folder)


# ---- The command line ----

WRONG = {
    "no command": (),
    "unknown command": ("scores",),
    "unknown option": ("phantom", "--colour", "red"),
    "required option missing": ("phantom", "--seed", "1", "--out-image", "a.nii"),
    "value missing": ("phantom", "--seed"),
    "option twice": ("info", "--model", "a", "--model", "b"),
    "a word too many": ("info", "--model", "a", "b"),
    "seed below 0": ("phantom", "--seed", "-1"),
    "seed too large": ("phantom", "--seed", "18446744073709551616"),
    "seed with a tail": ("phantom", "--seed", "1x"),
    "two dims": ("phantom", "--dims", "10,10"),
    "no dims": ("phantom", "--dims", "0,10,10"),
    "spacing not a number": ("phantom", "--spacing", "1,nan,1"),
    "rim above 1": ("phantom", "--rim", "1.5"),
    "diameter not a number": ("phantom", "--diameter", "big"),
    "no time points": ("phantom", "--phases", "0"),
    "no threads": ("selftest", "--threads", "0"),
    "half a byte": ("selftest", "--memory-limit", "4GB"),
    "bytes overflow": ("selftest", "--memory-limit", "99999999999T"),
    "empty path": ("info", "--model", ""),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_command_line_is_exit_code_1(arguments):
    refusal(1, *arguments)


def test_fractional_dims_are_refused(tmp_path):
    assert "--dims" in refusal(1, "phantom", "--seed", 1, "--dims", "10.5,10,10", "--out-image", tmp_path / "a.nii",
                               "--out-mask", tmp_path / "b.nii")
    assert not list(tmp_path.iterdir())


def test_a_covariate_without_a_number_is_a_usage_error(case):
    image, mask = case
    assert "NAME=NUMBER" in refusal(1, "score", "--model", "m", "--image", image, "--mask", mask, "--covariate", "age")


def test_help_lists_every_command():
    text = answer("--help")
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", text, re.M)
    for code in ("0", "1", "2", "3", "4", "130"):
        assert re.search(rf"^  {code} ", text, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    text = answer(command, "--help")
    assert text.startswith(f"Usage: deeptepp {command} ")
    assert "  --help " in text


def test_version_is_the_headers():
    numbers = re.findall(r"VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", HEADER.read_text())
    version = ".".join(numbers)
    assert answer("--version") == f"deeptepp {version} (library {version})\n"


# ---- Phantom ----

GOLDEN = {
    ("--seed", "1", *SMALL): (
        "GOLD", "GOLD"),
}


def voxel_digest(path):
    return hashlib.sha256(read_nifti(path)[0][352:]).hexdigest()
