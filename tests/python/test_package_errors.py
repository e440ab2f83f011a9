"""One exception class a status, against the header's own list."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import deeptepp
from deeptepp import errors

HEADER = (Path(__file__).resolve().parents[2] / "include" / "deeptepp" / "deeptepp.h").read_text(encoding="utf-8")
STATUSES = {name: int(value) for name, value in re.findall(r"\bDEEPTEPP_ERR_(\w+)\s*=\s*(\d+)", HEADER)}
CLASSES = {c.status: c for c in vars(errors).values()
           if isinstance(c, type) and issubclass(c, errors.DeepteppError) and c.status > 0}
BUILTINS = {"MEMORY": MemoryError, "MEMORY_LIMIT": MemoryError, "FILE_MISSING": FileNotFoundError, "FILE_READ": OSError,
            "FILE_TRUNCATED": EOFError, "VOLUME_TYPE": TypeError, "SCORE_NONFINITE": OverflowError,
            "BUSY": RuntimeError}


def test_every_status_has_its_class():
    assert len(STATUSES) > 70
    assert {c.status: c().name for c in CLASSES.values()} == {n: f"DEEPTEPP_ERR_{s}" for s, n in STATUSES.items()}
    for cls in CLASSES.values():
        parts = "".join(part.capitalize() for part in cls().name.removeprefix("DEEPTEPP_ERR_").split("_"))
        assert cls.__name__.lower() == ("OutOfMemoryError" if parts == "Memory" else f"{parts}Error").lower()
        assert cls.__doc__ and cls.__doc__ != errors.DeepteppError.__doc__


def test_each_is_one_of_python_s_own():
    for name, status in STATUSES.items():
        wanted = BUILTINS.get(name)
        own = [base for base in CLASSES[status].__mro__ if base.__module__ == "builtins"]
        assert wanted in own if wanted else set(own) & {ValueError, RuntimeError}, name


def test_attributes_and_pickles():
    for cls in CLASSES.values():
        error = cls("a line: 5 %s, wanted 6", ("mask", "t1c"))
        for one in (error, pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
            assert type(one) is cls and str(one) == one.message == "a line: 5 %s, wanted 6"
            assert (one.status, one.volumes) == (cls.status, ("mask", "t1c"))


def test_a_status_of_a_newer_library():
    error = errors.error_of(9999, "what", ())
    assert type(error) is deeptepp.DeepteppError and error.status == 9999 and error.name == "DEEPTEPP_ERR_UNKNOWN"
    assert pickle.loads(pickle.dumps(error)).status == 9999


def test_a_class_of_the_user_s_own_is_left_alone():
    class Mine(errors.MaskEmptyError):
        pass

    assert Mine("x").status == STATUSES["MASK_EMPTY"]
    assert type(errors.error_of(STATUSES["MASK_EMPTY"], "x")) is errors.MaskEmptyError


def test_missing_files(model, paths, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        deeptepp.open_model(tmp_path / "none.safetensors")
    assert isinstance(caught.value, errors.FileMissingError) and caught.value.volumes == ()
    assert "none.safetensors" in str(caught.value) and caught.value.name == "DEEPTEPP_ERR_FILE_MISSING"
    for case, about in (((paths[0], tmp_path / "none.nii"), "mask"), ((tmp_path / "none.nii", paths[1]), "t1c")):
        with pytest.raises(errors.FileMissingError) as caught:
            model.score(*case)
        assert caught.value.volumes == (about,)
    with pytest.raises(OSError):
        deeptepp.Volume.open(tmp_path)


def test_the_case_s_volumes_are_named(model, paths, arrays):
    empty, cropped = np.zeros_like(arrays.mask), arrays.mask[:-1]
    for voxels, error, about in ((empty, errors.MaskEmptyError, ("mask",)),
                                 (cropped, errors.GeometrySizeError, ("t1c", "mask"))):
        with pytest.raises(error) as caught:
            model.score(paths[0], (voxels, arrays.affine))
        assert set(caught.value.volumes) == set(about)
    with pytest.raises(errors.MaskLabelError):
        model.score(*paths, label=7)


def test_the_model_goes_on_after_errors(model, paths, expected, arrays):
    for _ in range(3):
        with pytest.raises(errors.MaskEmptyError):
            model.score(paths[0], (np.zeros_like(arrays.mask), arrays.affine))
        assert model.score(*paths).score == expected["score"]


def test_paths_that_are_none(tmp_path):
    odd = tmp_path / "\udcff\u00e9.nii"
    with pytest.raises(errors.FileMissingError, match="\\?\u00e9|\ufffd\u00e9"):
        deeptepp.Volume.open(odd)
    for wrong, error in ((None, TypeError), (5, TypeError), ("a\0b", ValueError)):
        with pytest.raises(error):
            deeptepp.Volume.open(wrong)
        with pytest.raises(error):
            deeptepp.open_model(wrong)


def test_expected_sha256(model, tiny_case):
    with deeptepp.open_model(tiny_case[0], expected_sha256=model.sha256.upper()) as same:
        assert same.sha256 == model.sha256
    with pytest.raises(errors.ModelSha256Error, match=model.sha256):
        deeptepp.open_model(tiny_case[0], expected_sha256="0" * 64)
    with pytest.raises(errors.ArgumentError):
        deeptepp.open_model(tiny_case[0], expected_sha256="abc")


def test_limits(tiny_case, paths):
    with pytest.raises(errors.FileTooLargeError):
        deeptepp.open_model(tiny_case[0], max_file_bytes=1000)
    with deeptepp.open_model(tiny_case[0], memory_limit=1000) as small, pytest.raises(MemoryError):
        small.score(*paths)
    with pytest.raises(errors.FileTooLargeError):
        deeptepp.Volume.open(paths[0], max_bytes=1000)
    with pytest.raises(errors.VolumeDimsError):
        deeptepp.Volume.open(paths[0], max_edge=100)


NUMBERS = {
    "threads": lambda paths, model, n: deeptepp.open_model(model.path, threads=n),
    "memory_limit": lambda paths, model, n: deeptepp.open_model(model.path, memory_limit=n),
    "max_file_bytes": lambda paths, model, n: deeptepp.open_model(model.path, max_file_bytes=n),
    "volume": lambda paths, model, n: deeptepp.Volume.open(paths[0], volume=n),
    "max_bytes": lambda paths, model, n: deeptepp.Volume.open(paths[0], max_bytes=n),
    "max_edge": lambda paths, model, n: deeptepp.Volume.open(paths[0], max_edge=n),
    "label": lambda paths, model, n: model.score(*paths, label=n),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_are_none(model, paths, name):
    for wrong, error in ((0, ValueError), (-1, ValueError), (2**64, ValueError), (1.5, TypeError), ("1", TypeError),
                         (True, TypeError), (np.bool_(True), TypeError)):
        with pytest.raises(error, match=f"{name} is "):
            NUMBERS[name](paths, model, wrong)
    NUMBERS[name](paths, model, np.int16(1) if name in ("threads", "volume", "label") else np.int64(2**40))
