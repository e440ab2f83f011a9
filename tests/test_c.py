"""The C tests, one pytest item a binary and a way to run it: plain, under the sanitizers, under valgrind."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NAMES = sorted(p.stem for p in HERE.glob("test_*.c"))
# Valgrind knows no AVX-512 and is slow: rooms that run whole networks, and laws over many volumes, are left to the
# sanitizers.
HEAVY = ("net", "nn", "ops", "host", "room", "session", "worker", "winograd", "stem", "taps", "intensity", "preprocess",
         "mosaic", "allocations")


# Blocked layouts and no Winograd (AVX2), sums in unblocked layouts only (AVX), gemm alone (SSE4.1).
FLAGS = {"SSE41": "sse4_1", "AVX": "avx", "AVX2": "avx2"}
OLDER = [("test_net", "AVX"), ("test_net", "AVX2"), ("test_session", "AVX2"),
         *(("test_net_runs", isa) for isa in FLAGS)]

# They measure milliseconds or resident memory of a machine that others may use: a second failure counts.
MEASURING = ("session", "worker", "net_runs", "precision_margin")


def run(command, **environment):
    name = Path(command[-1]).name.removeprefix("test_")
    for tries_left in (1, 0) if name.startswith(MEASURING) else (0,):
        done = subprocess.run(command, cwd=HERE.parent, env={**os.environ, **environment}, timeout=900,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode == 0:
            return
        print(f"exit status {done.returncode}, {tries_left} more\n{done.stdout[-8000:]}")
    pytest.fail(f"{name}: exit status {done.returncode}", pytrace=False)


# clang's build runs the library's own loops on one thread (meson.build): not for those that count threads. Allocations
# are the same whoever compiles, and failing each in turn takes a minute.
COUNTING = ("worker", "allocations")


def alone_where_measuring(names):
    return [pytest.param(n, marks=pytest.mark.alone) if n.removeprefix("test_").startswith(MEASURING) else n
            for n in names]


def binary(variable, name):
    folder = os.environ.get(variable)
    assert folder, f"set {variable} to a Meson build folder (tests/run does)"
    return str(Path(folder) / "tests" / name)


@pytest.mark.parametrize("name", alone_where_measuring(NAMES))
def test_plain(name):
    run([binary("DEEPTEPP_BUILD", name)])


@pytest.mark.parametrize("name", [n for n in NAMES if not n.removeprefix("test_").startswith(COUNTING + MEASURING)])
def test_clang(name):
    if not os.environ.get("DEEPTEPP_CLANG"):
        pytest.skip("DEEPTEPP_CLANG names no folder built with clang (tests/run builds one)")
    run([binary("DEEPTEPP_CLANG", name)])


@pytest.mark.parametrize("name, isa", OLDER)
def test_older_instructions(name, isa):
    """Asked for instructions the processor lacks, the backend would run its best ones a second time."""
    flag = FLAGS[isa]
    if flag not in Path("/proc/cpuinfo").read_text().split():
        pytest.skip(f"this processor has no {flag}")
    run([binary("DEEPTEPP_BUILD", name)], ONEDNN_MAX_CPU_ISA=isa)


@pytest.mark.parametrize("name", alone_where_measuring(NAMES))
def test_sanitized(name):
    run([binary("DEEPTEPP_SANITIZED", name)], DEEPTEPP_SANITIZED_RUN="1",
        ASAN_OPTIONS="detect_stack_use_after_return=1:allocator_may_return_null=1",
        LSAN_OPTIONS=f"suppressions={HERE}/lsan.supp:print_suppressions=0",
        UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")


@pytest.mark.parametrize("name", [n for n in NAMES if not n.removeprefix("test_").startswith(HEAVY)])
def test_valgrind(name):
    assert shutil.which("valgrind"), "valgrind is not installed (tests/run installs it)"
    run(["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
         f"--suppressions={HERE}/valgrind.supp", binary("DEEPTEPP_BUILD", name)], DEEPTEPP_VALGRIND_RUN="1")
