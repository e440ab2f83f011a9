"""What converting refuses of tensors: one line that names all that is wrong, exit code 2, no file. Files and
descriptions: test_convert_files.py."""

import re

import numpy as np
import pytest

import make_model
from checkpoint_maker import Call, Global, Tensor
from convert_case import PMG, Case, described, weights


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, described())


@pytest.fixture
def pmg_case(tmp_path):
    return Case(tmp_path, described(**PMG))


def ones(*shape):
    return np.ones(shape, np.float32)


def without(state, start):
    return {name: value for name, value in state.items() if not name.startswith(start)}


# ---- Tensors ----


@pytest.mark.parametrize("options, first, last", [
    ({}, "conv1.weight", "fc.bias"), (PMG, "features.layer1.0.conv2.weight", "classifier_concat.4.bias")],
    ids=["resnet3d", "pmg2d"])
def test_every_wrong_tensor_is_named_with_its_shapes(tmp_path, capsys, options, first, last):
    state = weights(**options)
    missing = [name for name in state if name.endswith(("bn1.bias", last))]
    shapes = {name: list(state.pop(name).shape) for name in missing}
    found = list(state[first].shape)
    state[first] = np.concatenate([state[first], state[first]], axis=1)
    state["extra.weight"] = ones(3, 2)
    line = Case(tmp_path, described(**options)).add(state).refused(capsys)
    assert f"{len(missing)} missing" in line and "1 unexpected: extra.weight [3, 2]" in line
    assert all(f"{name} {shape}" in line for name, shape in shapes.items())
    doubled = [found[0], 2 * found[1], *found[2:]]
    if options:
        assert f"1 mis-shaped: {first} is {doubled}, wanted {found}" in line


def test_a_missing_block_is_a_missing_block(case, capsys):
    line = case.add(without(weights(), "layer3.0.")).refused(capsys)
    assert "layer3.0.conv1.weight" in line and "layer3.0.bn2.running_var" in line


@pytest.mark.parametrize("depth, block, wanted", [
    (10, "layer4.0.", "1, 1, 1, 0 basic"), (18, "layer4.1.", "2, 2, 2, 1 basic"), (34, "layer3.2.", "3, 4, 5, 3 basic"),
    (50, "layer3.5.", "3, 4, 5, 3 bottleneck"), (50, "layer4.2.", "3, 4, 6, 2 bottleneck")])
def test_a_backbone_that_lacks_a_block_is_not_a_shallower_one(tmp_path, capsys, depth, block, wanted):
    case = Case(tmp_path, described(depth=depth))
    line = case.add(without(weights(depth=depth), block)).refused(capsys)
    assert f"layers 1 to 4 have {wanted} blocks, wanted " in line and f"{block}bn1.weight [" in line
    known = ("3, 4, 6, 3 (ResNet-34)",) if "basic" in wanted else ("3, 4, 23, 3 (ResNet-101)", "(ResNet-200)")
    assert all(text in line for text in known) and "mis-shaped" not in line


def test_a_block_too_many_is_refused(case, capsys):
    state = weights()
    state.update({name.replace("layer1.0.", "layer1.1."): v for name, v in state.items() if name.startswith("layer1.")})
    line = case.add(state).refused(capsys)
    assert "have 2, 1, 1, 1 basic blocks" in line and "unexpected: layer1.1.conv1.weight [4, 4, 3, 3, 3]" in line


def test_blocks_must_be_numbered_without_a_gap(tmp_path, capsys):
    state = {name.replace("layer2.1.", "layer2.2."): value for name, value in weights(depth=18).items()}
    line = Case(tmp_path, described(depth=18)).add(state).refused(capsys)
    assert "missing: layer2.1.conv1.weight" in line and "unexpected: layer2.2.conv1.weight" in line


