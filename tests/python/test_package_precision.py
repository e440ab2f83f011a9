"""bfloat16 by the caller's choice, through the package. Its numbers are the library's: tests/test_precision.c."""

import os
import pickle
import subprocess
import sys

import pytest

import deeptepp
import make_model

needs_bf16 = pytest.mark.skipif(not deeptepp.precision_available("bf16"), reason="this processor has no AVX512_BF16")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = tmp_path_factory.mktemp("precision") / "wide.safetensors"
    far = {"names": ["low", "high"], "cutpoints": [1e6], "source": "none that a score is near"}
    make_model.make_model(made, depth=10, width=16, size=32, views=3, overrides={"tiers": far})
    return made


@needs_bf16
def test_a_score_says_what_it_was_computed_in(path, paths):
    with deeptepp.open_model(path, threads=1) as plain, \
            deeptepp.open_model(path, threads=1, precision="bf16") as moved:
        assert (plain.precision, plain.precision_shift, plain.precision_margin) == ("f32", 0, 0)
        assert moved.precision == "bf16" and moved.precision_margin == 4 * moved.precision_shift > 0
        assert moved.memory > plain.memory
        exact, found = plain.score(*paths), moved.score(*paths)
        assert (exact.precision, found.precision) == ("f32", "bf16")
        assert found.to_dict()["software"]["precision"] == "bf16"
        assert 0 < abs(found.score - exact.score) < moved.precision_margin
        assert moved.self_test() == plain.self_test()


@needs_bf16
def test_it_goes_with_the_model_into_other_processes_and_tables(path, paths):
    with deeptepp.open_model(path, threads=1, precision="bf16") as model:
        again = pickle.loads(pickle.dumps(model))
        assert again.precision == "bf16" and again.score(*paths) == model.score(*paths)
        row = deeptepp.score_case(model, {"id": "a", "image": str(paths[0]), "mask": str(paths[1])})
        assert row["options"].endswith(";threads=1;precision=bf16") and row["score"] == model.score(*paths).score
        assert row["precision"] == "bf16"
    with deeptepp.open_model(path, threads=1) as model:
        row = deeptepp.score_case(model, {"id": "a", "image": str(paths[0]), "mask": str(paths[1])})
        assert row["options"].endswith(";threads=1;precision=f32") and row["precision"] == "f32"


@needs_bf16
def test_a_row_says_whether_its_score_was_computed_again(path, paths, tmp_path):
    with deeptepp.open_model(path, threads=1) as model:
        exact = model.score(*paths).score
    near = tmp_path / "near.safetensors"
    make_model.make_model(near, depth=10, width=16, size=32, views=3, overrides={
        "tiers": {"names": ["low", "high"], "cutpoints": [exact], "source": "the case's own score"}})
    with deeptepp.open_model(near, threads=1, precision="bf16") as model:
        row = deeptepp.score_case(model, {"id": "a", "image": str(paths[0]), "mask": str(paths[1])})
    assert (row["precision"], row["score"]) == ("f32", exact) and row["options"].endswith(";precision=bf16")


@pytest.mark.parametrize("wrong", ["f16", "BF16", "", None, 1])
def test_what_is_no_precision_is_refused(path, wrong):
    for ask in (lambda: deeptepp.open_model(path, precision=wrong), lambda: deeptepp.precision_available(wrong)):
        with pytest.raises(ValueError, match=r"^precision is .*, wanted one of f32, bf16$"):
            ask()


def test_a_processor_without_it_is_an_error_that_says_what_to_do(path):
    code = ("import sys, deeptepp\n"
            "print(deeptepp.precision_available('f32'), deeptepp.precision_available('bf16'))\n"
            "try:\n    deeptepp.open_model(sys.argv[1], precision='bf16')\n"
            "except deeptepp.errors.PrecisionError as error:\n    print(error)\n")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True,
                          env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"})
    available, said = done.stdout.splitlines()
    assert available == "True False" and "AVX2" in said and said.endswith("open the model in f32, the default")
