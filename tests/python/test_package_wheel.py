"""The self-contained wheel: what it holds, what it asks of a system, and a score in an empty environment."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What every distribution has, by the manylinux rules; all else must be inside.
SYSTEM = {"libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libgcc_s.so.1", "libstdc++.so.6",
          "libz.so.1", "ld-linux-x86-64.so.2"}
SCORE = """
import sys
import deeptepp
model = deeptepp.open_model(sys.argv[1])
score = lambda: model.score(*sys.argv[2:]).score
"""
FORWARD = """
import torch
network = torch.nn.Conv3d(3, 8, 3).eval()
data = torch.linspace(-1, 1, 3 * 24**3).reshape(1, 3, 24, 24, 24)
forward = lambda: network(data).detach().numpy().tobytes()
"""
FORK = """
import os
child = os.fork()
if child == 0:
    os._exit(not (score() == scores[0]))
assert os.waitpid(child, 0)[1] == 0
print(scores[0].hex())
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    pytest.importorskip("auditwheel", reason="auditwheel is not installed")
    prefix = subprocess.run(["pkg-config", "--variable=prefix", "deeptepp"], capture_output=True, text=True, check=True)
    done = subprocess.run([ROOT / "bindings" / "python" / "wheel", "--prefix", prefix.stdout.strip(),
                           tmp_path_factory.mktemp("wheel")],
                          env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_the_interpreter_is_found_from_where_the_script_is_called(tmp_path):
    """It is asked for by a relative name, and says how it is called."""
    def build(name):
        return subprocess.run([ROOT / "bindings" / "python" / "wheel", "--prefix", tmp_path, "out"], cwd=tmp_path,
                              env={**os.environ, "PYTHON": name}, capture_output=True, text=True)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "python"
    program.write_text("#!/bin/sh\necho \"$0\" \"${PATH%%:*}\" >&2\nexit 9\n")
    program.chmod(0o755)
    done = build("bin/python")
    assert (done.returncode, done.stderr) == (9, f"{program} {program.parent}\n")
    done = build("bin/python4")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "PYTHON is bin/python4, wanted an interpreter that is there\n"


@pytest.fixture(scope="session")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture(scope="session")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment that holds the wheel, NumPy and cffi alone."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "python", "-I", "-m", "pip", "install", "-q", wheel], check=True)
    return folder / "bin" / "python"


def elf_files(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], capture_output=True, text=True, check=True).stdout


def run(python, program, *arguments, folder=None):
    done = subprocess.run([python, "-c", program, *map(str, arguments)], capture_output=True, text=True, cwd=folder,
                          env={"PATH": os.environ["PATH"], "HOME": str(Path(python).parent)})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_no_symbol_is_newer_than_the_tag_s_glibc(wheel, unpacked):
    tag = re.search(r"-cp3\d+-abi3-manylinux_2_(\d+)_x86_64\.whl$", wheel.name)
    files = elf_files(unpacked)
    versions = [int(v) for path in files for v in re.findall(r"Name: GLIBC_2\.(\d+)", readelf("-V", path))]
    assert len(files) >= 6 and 17 <= max(versions) <= int(tag[1])
    if os.confstr("CS_GNU_LIBC_VERSION") == "glibc 2.36":  # Debian 12; a newer one has newer variants (fmod of 2.38)
        assert int(tag[1]) == 34


def test_every_library_that_is_needed_is_inside_and_no_other(unpacked):
    files = elf_files(unpacked)
    needed = {name for path in files for name in re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("-d", path))}
    inside = {path.name for path in files if "_native" not in path.name}
    assert needed - SYSTEM == inside
    names = {re.match(r"lib[a-zA-Z]+", name)[0] for name in inside}
    assert names >= {"libdeeptepp", "libdnnl", "libgomp", "libisal", "libnettle"}


def test_calls_are_bound_when_libraries_are_loaded(unpacked):
    """A program that binds lazily could otherwise mix two OpenMP runtimes."""
    own = next(path for path in elf_files(unpacked) if path.name.startswith("libdeeptepp"))
    assert re.search(r"\(FLAGS(_1)?\).*\bNOW\b", readelf("-d", own))


def test_each_library_s_licence_is_inside(unpacked):
    texts = {path.name: path.read_text() for path in unpacked.glob("*.dist-info/licenses/*.txt")}
    for path in unpacked.glob("deeptepp.libs/*"):
        name = re.match(r"(lib[A-Za-z]+\d?)-", path.name)[1]
        assert any(text.startswith(name) for text in texts), path.name
    referred = {n for text in texts.values() for n in re.findall(r"common-licenses/([\w.+-]*\w)", text)}
    assert {"GPL-3", "Apache-2.0"} <= referred and not [n for n in referred if f"{n}.txt" not in texts]


def test_it_is_small(wheel):
    assert wheel.stat().st_size < 16 << 20


def test_the_readme_s_block_runs_in_an_empty_environment(python, tiny_case, tmp_path, expected):
    for name, path in zip(("model.safetensors", "image.nii.gz", "mask.nii.gz"), tiny_case):
        (tmp_path / name).symlink_to(path)
    block = re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[1]
    printed = run(python, block, folder=tmp_path)
    assert printed == f"score {expected['score']:.6f}, tier {expected['tier']['index']}\n"
    listed = run(python, "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))").split()
    assert set(listed) <= {"cffi", "deeptepp", "numpy", "pip", "pycparser", "setuptools", "wheel"}


def test_its_libraries_are_those_inside(python, tiny_case, expected):
    out = run(python, SCORE + """
print(score().hex())
print(*{line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}, sep="\\n")
""", *tiny_case).split()
    assert float.fromhex(out[0]) == expected["score"]
    loaded = [path for path in out[1:] if re.search("deeptepp|dnnl|gomp|nifti|znz|nettle|isal|OpenCL", Path(path).name)]
    assert len(loaded) >= 6 and all("/deeptepp" in path and "/empty" in path for path in loaded)


# Each order of import, score and forward pass.
ORDERS = {
    "torch is imported first": FORWARD + SCORE + "scores, passes = [score()], [forward()]\n",
    "torch is imported last": SCORE + "scores = [score()]\n" + FORWARD + "passes = [forward()]\n",
    "the forward pass is first": FORWARD + "passes = [forward()]\n" + SCORE + "scores = [score()]\n",
    "imported first, scored last": SCORE + FORWARD + "passes = [forward()]\nscores = [score()]\n",
}
AGAIN = "passes.append(forward())\nscores.append(score())\nassert len(set(passes)) == 1 == len(set(scores))\n"
AGAIN += "assert deeptepp.__file__.startswith(sys.path[0])\n"


@pytest.mark.parametrize("order", ORDERS)
def test_beside_pytorch(order, unpacked, tiny_case, expected):
    pytest.importorskip("torch", reason="PyTorch is not installed: --live runs this")
    program = f"import sys\nsys.path.insert(0, {str(unpacked)!r})\n" + ORDERS[order] + AGAIN + FORK
    assert float.fromhex(run(sys.executable, program, *tiny_case).strip()) == expected["score"]