def test_one_tensor_makes_no_other_type_of_block(tmp_path, capsys):
    for i, (depth, change) in enumerate([(18, "extra"), (50, "less")]):
        state, name = weights(depth=depth), "layer2.1.conv3.weight"
        state = {**state, name: ones(3)} if change == "extra" else without(without(state, name), "layer2.1.bn3.")
        line = Case(tmp_path, described(depth=depth)).add(state, f"{i}.pt").refused(capsys)
        said = f"1 unexpected: {name} [3]" if change == "extra" else f"5 missing: {name} [32, 8, 1, 1, 1], layer2.1.bn3"
        assert said in line and "blocks, wanted" not in line and "mis-shaped" not in line


@pytest.mark.parametrize("block", ["layer3.5.", "layer1.0.", "layer4.2."])
def test_a_backbone_of_another_depth_is_not_the_published_one(pmg_case, capsys, block):
    state = weights(**PMG)
    missing = [name for name in state if name.startswith(f"features.{block}") and "num_batches" not in name]
    line = pmg_case.add(without(state, f"features.{block}")).refused(capsys)
    assert re.search(rf"{len(missing)} missing: ", line) and all(f"{name} [" in line for name in missing)
    assert "mis-shaped" not in line and "unexpected" not in line


def test_a_deeper_backbone_is_not_the_published_one(pmg_case, capsys):
    state = weights(**PMG)
    state.update({name.replace(".layer3.5.", ".layer3.6."): v for name, v in state.items() if ".layer3.5." in name})
    assert "15 unexpected: features.layer3.6.conv1.weight [32, 128, 1, 1]" in pmg_case.add(state).refused(capsys)


def test_a_bottleneck_without_its_third_convolution_is_none(pmg_case, capsys):
    state = without(without(weights(**PMG), "features.layer3.0.conv3."), "features.layer3.0.bn3.")
    assert "5 missing: features.layer3.0.conv3.weight [128, 32, 1, 1]" in pmg_case.add(state).refused(capsys)


def test_what_no_tensor_tells_is_no_number(case, capsys):
    line = case.add(without(without(weights(), "layer1.0.conv1."), "layer1.0.bn1.")).refused(capsys)
    assert "missing: layer1.0.conv1.weight [?, 4, 3, 3, 3], layer1.0.bn1.weight [?]" in line
    assert "mis-shaped" not in line
    assert case.run(*case.arguments()).stderr.count("\n") == 1


def test_what_may_not_be_there_is_not_missed(case, capsys):
    line = case.add(without(weights(), "layer1.0.")).refused(capsys)
    assert "10 missing: layer1.0.conv1.weight" in line and "downsample" not in line and "mis-shaped" not in line


def test_heads_of_unknown_width_are_not_compared(pmg_case, capsys):
    line = pmg_case.add(without(weights(**PMG), "conv_block1.1.")).refused(capsys)
    assert "5 missing: conv_block1.1.conv.weight [?, 64, 3, 3]" in line and "mis-shaped" not in line


def test_a_dimension_of_nothing_fits_nothing(case, capsys):
    state = weights()
    state["fc.weight"], state["fc.bias"] = ones(0, 32), ones(0)
    assert "2 mis-shaped: fc.weight is [0, 32], wanted [?, 32], fc.bias is [0], wanted [?]" in \
        case.add(state).refused(capsys)


@pytest.mark.parametrize("more, drop, beside", [
    ({}, (), ""), ({"conv_seg.0.weight": ones(2)}, (), " (beside the backbone there is conv_seg)"),
    ({"conv_seg.0.weight": ones(2)}, ("--drop", "conv_seg"), "")])
def test_a_backbone_without_its_classifier_cannot_score(case, capsys, more, drop, beside):
    state = {f"module.{name}": value for name, value in {**without(weights(), "fc."), **more}.items()}
    line = case.add({"state_dict": state}).refused(capsys, *drop)
    assert f"has no tensor fc.*{beside}: a backbone without its classifier cannot score; fine-tune it with one" in line
    assert "or bring its head with --head FILE" in line and "missing" not in line and "--drop" not in line


