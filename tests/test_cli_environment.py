"""Variables of the environment that libraries below read do what docs/conventions.md says: those it calls overruled or
without effect change no bit of a score, print nothing and write nothing."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from cli_program import PROGRAM, needs_program, phantom
from make_model import make_model

pytestmark = needs_program

CONVENTIONS = pathlib.Path(__file__).parent.parent / "docs" / "conventions.md"

# Each with values that would do something elsewhere.
HARMLESS = {
    "OMP_NUM_THREADS": ("1", "7"), "OMP_DYNAMIC": ("true",), "OMP_MAX_ACTIVE_LEVELS": ("0", "3"),
    "OMP_NESTED": ("true", "false"), "OMP_SCHEDULE": ("dynamic,1", "guided,7"), "OMP_CANCELLATION": ("true",),
    "OMP_NUM_TEAMS": ("1",), "OMP_TEAMS_THREAD_LIMIT": ("1",), "OMP_TARGET_OFFLOAD": ("mandatory",),
    "OMP_DEFAULT_DEVICE": ("3",), "OMP_ALLOCATOR": ("omp_large_cap_mem_alloc",), "OMP_MAX_TASK_PRIORITY": ("3",),
    "OMP_AFFINITY_FORMAT": ("x",), "GOMP_DEBUG": ("1",), "ONEDNN_ITT_TASK_LEVEL": ("0",),
    "NETTLE_FAT_OVERRIDE": ("none",), "ONEDNN_DEFAULT_FPMATH_MODE": ("ANY", "BF16"),
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": ("0", "1"), "OMP_WAIT_POLICY": ("passive", "active"), "GOMP_SPINCOUNT": ("0",),
    "OMP_PROC_BIND": ("close", "spread"), "OMP_PLACES": ("threads", "cores"), "GOMP_CPU_AFFINITY": ("0",),
    "ONEDNN_VERBOSE_TIMESTAMP": ("1",), "OMP_THREAD_LIMIT": ("1",), "OMP_STACKSIZE": ("1G",), "GOMP_STACKSIZE": ("1G",),
}
CASES = [(name, value) for name, values in HARMLESS.items() for value in values]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    folder = tmp_path_factory.mktemp("environment")
    image, mask = phantom(folder)
    model = folder / "m.safetensors"
    make_model(model, depth=18, width=16, size=32, views=2, self_test=False)
    return PROGRAM, "score", "--threads", "2", "--json", "--model", model, "--image", image, "--mask", mask


def scored(command, folder, **environment):
    """What it prints, and the files it leaves in its working directory, home and /tmp."""
    plain = {name: value for name, value in os.environ.items() if not re.match("ONEDNN|DNNL|OMP|GOMP|NETTLE", name)}
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**plain, "HOME": str(folder), "JITDUMPDIR": str(folder), **environment})
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    left = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    perf = pathlib.Path(f"/tmp/perf-{process.pid}.map")
    if perf.exists():
        perf.unlink()
        left.append(perf.name)
    return out.decode(), error.decode(), left


@pytest.fixture(scope="module")
def usual(command, tmp_path_factory):
    out, error, left = scored(command, tmp_path_factory.mktemp("usual"))
    assert (error, left) == ("", []) and json.loads(out)["software"]["threads"] == 2
    return out


@pytest.mark.parametrize("name, value", CASES, ids=[f"{name}={value}" for name, value in CASES])
def test_a_harmless_variable_changes_no_bit_prints_nothing_and_writes_nothing(command, usual, tmp_path, name, value):
    assert scored(command, tmp_path, **{name: value}) == (usual, "", [])


# What each does in the releases that have it; another release may have dropped it.
PRINTS = {"NETTLE_FAT_VERBOSE": "libnettle", "OMP_DISPLAY_ENV": "OPENMP DISPLAY ENVIRONMENT"}


@pytest.mark.parametrize("name", PRINTS)
def test_a_variable_that_prints_does_not_touch_the_answer(command, usual, tmp_path, name):
    out, error, left = scored(command, tmp_path, **{name: "true"})
    assert (out, left) == (usual, []) and PRINTS[name] in error


def test_a_dump_of_generated_code_goes_into_the_working_directory(command, usual, tmp_path):
    out, error, left = scored(command, tmp_path, ONEDNN_JIT_DUMP="1")
    assert (out, error) == (usual, "") and left and all(name.endswith(".bin") for name in left)


def test_profiling_leaves_a_map_in_tmp_and_a_folder_at_home(command, usual, tmp_path):
    out, error, left = scored(command, tmp_path, ONEDNN_JIT_PROFILE="6")
    assert (out, error) == (usual, "")
    assert any(name.startswith("perf-") for name in left) and ".debug" in left


def test_the_page_names_every_variable_that_is_tried_here():
    page = CONVENTIONS.read_text()
    tried = {*HARMLESS, *PRINTS, "ONEDNN_JIT_DUMP", "ONEDNN_JIT_PROFILE"}
    assert not [name for name in tried - {"ONEDNN_VERBOSE_TIMESTAMP"} if f"`{name}`" not in page]
    nothing = re.search(r"^\| (.*) \| nothing here \|$", page, re.M)[1]
    overruled = re.findall(r"^\| (.*) \| overruled:", page, re.M)
    assert {*re.findall(r"`(\w+)`", nothing + "".join(overruled))} <= set(HARMLESS)
