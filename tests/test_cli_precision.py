"""bfloat16 by the caller's choice: what the program says of it, that no phantom's tier changes, and that a processor
without it is an error that says what to do."""

import json
import os
import re

import pytest

import deeptepp_c
from cli_program import SMALL, answer, needs_program, phantom, refusal
from make_model import make_model

pytestmark = needs_program

DEMONSTRATION = os.path.join(os.path.dirname(__file__), "..", "examples", "demonstration", "model.safetensors")
HAS_BF16 = deeptepp_c.LIBRARY is not None and bool(deeptepp_c.LIBRARY.deeptepp_precision_available(1))
needs_bf16 = pytest.mark.skipif(not HAS_BF16, reason="this processor has no AVX512_BF16")
WITHOUT = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("rounded") / "m.safetensors"
    make_model(path, depth=18, width=16, size=32, views=3)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return phantom(tmp_path_factory.mktemp("rounded"))


def score(model, files, *arguments, **options):
    return answer("score", "--model", model, "--image", files[0], "--mask", files[1], *arguments, **options)


@needs_bf16
def test_a_result_says_what_it_was_computed_in(model, files):
    plain, moved = (json.loads(score(model, files, "--json", *more)) for more in ((), ("--precision", "bf16")))
    assert plain["software"]["precision"] == "f32" and "precision_asked" not in plain["software"]
    assert moved["software"]["precision"] == moved["software"]["precision_asked"] == "bf16"
    shift, margin = moved["software"]["precision_shift"], moved["software"]["precision_margin"]
    assert 0 < shift < margin and 0 < abs(plain["score"] - moved["score"]) <= margin
    assert json.loads(score(model, files, "--json", "--precision", "f32")) == plain


@needs_bf16
def test_the_words_say_how_far_scores_move(model, files):
    assert "precision" not in score(model, files)
    said = score(model, files, "--precision", "bf16")
    assert re.search(r"^precision +bf16: it moved scores by up to [0-9.e-]+ when it was tried on noise$", said, re.M)
    for command in ("info", "selftest"):
        said = answer(command, "--model", model, "--precision", "bf16")
        assert re.search(r"^bf16 +moves scores by up to [0-9.e-]+: tried on noise, against f32$", said, re.M)
        assert re.search(r"^ +within [0-9.e-]+ of a cut-point a score is computed in f32$", said, re.M)
        assert "bf16" not in answer(command, "--model", model)


@needs_bf16
def test_the_verdict_of_a_self_test_is_of_f32(model):
    assert re.search(r"^verdict +pass \(they differ by [0-9.e-]+; of f32, not of bf16\)$",
                     answer("selftest", "--model", model, "--precision", "bf16"), re.M)
    assert "of f32" not in answer("selftest", "--model", model)


def test_the_description_as_json_has_no_precision(model):
    said = refusal(1, "info", "--model", model, "--json", "--precision", "bf16")
    assert "--json with --precision bf16" in said
    assert answer("info", "--model", model, "--json", "--precision", "f32").startswith("{")


@needs_bf16
def test_intensities_as_they_are_are_refused(tmp_path):
    raw = tmp_path / "raw.safetensors"
    make_model(raw, depth=10, width=16, size=32, overrides={"input.intensity": {"rule": "none"}})
    assert "input.intensity none" in refusal(1, "info", "--model", raw, "--precision", "bf16")
    assert "bf16" not in answer("info", "--model", raw)


@needs_bf16
def test_a_score_at_a_cut_point_is_that_of_f32(model, files, tmp_path):
    exact = json.loads(score(model, files, "--json"))["score"]
    near = tmp_path / "near.safetensors"
    make_model(near, depth=18, width=16, size=32, views=3,
               overrides={"tiers": {"names": ["a", "b"], "cutpoints": [exact], "source": "a test"}})
    found = json.loads(score(near, files, "--json", "--precision", "bf16"))
    assert found["software"]["precision"] == "f32" and found["score"] == exact
    assert re.search(r"^precision +f32: in bf16 the score was within", score(near, files, "--precision", "bf16"), re.M)


@needs_bf16
def test_no_phantom_changes_its_tier(model, tmp_path):
    used = set()
    for path in (model, DEMONSTRATION):
        sessions = [deeptepp_c.Session(path, threads=1, precision=precision) for precision in (0, 1)]
        for seed in range(1, 9):
            image, mask = phantom(tmp_path, *SMALL, "--diameter", 10 + 2 * seed, seed=seed, name=seed)
            patient = deeptepp_c.case(image, mask)
            plain, moved = (session.score(patient) for session in sessions)
            assert plain["tier"]["name"] == moved["tier"]["name"]
            assert abs(plain["score"] - moved["score"]) <= moved["software"]["precision_margin"]
            used.add(moved["software"]["precision"])
    assert "bf16" in used


def test_a_processor_without_it_is_refused_with_what_to_do(model, files):
    for command in (("info", "--model", model), ("selftest", "--model", model),
                    ("score", "--model", model, "--image", files[0], "--mask", files[1])):
        said = refusal(1, *command, "--precision", "bf16", env=WITHOUT)
        assert "precision bf16: the instruction set is AVX2, wanted AVX512_CORE_BF16" in said
        assert "(leave out --precision)" in said
    assert json.loads(score(model, files, "--json", env=WITHOUT))["software"]["precision"] == "f32"


@pytest.mark.parametrize("wrong", ["", "f16", "BF16", "0"])
def test_what_is_no_precision_is_refused(model, wrong):
    assert f"--precision: found '{wrong}', wanted f32 or bf16" in refusal(1, "info", "--model", model, "--precision",
                                                                           wrong)
