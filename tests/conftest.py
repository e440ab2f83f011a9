"""Fixtures every Python test may use."""

import ctypes
import fcntl
import os
import subprocess
from pathlib import Path

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures milliseconds or memory; no other test runs meanwhile")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Tests run two at a time (tests/run): all share a lock, and one that measures has it for itself."""
    with open(__file__, encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # also what a forked child holds of it


@pytest.fixture(scope="session")
def library():
    """The shared library under test, as a ctypes.CDLL."""
    path = os.environ.get("DEEPTEPP_LIBRARY")
    if not path:
        pytest.fail("DEEPTEPP_LIBRARY is not set: wanted the path of the built libdeeptepp.so", pytrace=False)
    if not Path(path).is_file():
        pytest.fail(f"DEEPTEPP_LIBRARY is {path}: wanted a file that exists", pytrace=False)
    return ctypes.CDLL(path)


@pytest.fixture(scope="session")
def data():
    """The folder of shared test data; a test that wants it is skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DEEPTEPP_TEST_DATA") or default)
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set DEEPTEPP_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def library_path(library):
    return library._name


@pytest.fixture(scope="session")
def tiny_case(tmp_path_factory):
    """Paths of a small seeded model, a phantom and its mask."""
    import make_model

    program = os.environ.get("DEEPTEPP_CLI")
    if not program:
        pytest.fail("DEEPTEPP_CLI is not set: wanted the path of the built deeptepp program", pytrace=False)
    folder = tmp_path_factory.mktemp("tiny")
    model, image, mask = folder / "model.safetensors", folder / "image.nii.gz", folder / "mask.nii.gz"
    make_model.make_model(model, depth=10, width=8, size=(32, 32, 32), views=2)
    subprocess.run([program, "phantom", "--seed", "7", "--out-image", image, "--out-mask", mask], check=True,
                   stdout=subprocess.DEVNULL)
    return model, image, mask
