"""What converting refuses: one line that names all that is wrong, exit code 2, no file."""

import os
import re
import sys

import pytest

import make_model

torch = pytest.importorskip("torch", reason="PyTorch is not here")
pytest.importorskip("safetensors.torch", reason="the safetensors package is not here")
from convert_case import PMG, Case, convert, described, weights  # noqa: E402 - these need PyTorch


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, described())


@pytest.fixture
def pmg_case(tmp_path):
    return Case(tmp_path, described(**PMG))


# ---- Tensors ----


@pytest.mark.parametrize("options, first, last", [
    ({}, "conv1.weight", "fc.bias"), (PMG, "features.layer1.0.conv2.weight", "classifier_concat.4.bias")],
    ids=["resnet3d", "pmg2d"])
def test_every_wrong_tensor_is_named_with_its_shapes(tmp_path, capsys, options, first, last):
    state = weights(**options)
    missing = [name for name in state if name.endswith(("bn1.bias", last))]
    shapes = {name: list(state.pop(name).shape) for name in missing}
    found = list(state[first].shape)
    state[first] = torch.cat([state[first], state[first]], dim=1)
    state["extra.weight"] = torch.ones(3, 2)
    line = Case(tmp_path, described(**options)).add(state).refused(capsys)
    assert f"{len(missing)} missing" in line and "1 unexpected: extra.weight [3, 2]" in line
    assert all(f"{name} {shape}" in line for name, shape in shapes.items())
    doubled = [found[0], 2 * found[1], *found[2:]]
    if options:
        assert f"1 mis-shaped: {first} is {doubled}, wanted {found}" in line


def test_a_missing_block_is_a_missing_block(case, capsys):
    state = {name: value for name, value in weights().items() if not name.startswith("layer3.0.")}
    line = case.add(state).refused(capsys)
    assert "layer3.0.conv1.weight" in line and "layer3.0.bn2.running_var" in line


def test_a_backbone_of_another_depth_is_not_the_published_one(pmg_case, capsys):
    state = {name: value for name, value in weights(**PMG).items() if ".layer3.0.conv3" not in name}
    assert "features.layer3.0.conv3.weight" in pmg_case.add(state).refused(capsys)


def test_mixed_prefixes_are_not_stripped(case, capsys):
    state = weights()
    state["module.fc.bias"] = state.pop("fc.bias")
    line = case.add(state).refused(capsys)
    assert "1 missing: fc.bias [2]" in line and "1 unexpected: module.fc.bias [2]" in line


def test_a_segmentation_head_is_dropped_only_when_told(case, capsys):
    line = case.add({**weights(), "conv_seg.0.weight": torch.ones(2)}).refused(capsys)
    assert "conv_seg.0.weight [2]" in line and "--drop conv_seg" in line


def test_drop_takes_whole_names_only(case, capsys):
    assert "conv_segment.weight" in case.add({**weights(), "conv_segment.weight": torch.ones(2)}).refused(
        capsys, "--drop", "conv_seg")


@pytest.mark.parametrize("bad, named", [
    (lambda v: v.to(torch.int32), "int32"), (lambda v: v.to(torch.complex64), "complex64"), (lambda v: v > 0, "bool"),
    (lambda v: v.to(torch.float8_e4m3fn), "float8_e4m3fn"), (lambda v: v.to_sparse(), "sparse")])
def test_types_that_are_no_weights_are_refused(case, capsys, bad, named):
    state = weights()
    state["fc.weight"] = bad(state["fc.weight"])
    line = case.add(state).refused(capsys)
    assert "fc.weight" in line and named in line and "wanted float32, float16, bfloat16 or float64" in line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_values_float32_cannot_hold_are_refused(case, capsys, value):
    state = weights()
    state["layer2.0.conv1.weight"] = state["layer2.0.conv1.weight"].double()
    state["layer2.0.conv1.weight"].view(-1)[[5, 9]] = value
    assert "layer2.0.conv1.weight has 2 values not finite as float32, the first at index 5" in \
        case.add(state).refused(capsys)


def test_a_negative_variance_is_refused(case, capsys):
    state = weights()
    state["bn1.running_var"][1] = -0.5
    assert "bn1.running_var has a negative variance" in case.add(state).refused(capsys)


def test_a_self_test_that_float32_cannot_pass_is_refused(case, capsys):
    """Weights of 1e20 fit float32; what they make of an input does not."""
    state = weights()
    state["conv1.weight"] *= 1e20
    state["layer1.0.conv1.weight"] *= 1e20
    assert "in float32" in case.add(state).refused(capsys)


# ---- Guessing ----


@pytest.mark.parametrize("architecture", [{}, {"architecture": "resnet3d"}])
def test_all_that_shapes_do_not_tell_is_asked_for(case, capsys, architecture):
    case.description["network"] = architecture
    line = case.add(weights()).refused(capsys)
    for key in ("stem_stride", "stem_pool", "layer_strides", "layer_dilations", "shortcut", "activation"):
        assert re.search(rf"{key} \(MONAI: [^;]+; MedicalNet: [^;]+\)", line)
    assert "[1, 2, 2, 2]" in line and "[1, 2, 1, 1]" in line and "[1, 1, 2, 4]" in line


