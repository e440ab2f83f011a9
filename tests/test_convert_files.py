"""What converting refuses of files, descriptions and command lines: one line, exit code 2, no file written."""

import sys

import numpy as np
import pytest

import make_model
from checkpoint_maker import Call, Global
from convert_case import PMG, PROGRAM, Case, described, weights
from deeptepp import convert


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, described())


@pytest.fixture
def pmg_case(tmp_path):
    return Case(tmp_path, described(**PMG))


# ---- Files that are not what they should be ----


@pytest.mark.parametrize("content, said", [
    (b"", "neither a PyTorch checkpoint nor safetensors"), (b"hello", "neither"),
    (b"PK\x03\x04 not a zip", "not a checkpoint of PyTorch's, or a damaged one"),
    (b"PK\x05\x06" + bytes(18), "neither"),
    (b"\x80\x02 not a pickle", "not a checkpoint of PyTorch's, or a damaged one"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    (b"\x40" + bytes(7) + b"{" + b" " * 63, "not sound safetensors")])
def test_files_that_are_no_checkpoints_are_refused(case, capsys, content, said):
    case.paths = [case.folder / "file.pt"]
    case.paths[0].write_bytes(content)
    assert said in case.refused(capsys)


@pytest.mark.parametrize("content", [{}, [1, 2], {"epoch": 1}, {"optimizer": {"lr": 0.1}}, 3.5])
def test_a_checkpoint_without_a_network_is_refused(case, capsys, content):
    assert "no network" in case.add(content).refused(capsys)


def test_what_is_no_tensor_among_tensors_is_named(case, capsys):
    assert "no tensors: epoch" in case.add({**weights(), "epoch": 4}).refused(capsys)


def test_arrays_in_the_tensors_places_are_called_that(case, capsys):
    """As `{name: value.numpy()}` is saved: arrays are no plain data, and are not rebuilt."""
    array = Call(Global("numpy._core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"))
    for content in (dict.fromkeys(weights(), array), {"state_dict": dict.fromkeys(weights(), array)}):
        assert "conv1.weight is a numpy._core.multiarray._reconstruct, wanted a tensor: torch.from_numpy" in \
            case.add(content).refused(capsys)


def test_a_description_may_begin_with_a_mark(case):
    """As editors on Windows write UTF-8."""
    words = case.add(weights()).arguments()
    described_at = case.folder / "description.json"
    described_at.write_bytes(b"\xef\xbb\xbf" + described_at.read_bytes())
    assert convert.main(words) == 0


def test_missing_files_are_named(case, capsys):
    case.paths = [case.folder / "nothing.pt"]
    assert "nothing.pt: No such file" in case.refused(capsys)


def test_a_folder_to_write_in_that_is_not_there(case, capsys):
    case.out = case.add(weights()).folder / "nowhere" / "model"
    assert "nowhere" in case.refused(capsys)


def test_the_checkpoint_is_not_overwritten(case, capsys):
    case.add(weights())
    case.out = case.paths[0]
    before = case.paths[0].read_bytes()
    assert "one of the files read" in case.refused(capsys)
    assert case.paths[0].read_bytes() == before


def test_a_refusal_leaves_the_file_that_was_there(case, capsys):
    case.out.write_text("another")
    case.add({**weights(), "extra": np.ones(1)}).refused(capsys)
    assert case.out.read_text() == "another"


def test_names_with_control_characters_reach_no_terminal(case, capsys):
    line = case.add({**weights(), "evil\n\x1b[31m.weight": np.ones(1)}).refused(capsys)
    assert "\x1b" not in line and "?[31m.weight" in line


# ---- Descriptions ----


@pytest.mark.parametrize("change, said", [
    ({"licence": None, "authors": None, "colour": "red"}, "lacks licence, authors and has unknown keys colour"),
    ({"version": 1.0}, "version is 1.0, wanted text, in quotes"), ({"name": " "}, "name is"),
    ({"weights": "random"}, 'wanted "trained" or "seeded"'), ({"schema": 2}, "schema is 2, wanted 1"),
    ({"score": {"rule": "logit", "class": 2}}, "score.class is 2, wanted less than 2"),
    ({"score": {"rule": "logit"}}, "score lacks class"), ({"score": {"rule": "mean", "class": 1}}, "score.rule"),
    ({"input": {"size": [16, 16, 16]}}, "a key channels"),
    ({"input": {"channels": ["a", "b"], "size": [16, 16, 16]}}, 'input.channels is ["a", "b"], wanted 1 name'),
    ({"input": {"channels": ["a"], "size": [1, 512, 512]}}, "input.size is [1, 512, 512], wanted at least 8 each"),
    ({"self_test": {"seed": 1, "score": 2}}, "self_test has unknown keys score"),
    ({"self_test": {"seed": -1}}, "self_test.seed"), ({"network": []}, "network is []"),
    ({"provenance": ["a"]}, 'provenance is ["a"], wanted an object of at most 64 texts'),
    ({"provenance": {str(i): "x" for i in range(65)}}, "wanted an object of at most 64 texts"),
    ({"provenance": {"epochs": 40}}, "provenance.epochs is 40, wanted text, in quotes"),
    ({"provenance": {"": "x"}}, 'a key of provenance is "", wanted text'),
    ({"network": {"architecture": "vgg"}}, 'network.architecture is "vgg"')])
def test_a_description_that_will_not_do_is_refused(case, capsys, change, said):
    case.description = {key: value for key, value in {**case.description, **change}.items() if value is not None}
    assert said in case.add(weights()).refused(capsys)


def test_the_published_network_wants_a_mosaic(pmg_case, capsys):
    pmg_case.add(weights(**PMG)).description["input"]["size"] = [64, 64, 64]
    assert "wanted [1, 512, 512], a mosaic" in pmg_case.refused(capsys)


@pytest.mark.parametrize("name, text, said", [
    ("d.json", '{"name": "a", "name": "b"}', "'name' stands twice"), ("d.json", '{"name": NaN}', "NaN is no JSON"),
    ("d.json", "name: a", "is not JSON"), ("d.json", "[1]", "wanted an object"), ("d.json", b"\xff", "is not UTF-8"),
    ("d.yaml", "name: a\nname: b\n", "'name' stands twice"), ("d.yaml", "a: [", "is not YAML"),
    ("d.yaml", "a: 2024-01-01\n", "a value JSON has not"),
    ("d.yaml", "!!python/object/apply:os.getcwd []", "is not YAML"), ("d.yaml", "[" * 5000, "nested too deeply"),
    ("d.yaml", "- " * 5000, "nested too deeply"), ("d.yaml", "&a [*a]", "a value JSON has not"),
    ("d.json", "[" * 100_000, "nested too deeply"), ("d.json", '{"name": "\\ud800"}', "half a character, U+D800"),
    ("d.yaml", 'name: "\\ud800"', "d.yaml"), ("d.json", "9" * 5000, "d.json")],
    ids=lambda value: str(value)[:30])
def test_files_that_are_no_description_are_refused(case, capsys, name, text, said):
    if name.endswith(".yaml"):
        pytest.importorskip("yaml", reason="PyYAML is not here")
    path = case.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert convert.main(["checkpoint.pt", "--description", str(path), "--out", str(case.out)]) == 2
    printed = capsys.readouterr().err
    assert name in printed and said in printed and printed.count("\n") == 1


def test_without_pyyaml_yaml_is_refused_by_name(case, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = case.folder / "d.yml"
    path.write_text("{}")
    assert convert.main(["c.pt", "--description", str(path), "--out", str(case.out)]) == 2
    assert "needs the PyYAML package" in capsys.readouterr().err


# ---- Members ----


def test_one_checkpoint_given_twice_is_refused(case, capsys):
    case.add(weights()).add({f"module.{name}": value for name, value in weights().items()})
    assert "checkpoint1.pt: has the same weights as" in case.refused(capsys)


def test_members_of_different_width_are_refused(case, capsys):
    line = case.add(weights()).add(weights(2, width=8)).refused(capsys)
    assert "checkpoint1.pt: the tensors are not those" in line and "conv1.weight is [8, 1, 7, 7, 7], wanted [4," in line


@pytest.mark.parametrize("members", [["a."], ["a.", "a."], "ab", ["a.", 3], ["a.", "b." * 51]])
def test_as_many_different_prefixes_as_checkpoints(case, capsys, members):
    case.description["network"]["members"] = members
    assert "network.members" in case.add(weights()).add(weights(2)).refused(capsys)


# ---- The library ----


@pytest.mark.parametrize("change, said", [
    ({"input": {"channels": ["t1c"], "size": [16, 16, 16]}}, "model description"),
    ({"tiers": {"names": ["a"], "cutpoints": [1]}}, "tiers"), ({"covariates": [{"name": "age"}]}, "covariates"),
    ({"calibration": 7}, "calibration")])
def test_what_the_library_would_refuse_is_not_written(case, capsys, change, said):
    case.description.update(change)
    line = case.add(weights()).refused(capsys)
    assert "description.json: the library refuses the model: " in line and said in line


def test_a_self_test_that_the_library_fails_is_refused(case, capsys, monkeypatch):
    from deeptepp.convert import _model

    monkeypatch.setattr(_model, "logits", lambda *rest: np.array([0.5, 0.5]))
    assert "the library refuses the model: self-test: score" in case.add(weights()).refused(capsys)


def test_the_last_bits_of_another_machine_have_room(case, capsys):
    case.description["self_test"] = {"tolerance": 1e-12}
    line = case.add(weights()).refused(capsys)
    assert "self-test" in line and "tolerance" in line or "within" in line


def test_a_folder_that_may_not_be_written_is_named_without_a_temporary_name(case, capsys, monkeypatch):
    from deeptepp.convert import _model

    def replace(source, target):
        raise PermissionError(13, "Permission denied", source)
    monkeypatch.setattr(_model.os, "replace", replace)
    assert "model.safetensors: Permission denied" in case.add(weights()).refused(capsys)


# ---- The program ----


def test_as_a_program_it_ends_with_2_and_one_line(case):
    done = case.run(*case.add({"epoch": 1}).arguments())
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(PROGRAM) and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["a.pt"], ["a.pt", "--description", "d", "--out", "o", "--depth", "3"]])
def test_a_wrong_command_line_is_one_line_too(case, arguments):
    done = case.run(*arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


def test_as_a_program_it_writes_a_model(case):
    done = case.run(*case.add(weights()).arguments())
    assert done.returncode == 0 and done.stderr == "" and "sha256 " in done.stdout
    assert make_model.read_safetensors(case.out)[1]["name"] == case.description["name"]


def test_pytorch_is_not_asked_for(case):
    for name in ("torch", "safetensors", "yaml"):
        (case.folder / f"{name}.py").write_text(f"raise ImportError('no {name}')")
    done = case.run(*case.add(weights()).arguments(), PYTHONPATH=str(case.folder))
    assert done.returncode == 0 and done.stderr == ""
