"""The stem's own activation, by the program, against NumPy's forward pass: the self-test's score is NumPy's."""

import pytest

from cli_program import answer, needs_program, run
from make_model import make_model, read_safetensors, write_safetensors

pytestmark = needs_program

# Without the pool: few of its windows have no positive value, and those are all that the stem's activation changes.
TINY = {"depth": 10, "width": 8, "size": 24, "views": 1, "pool": False}
STEMS = {"leaky stem": {"stem_activation": "leaky_relu"}, "ELU stem": {"stem_activation": "elu"},
         "ELU stem, pool": {"stem_activation": "elu", "pool": True},
         "leaky blocks": {"activation": "leaky_relu", "stem_activation": "relu"},
         "ELU blocks": {"activation": "elu", "stem_activation": "relu", "shortcut": "A"},
         "one for both": {"activation": "elu"}}


@pytest.mark.parametrize("options", STEMS.values(), ids=STEMS)
def test_the_score_is_numpys(tmp_path, options):
    make_model(tmp_path / "model", **{**TINY, **options})
    answer("selftest", "--model", tmp_path / "model")


@pytest.mark.parametrize("options", [STEMS["leaky stem"], STEMS["ELU blocks"]], ids=["leaky stem", "ELU blocks"])
def test_without_the_key_it_is_another_network(tmp_path, options):
    make_model(tmp_path / "model", **{**TINY, **options})
    tensors, description = read_safetensors(tmp_path / "model")
    del description["network"]["stem_activation"]
    write_safetensors(tmp_path / "model", tensors, description)
    done = run("selftest", "--model", tmp_path / "model")
    assert done.returncode == 2
    assert b"self-test: score" in done.stderr
