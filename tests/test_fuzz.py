"""Every fuzz target on its seeds and on what was once found, under gcc's sanitizers; and on some thousand inputs that
libFuzzer makes of them, always the same ones, for 15 seconds at most. Longer: tests/fuzz/run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent / "fuzz"
TARGETS = sorted(p.stem.removeprefix("fuzz_") for p in HERE.glob("fuzz_*.c"))
OPTIONS = {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "ASAN_OPTIONS": "allocator_may_return_null=1"}


def run(folder, target, *arguments):
    program = Path(folder) / "tests" / "fuzz" / f"fuzz_{target}"
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=300, env={**os.environ, **OPTIONS})
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    subprocess.run([sys.executable, HERE / "corpus.py", folder], check=True)
    return folder


def test_every_target_has_seeds(seeds):
    assert sorted(p.name for p in seeds.iterdir()) == TARGETS
    assert all(len(list((seeds / target).iterdir())) >= 8 for target in TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target, seeds):
    folder = os.environ.get("DEEPTEPP_SANITIZED")
    assert folder, "set DEEPTEPP_SANITIZED to a Meson build folder (tests/run does)"
    files = sorted((seeds / target).iterdir())
    assert run(folder, target, *files).endswith(f"{len(files)} inputs\n")


@pytest.mark.parametrize("target", TARGETS)
def test_fuzz(target, seeds, tmp_path):
    folder = os.environ.get("DEEPTEPP_FUZZ")
    if not folder:
        pytest.skip("DEEPTEPP_FUZZ names no folder built with clang and libFuzzer (tests/run builds one)")
    run(folder, target, "-runs=5000", "-seed=1", "-max_total_time=15", "-max_len=400", "-len_control=0", "-timeout=20",
        "-rss_limit_mb=3000", f"-artifact_prefix={tmp_path}/", tmp_path, seeds / target)