def test_the_published_backbone_alone_cannot_score(pmg_case, capsys):
    line = pmg_case.add(without(weights(**PMG), "classifier")).refused(capsys)
    assert "has no tensor classifier*" in line and "a backbone without its classifier cannot score" in line


@pytest.mark.parametrize("name, count, holds", [
    ("act.weight", 1, "the slope"), ("act.weight", 4, "a slope for each of 4 channels"),
    ("layer1.0.act.weight", 1, "the slope")])
def test_a_prelu_is_called_one(case, capsys, name, count, holds):
    line = case.add({**weights(), name: ones(count)}).refused(capsys)
    assert f"1 unexpected: {name} [{count}] ({name} holds {holds} that a PReLU has trained: the library has no" in line
    assert "--drop" not in line


def test_other_norms_are_called_so(case, capsys):
    line = case.add(without(without(weights(), "bn1.running_mean"), "bn1.running_var")).refused(capsys)
    assert "2 missing: bn1.running_mean [4], bn1.running_var [4] (bn1 has no running statistics: the library" in line


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("names, by, instead", [
    (("weight_g", "weight_v"), "weight normalisation", "remove_weight_norm"),
    (("weight_orig", "weight_u"), "spectral normalisation", "remove_spectral_norm"),
    (("weight_orig", "weight_mask"), "pruning", "prune.remove"),
    (("parametrizations.weight.original0", "parametrizations.weight.original1"), "weight normalisation",
     "parametrize.remove_parametrizations"),
    (("parametrizations.weight.original", "parametrizations.weight.0._u"), "spectral normalisation",
     "parametrize.remove_parametrizations"),
    (("parametrizations.weight.original",), "a parametrisation", "parametrize.remove_parametrizations")])
def test_weights_that_are_computed_are_called_so(case, capsys, names, by, instead, wrapped):
    state = {**without(weights(), "conv1."), **{f"conv1.{name}": ones(4) for name in names}}
    state = {f"module.{name}": value for name, value in state.items()}
    line = case.add({"state_dict": state, "epoch": 3} if wrapped else state).refused(capsys)
    assert f"conv1.weight is computed in each run ({by}; 1 such weight)" in line
    assert f"save the network after torch.nn.utils.{instead} on each such layer" in line


def test_mixed_prefixes_are_not_stripped(case, capsys):
    state = weights()
    state["module.fc.bias"] = state.pop("fc.bias")
    line = case.add(state).refused(capsys)
    assert "1 missing: fc.bias [2]" in line and "1 unexpected: module.fc.bias [2]" in line


def test_a_segmentation_head_is_dropped_only_when_told(case, capsys):
    line = case.add({**weights(), "conv_seg.0.weight": ones(2)}).refused(capsys)
    assert "conv_seg.0.weight [2]" in line and "--drop conv_seg" in line


def test_drop_takes_whole_names_only(case, capsys):
    assert "conv_segment.weight" in case.add({**weights(), "conv_segment.weight": ones(2)}).refused(
        capsys, "--drop", "conv_seg")


@pytest.mark.parametrize("idle", ["conv_seg", "", "fc.weigh", "layer"])
def test_what_drop_does_not_find_is_named(case, capsys, idle):
    line = case.add({**weights(), "extra": ones(1)}).refused(capsys, "--drop", "extra", "--drop", idle)
    assert f"checkpoint0.pt: --drop {idle} finds no tensor here, wanted a name".replace("  ", " ") in line


def test_drop_may_find_its_tensor_in_one_checkpoint_only(case, capsys):
    case.add(weights()).add({**weights(2), "extra": ones(1)})
    assert "--drop other finds no tensor here or in the other checkpoints" in case.refused(
        capsys, "--drop", "extra", "--drop", "other")
    tensors, _ = case.convert("--drop", "extra")
    assert "fold1.fc.weight" in tensors


def rebuilt(name, *arguments):
    return Call(Global("torch._utils", name), arguments)