@pytest.mark.parametrize("key", ["stem_stride", "stem_pool", "layer_strides", "layer_dilations", "shortcut",
                                 "activation"])
def test_each_is_asked_for_alone(case, capsys, key):
    del case.description["network"][key]
    line = case.add(weights()).refused(capsys)
    assert f"{key} (MONAI: " in line and line.count("MONAI: ") == 1


def test_without_a_network_section_all_is_asked_for(case, capsys):
    del case.description["network"]
    assert "layer_dilations (MONAI" in case.add(weights()).refused(capsys)


@pytest.mark.parametrize("key, value", [
    ("stem_stride", [2, 2]), ("stem_stride", 2), ("stem_pool", 1), ("layer_strides", [1, 2, 2, 9]),
    ("layer_dilations", [1, 1, True, 1]), ("shortcut", "C"), ("activation", "gelu"), ("depth", 18)])
def test_a_wrong_answer_is_refused(case, capsys, key, value):
    case.description["network"][key] = value
    assert key in case.add(weights()).refused(capsys)


def test_a_shortcut_the_tensors_deny_is_refused(case, capsys):
    case.description["network"]["shortcut"] = "A"
    assert "unexpected: layer2.0.downsample.0.weight" in case.add(weights()).refused(capsys)
    case.description["network"]["shortcut"] = "B"
    assert "missing: layer2.0.downsample.0.weight" in Case(case.folder, case.description).add(
        weights(shortcut="A"), "a.pt").refused(capsys)


def test_the_published_network_has_nothing_to_choose(pmg_case, capsys):
    pmg_case.description["network"] = {"stem_stride": [1, 2, 2]}
    assert "network has unknown keys stem_stride" in pmg_case.add(weights(**PMG)).refused(capsys)


def test_an_architecture_the_names_deny_is_refused(case, capsys):
    case.description["network"]["architecture"] = "pmg2d"
    assert "stem_stride" in case.add(weights()).refused(capsys)
    case.description["network"] = {"architecture": "pmg2d"}
    assert "missing: features.conv1.weight [1, 3, 7, 7]" in case.refused(capsys)


def test_a_two_dimensional_resnet_is_neither(case, capsys):
    state = {name: value[:, :, 0] if value.ndim == 5 else value for name, value in weights().items()}
    assert "conv1.weight has rank 4" in case.add(state).refused(capsys)


def test_several_networks_in_one_file_are_not_chosen_from(case, capsys):
    line = case.add({"state_dict": weights(), "ema": {"model": weights(2)}}).refused(capsys)
    assert "state_dict, ema.model" in line and "--entry" in line
    assert "no network under other" in case.refused(capsys, "--entry", "other")


# ---- Files that are not what they should be ----


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True])
def test_no_code_of_a_checkpoint_runs(case, capsys, legacy):
    sign = case.folder / "code_ran"
    case.add({"state_dict": weights(), "evil": Evil(sign)}, _use_new_zipfile_serialization=not legacy)
    line = case.refused(capsys)
    assert "it wants to run posix.mkdir" in line and "nothing in it was run" in line
    assert not sign.exists()
    torch.load(case.paths[0], weights_only=False)
    assert sign.exists()


def test_a_whole_module_is_refused(case, capsys):
    assert "torch.nn.modules.linear.Linear" in case.add(torch.nn.Linear(2, 2)).refused(capsys)


@pytest.mark.parametrize("content, said", [
    (b"", "neither a PyTorch checkpoint nor safetensors"), (b"hello", "neither"),
    (b"PK\x03\x04 not a zip", "nothing in it"),
    (b"\x80\x02 not a pickle", "nothing in it"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
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
    case.add({**weights(), "extra": torch.ones(1)}).refused(capsys)
    assert case.out.read_text() == "another"


def test_names_with_control_characters_reach_no_terminal(case, capsys):
    line = case.add({**weights(), "evil\n\x1b[31m.weight": torch.ones(1)}).refused(capsys)
    assert "\x1b" not in line and "?[31m.weight" in line


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
    ("d.yaml", "!!python/object/apply:os.getcwd []", "is not YAML")])
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


# ---- The program ----


def test_as_a_program_it_ends_with_2_and_one_line(case):
    done = case.run(*case.add({"epoch": 1}).arguments())
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("convert.py: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["a.pt"], ["a.pt", "--description", "d", "--out", "o", "--depth", "3"]])
def test_a_wrong_command_line_is_one_line_too(case, arguments):
    done = case.run(*arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


def test_as_a_program_it_writes_a_model(case):
    done = case.run(*case.add(weights()).arguments())
    assert done.returncode == 0 and done.stderr == "" and "sha256 " in done.stdout
    assert make_model.read_safetensors(case.out)[1]["name"] == case.description["name"]


def test_help_needs_no_pytorch(case):
    (case.folder / "torch.py").write_text("raise ImportError('no torch')")
    done = case.run("--help", PYTHONPATH=str(case.folder))
    assert done.returncode == 0 and "--description" in done.stdout
    done = case.run(*case.add(weights()).arguments(), PYTHONPATH=str(case.folder))
    assert done.returncode == 2 and "no torch" in done.stderr and done.stderr.count("\n") == 1
