"""Running the command line program from tests, and NIfTI files read and written without any library.

DEEPTEPP_CLI names the program; without it one on the PATH is used.
"""

import gzip
import os
import shutil
import struct
import subprocess
import time

import numpy as np
import pytest

PROGRAM = os.environ.get("DEEPTEPP_CLI") or shutil.which("deeptepp")
SMALL = ("--dims", "48,40,20", "--spacing", "2,2,3")

needs_program = pytest.mark.skipif(not PROGRAM, reason="DEEPTEPP_CLI is not set and there is no deeptepp on the PATH")


def run(*arguments, **options):
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([PROGRAM, *map(str, arguments)], stderr=subprocess.PIPE, timeout=600, **options)


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


def interrupted(number, after, *arguments):
    """Sends a signal after so many seconds; exit code and both streams, which must come within 5 more."""
    process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        time.sleep(after)
        process.send_signal(number)
        out, error = process.communicate(timeout=5)
    finally:
        process.kill()
    return process.returncode, out, error


def phantom(folder, *arguments, seed=7, name=""):
    image, mask = folder / f"image{name}.nii.gz", folder / f"mask{name}.nii.gz"
    answer("phantom", "--seed", seed, "--out-image", image, "--out-mask", mask, *(arguments or SMALL))
    return image, mask


def inflate(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def read_nifti(path):
    """The voxels, first axis first."""
    data = inflate(path)
    dims = struct.unpack_from("<8h", data, 40)
    kind = {2: "<u1", 4: "<i2"}[struct.unpack_from("<h", data, 70)[0]]
    voxels = np.frombuffer(data, kind, offset=int(struct.unpack_from("<f", data, 108)[0]))
    return voxels.reshape(dims[dims[0]:0:-1]).T


def read_affine(path):
    return np.array([*struct.unpack_from("<12f", inflate(path), 280), 0, 0, 0, 1]).reshape(4, 4)


def write_nifti(path, voxels, affine, code=1):
    """float32, with a sform of that code."""
    voxels, affine = np.asarray(voxels, "<f4"), np.asarray(affine, float)
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


def copy_of(path, target, change=lambda voxels: voxels, affine=None, code=1):
    """A file with changed voxels, affine or code."""
    voxels = change(read_nifti(path).astype(float))
    return write_nifti(target, voxels, read_affine(path) if affine is None else affine, code)