SHAPE = (2, 32)
ODD = {
    "int32": ones(*SHAPE).astype(np.int32), "complex64": ones(*SHAPE).astype(np.complex64), "bool": ones(*SHAPE) > 0,
    "quint8, quantised": rebuilt("_rebuild_qtensor", Global("torch", "quint8"), 0, SHAPE, (32, 1), (), False, {}),
    "float32, sparse": rebuilt("_rebuild_sparse_tensor", Global("torch", "sparse_coo"), (
        ones(2, 1).astype(np.int64), ones(1), SHAPE, True)),
    "float32, on the device meta": rebuilt("_rebuild_meta_tensor_no_storage", Global("torch", "float32"), SHAPE,
                                           (32, 1), False),
    "float32, a torch.distributed.tensor.DTensor": rebuilt(
        "_rebuild_wrapper_subclass", Global("torch.distributed.tensor", "DTensor"), Global("torch", "float32"), SHAPE),
    "stored by pickle itself": rebuilt("_rebuild_tensor_v2", Call(Global("torch.storage", "_load_from_bytes"), (b"x",)),
                                       0, SHAPE, (32, 1), False, {}),
}


@pytest.mark.parametrize("named", ODD)
def test_types_that_are_no_weights_are_refused(case, capsys, named):
    line = case.add({**weights(), "fc.weight": ODD[named]}).refused(capsys)
    if "quantised" in named:
        named = "quantised"
    assert "fc.weight is " in line and named in line and "wanted float32, float16, bfloat16 or float64" in line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_values_float32_cannot_hold_are_refused(case, capsys, value):
    state = weights()
    state["layer2.0.conv1.weight"] = state["layer2.0.conv1.weight"].astype(np.float64)
    state["layer2.0.conv1.weight"].reshape(-1)[[5, 9]] = value
    assert "layer2.0.conv1.weight has 2 values not finite as float32, the first at index 5" in \
        case.add(state).refused(capsys)


def test_a_negative_variance_is_refused(case, capsys):
    state = weights()
    state["bn1.running_var"][1] = -0.5
    assert "bn1.running_var has a negative variance" in case.add(state).refused(capsys)


@pytest.mark.parametrize("classes", [3, 2**57])
def test_more_values_than_are_stored_are_refused(case, capsys, classes):
    """A view of one element, in a file of a few bytes."""
    state = weights()
    state["fc.weight"] = Tensor(ones(1), shape=(classes, 32), strides=(0, 0))
    state["fc.bias"] = Tensor(ones(1), shape=(classes,), strides=(0,))
    assert "checkpoint0.pt: fc.weight has more values than its storage" in case.add(state).refused(capsys)


@pytest.mark.parametrize("change", [{"offset": 1}, {"strides": (32, 2)}, {"strides": (2**61, 1)}, {"offset": 2**61}])
def test_views_past_their_storage_are_refused(case, capsys, change):
    state = weights()
    state["fc.weight"] = Tensor(state["fc.weight"], **change)
    assert "checkpoint0.pt: fc.weight reaches past its storage" in case.add(state).refused(capsys)


@pytest.mark.parametrize("change", [{"offset": -1}, {"strides": (-32, 1)}, {"strides": (1,)}, {"shape": (1,) * 40}])
def test_views_that_are_none_are_refused(case, capsys, change):
    state = weights()
    state["fc.weight"] = Tensor(state["fc.weight"], **change)
    assert "no tensors: fc.weight" in case.add(state).refused(capsys)


def test_a_network_beyond_memory_is_one_line(case, capsys, monkeypatch):
    from deeptepp.convert import _model

    def logits(*rest):
        raise MemoryError("2 TB")
    monkeypatch.setattr(_model, "logits", logits)
    assert "checkpoint0.pt: memory is too short for its network as" in case.add(weights()).refused(capsys)


def test_a_self_test_that_float32_cannot_pass_is_refused(case, capsys):
    """Weights of 1e20 fit float32; what they make of an input does not."""
    state = weights()
    state["conv1.weight"] *= 1e20
    state["layer1.0.conv1.weight"] *= 1e20
    line = case.add(state).refused(capsys)
    assert "description.json: " in line and "self_test.score" in line


# ---- Guessing ----

UNTOLD = ("stem_stride", "stem_pool", "layer_strides", "layer_dilations", "shortcut", "stem_activation", "activation",
          "norm_eps")


@pytest.mark.parametrize("architecture", [{}, {"architecture": "resnet3d"}])
def test_all_that_shapes_do_not_tell_is_asked_for(case, capsys, architecture):
    case.description["network"] = architecture
    line = case.add(weights()).refused(capsys)
    for key in UNTOLD:
        assert re.search(rf"{key} \(MONAI: [^;]+; MedicalNet: [^;]+\)", line)
    assert "[1, 2, 2, 2]" in line and "[1, 2, 1, 1]" in line and "[1, 1, 2, 4]" in line
    assert "leaky_relu (slope 0.01)" in line and "elu (alpha 1)" in line


@pytest.mark.parametrize("key", UNTOLD)
def test_each_is_asked_for_alone(case, capsys, key):
    del case.description["network"][key]
    line = case.add(weights()).refused(capsys)
    assert f"{key} (MONAI: " in line and line.count("MONAI: ") == 1


def test_without_a_network_section_all_is_asked_for(case, capsys):
    del case.description["network"]
    assert "layer_dilations (MONAI" in case.add(weights()).refused(capsys)


@pytest.mark.parametrize("key, value", [
    ("stem_stride", [2, 2]), ("stem_stride", 2), ("stem_pool", 1), ("layer_strides", [1, 2, 2, 9]),
    ("layer_dilations", [1, 1, True, 1]), ("shortcut", "C"), ("activation", "gelu"), ("activation", ["relu"]),
    ("stem_activation", "leakyrelu"), ("stem_activation", None),
    ("depth", 18)])
def test_a_wrong_answer_is_refused(case, capsys, key, value):
    case.description["network"][key] = value
    assert key in case.add(weights()).refused(capsys)


@pytest.mark.parametrize("value, found", [
    (1e-3, "0.001"), (1.1e-5, "1.1e-05"), (0, "0"), (True, "true"), (None, "null"), ("1e-5", '"1e-5"')])
def test_another_norm_eps_is_another_network(case, capsys, value, found):
    case.description["network"]["norm_eps"] = value
    assert f"network.norm_eps is {found}, wanted 1e-5: the library's networks have 1e-5" in \
        case.add(weights()).refused(capsys)


def test_shortcut_a_cannot_narrow(tmp_path, capsys):
    """Zero channels can be appended, not taken away."""
    case = Case(tmp_path, described(depth=18, shortcut="A"))
    state = weights(depth=18, shortcut="A")
    state.update({name: value[:3] for name, value in state.items() if re.match(r"layer2.0.(conv2|bn2).+[a-z]$", name)
                  and "num_batches" not in name})
    line = case.add(state).refused(capsys)
    assert 'layer2.0 narrows 4 channels to 3, wanted at least 4, as network.shortcut is "A"' in line


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
    assert "missing: features.conv1.weight [?, 3, 7, 7]" in case.refused(capsys)


def test_a_two_dimensional_resnet_is_neither(case, capsys):
    state = {name: value[:, :, 0] if value.ndim == 5 else value for name, value in weights().items()}
    assert "conv1.weight has rank 4" in case.add(state).refused(capsys)


def test_several_networks_in_one_file_are_not_chosen_from(case, capsys):
    line = case.add({"state_dict": weights(), "ema": {"model": weights(2)}}).refused(capsys)
    assert "state_dict, ema.model" in line and "--entry" in line
    assert "no network under other" in case.refused(capsys, "--entry", "other")


def test_an_entry_that_is_not_there_is_named(case, capsys):
    make_model.write_safetensors(case.at("checkpoint.safetensors"), weights())
    assert "checkpoint.safetensors: no network under ema; found: the file itself" in \
        case.refused(capsys, "--entry", "ema")
