"""Checkpoints as they are found: what is around a network, before its names, and in their place. Real makers' files:
test_convert_makers.py."""

from collections import OrderedDict

import numpy as np
import pytest

import make_model
from checkpoint_maker import WRITERS, Call, Global, module, whole, write_zip
from convert_case import PMG, Case, described, weights


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, described())


def assert_network(tensors, seed=1):
    """All of it, and nothing else."""
    wanted = {name: value for name, value in weights(seed).items() if "num_batches" not in name}
    assert set(tensors) == set(wanted)
    assert all(np.array_equal(tensors[name], value) for name, value in wanted.items())


def under(prefix, state=None):
    return {prefix + name: value for name, value in (state or weights()).items()}


# ---- Around it ----

LIGHTNING = {
    "epoch": 3, "pytorch-lightning_version": "2.6.0",
    "hyper_parameters": {"loss": Call(Global("torch.nn.modules.loss", "CrossEntropyLoss"), (), {}, opcode=b"\x81"),
                         "net": Global("monai.networks.nets.resnet", "ResNet"),
                         "path": Call(Global("pathlib", "PosixPath"), ("/", "data"))},
    "callbacks": {"EarlyStopping": {"best": Call(Global("numpy.core.multiarray", "scalar"), (
        Call(Global("numpy", "dtype"), ("f8", False, True), (3, "<", None, None, None, -1, -1, 0)), b"\0" * 8))}},
}
WRAPPED = {
    "lightning": lambda state: {**LIGHTNING, "state_dict": OrderedDict(under("net.", state))},
    "whole": whole, "whole in a dictionary": lambda state: {"net": whole(state), "epoch": 3},
    "whole in DataParallel": lambda state: module("torch.nn.parallel.DataParallel", modules=[("module", whole(state))]),
    "compiled": lambda state: module("torch._dynamo.OptimizedModule", modules=[("_orig_mod", whole(state))]),
    "in a trainer": lambda state: Call(Global("train", "Trainer"), (), {"model": whole(state), "epoch": 3},
                                       opcode=b"\x81"),
    "a class of dictionaries": lambda state: {"state": Call(Global("addict", "Dict"), (), None, state, opcode=b"\x81")},
    "deep": lambda state: {"a": {"b": {"c": {"d": state}}}},
    "a pair": lambda state: (state, 3),
    "a whole one in a list": lambda state: {"nets": [whole(state)], "loss": [0.5, 0.4]},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_around_a_network_is_passed(case, wrap, kind):
    WRITERS[kind](case.at(), wrap(weights()))
    assert_network(case.convert()[0])


def test_a_whole_network_is_read_in_the_order_of_its_state_dict(case):
    case.add(whole(weights()))
    assert list(case.convert()[0]) == [name for name in weights() if "num_batches" not in name]


def test_buffers_that_a_state_dict_leaves_out_stay_behind(case):
    state = weights()
    net = whole(state)
    net.state["_buffers"]["window"] = np.ones(3, np.float32)
    net.state["_non_persistent_buffers_set"] = Call(Global("__builtin__", "set"), (["window"],))
    assert_network(case.add(net).convert()[0])


def test_the_published_network_saved_whole(tmp_path):
    case = Case(tmp_path, described(**PMG)).add(whole(weights(**PMG), "model.PMG"))
    tensors, _ = case.convert()
    assert np.array_equal(tensors["conv_block2.1.bn.bias"], weights(**PMG)["conv_block2.1.bn.bias"])
    assert not any(name.startswith("features.fc.") for name in tensors)


# ---- Before its names ----


@pytest.mark.parametrize("prefix", ["resnet.", "module.resnet.", "_forward_module.model.", "trunk.", "a.b.c.",
                                    "model._orig_mod.", "features."])
def test_whatever_all_names_begin_with_is_stripped(case, prefix):
    assert_network(case.add(under(prefix)).convert()[0])


@pytest.mark.parametrize("wrapper", ["_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod"])
def test_wrappers_of_pytorch_within_names_are_stripped(case, wrapper):
    state = {name.replace("layer1.0.", f"layer1.0.{wrapper}."): value for name, value in weights().items()}
    assert_network(case.add(under(f"{wrapper}.", state)).convert()[0])


def test_an_averaged_models_counter_is_left_out(case, capsys):
    case.add({**under("module."), "n_averaged": np.array(7, np.int64)})
    assert_network(case.convert()[0])
    assert "left out, never read: n_averaged" in capsys.readouterr().out


@pytest.mark.parametrize("others, options", [
    (["criterion.weight"], "--drop criterion leaves it out"),
    (["criterion.weight", "val_auc.preds", "val_auc.target"], "--drop criterion --drop val_auc leaves them out")])
def test_names_that_block_a_prefix_are_told_with_the_option(case, capsys, others, options):
    case.add({"state_dict": {**under("model."), **{name: np.ones(2, np.float32) for name in others}}})
    line = case.refused(capsys)
    assert "the network's names begin with model." in line and ", ".join(others) in line and options in line
    more = [option for name in others for option in ("--drop", name.split(".")[0])]
    assert_network(case.convert(*more)[0])


def test_of_a_running_average_beside_the_model_one_is_asked_for(case, capsys):
    case.add({"state_dict": {**under("model."), **under("ema_model.", weights(2))}})
    line = case.refused(capsys)
    assert "holds several networks: state_dict.model, state_dict.ema_model; choose one with --entry" in line
    assert_network(case.convert("--entry", "state_dict.ema_model")[0], seed=2)
    assert_network(case.convert("--entry", "state_dict.model")[0])
    assert_network(case.convert("--drop", "ema_model")[0])


def test_of_several_in_a_list_one_is_asked_for(case, capsys):
    case.add({"folds": [weights(), weights(2)]})
    assert "holds several networks: folds.0, folds.1; choose one with --entry" in case.refused(capsys)
    assert_network(case.convert("--entry", "folds.1")[0], seed=2)


def test_one_network_may_have_no_prefix(case, capsys):
    case.add({**weights(), **under("ema.", weights(2))})
    assert "holds several networks: the file itself, ema;" in case.refused(capsys)
    assert_network(case.convert("--entry", "ema")[0], seed=2)
    assert_network(case.convert("--entry", "")[0])
    assert_network(case.convert("--drop", "ema")[0])


def test_several_published_networks_are_named_without_features(tmp_path, capsys):
    case = Case(tmp_path, described(**PMG))
    case.add({**under("model.", weights(**PMG)), **under("ema_model.", weights(2, **PMG))})
    assert "several networks: model, ema_model;" in case.refused(capsys)


# ---- Heads ----


def with_head(layer, state=None):
    return {name.replace("fc.", f"{layer}.") if name.startswith("fc.") else name: value
            for name, value in (state or weights()).items()}


@pytest.mark.parametrize("layer", ["classifier", "fc.1", "classifier.1", "head", "head.fc", "linear"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_one_linear_layer_is_the_head_whatever_its_name(case, capsys, layer, prefix):
    assert_network(case.add(under(prefix, with_head(layer))).convert()[0])
    assert f"{layer} is read as fc" in capsys.readouterr().out


@pytest.mark.parametrize("prefix", ["encoder.", "model.encoder.", "backbone."])
@pytest.mark.parametrize("layer", ["fc", "classifier", "fc.1"])
def test_a_head_may_stand_beside_the_encoder(case, prefix, layer):
    outer = prefix.rpartition(".")[0].rpartition(".")[0]
    outer = outer and outer + "."
    state = weights()
    head = {outer + name.replace("fc.", f"{layer}."): state.pop(name) for name in ("fc.weight", "fc.bias")}
    assert_network(case.add({**under(prefix, state), **head}).convert()[0])


def test_two_heads_are_not_chosen_from(case, capsys):
    state = {**under("encoder."), **{f"classifier.{part}": weights()[f"fc.{part}"] for part in ("weight", "bias")}}
    assert "unexpected: classifier.weight [2, 32], classifier.bias [2]" in case.add(state).refused(capsys)
    assert_network(case.convert("--drop", "encoder.fc")[0])
    capsys.readouterr()
    state = under("encoder.", weights(2))
    state.update({f"fc.{part}": weights()[f"fc.{part}"] for part in ("weight", "bias")})
    line = Case(case.folder, case.description).add(state, "b.pt").refused(capsys)
    assert "encoder.fc.weight and fc.weight would both be fc.weight" in line and "--drop" in line


def test_a_head_of_several_layers_is_not_one(case, capsys):
    state = with_head("classifier.3")
    state["classifier.0.weight"] = np.ones((32, 32), np.float32)
    assert "classifier is not one linear layer" in case.add(state).refused(capsys)


def a_head(seed=1):
    return {name: value for name, value in weights(seed).items() if name.startswith("fc.")}


def a_backbone(seed=1):
    return {name: value for name, value in weights(seed).items() if not name.startswith("fc.")}


HEADS = {
    "of its own": a_head(), "bare": {name.removeprefix("fc."): value for name, value in a_head().items()},
    "wrapped": {"state_dict": {f"cox.{name[3:]}": value for name, value in a_head().items()}, "epoch": 3},
    "a whole layer": module("torch.nn.modules.linear.Linear", [(k[3:], v) for k, v in a_head().items()]),
    "of a network": {"state_dict": under("model.")},
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_comes_from_another_file(case, head):
    write_zip(case.folder / "head.pt", head)
    assert_network(case.add(under("encoder.", a_backbone())).convert("--head", case.folder / "head.pt")[0])


def test_a_head_comes_from_safetensors_for_one_member_or_all(case, capsys):
    for seed in (1, 2):
        make_model.write_safetensors(case.folder / f"{seed}.safetensors", a_head(seed))
        case.add(a_backbone(seed))
    one, two = (case.folder / f"{seed}.safetensors" for seed in (1, 2))
    tensors, _ = case.convert("--head", one, "--head", two)
    assert np.array_equal(tensors["fold1.fc.weight"], weights(2)["fc.weight"])
    tensors, _ = case.convert("--head", one)
    assert np.array_equal(tensors["fold1.fc.weight"], weights()["fc.weight"])
    capsys.readouterr()
    assert "3 heads, wanted one, or one for each of 2" in case.refused(capsys, *["--head", one] * 3)


@pytest.mark.parametrize("head, said", [
    ({"x": np.ones(3, np.float32)}, "holds no linear layer, wanted one"), ([1], "no linear layer"),
    ({f"{layer}.weight": np.ones((2, 32), np.float32) for layer in "ab"}, "holds a, b, wanted one linear layer"),
    ({"fc.weight": np.ones((2, 33), np.float32), "fc.bias": np.ones(2, np.float32)}, "fc.weight is [2, 33], wanted"),
    ({"fc.weight": np.ones((2, 32), np.float32)}, "1 missing: fc.bias [2]")])
def test_a_head_that_is_none_is_refused(case, capsys, head, said):
    write_zip(case.folder / "head.pt", head)
    assert said in case.add(a_backbone()).refused(capsys, "--head", case.folder / "head.pt")


def test_a_second_head_is_refused(case, capsys):
    write_zip(case.folder / "head.pt", a_head(2))
    line = case.add(weights()).refused(capsys, "--head", case.folder / "head.pt")
    assert "has a head, fc.bias, fc.weight, and --head" in line and "--drop fc leaves its own out" in line
    tensors, _ = case.convert("--head", case.folder / "head.pt", "--drop", "fc")
    assert np.array_equal(tensors["fc.bias"], weights(2)["fc.bias"])


# ---- In place of its names ----


def by_torchvision(state):
    def theirs(name):
        first, *rest = name.split(".")
        if first in ("conv1", "bn1"):
            return ".".join(["stem", "0" if first == "conv1" else "1", *rest])
        for kind, index in (("conv", "0"), ("bn", "1")):
            if len(rest) > 1 and rest[1].startswith(kind):
                return ".".join([first, rest[0], f"conv{rest[1][-1]}", index, *rest[2:]])
        return name
    return {theirs(name): value for name, value in state.items()}


@pytest.mark.parametrize("prefix", ["", "model."])
def test_torchvisions_video_names_are_known(case, capsys, prefix):
    state = by_torchvision(weights())
    assert "layer1.0.conv2.1.running_mean" in state and "stem.0.weight" in state
    assert_network(case.add(under(prefix, state)).convert()[0])
    assert "names of torchvision's video networks" in capsys.readouterr().out


def test_other_video_networks_of_torchvision_are_refused(case, capsys):
    state = by_torchvision(weights())
    state["layer1.0.conv1.0.0.weight"] = state.pop("layer1.0.conv1.0.weight")
    assert "missing: layer1.0.conv1.weight" in case.add(state).refused(capsys)


def test_names_are_changed_as_told(case):
    state = {name.replace("layer1.", "stage1.").replace("conv1.weight", "first") if "." in name else name: value
             for name, value in weights().items()}
    case.add(under("net.", state))
    assert "stage1.0.first" in state and "first" in state
    tensors, _ = case.convert("--rename", "stage1=layer1", "--rename", "net.first=net.conv1.weight",
                              *(o for i in range(1, 5) for o in (
                                  "--rename", f"layer{i}.0.first=layer{i}.0.conv1.weight")))
    assert_network(tensors)


def test_a_prefix_goes_as_told(case):
    state = weights()
    state["odd.fc.bias"] = state.pop("fc.bias")
    assert_network(case.add(state).convert("--rename", "odd=")[0])


@pytest.mark.parametrize("renaming, said", [
    ("fc.bias=fc.weight", "would both be fc.weight"), ("nothing=fc", "--rename nothing=fc finds no tensor here"),
    ("fc", "wanted OLD=NEW"), ("=fc", "wanted OLD=NEW"), ("fc=stage", "has no tensor fc.*")])
def test_a_renaming_that_will_not_do_is_refused(case, capsys, renaming, said):
    assert said in case.add(weights()).refused(capsys, "--rename", renaming)


def test_what_lacks_names_is_told_of_renaming(case, capsys):
    state = {name.replace("layer1.0.bn1.", "layer1.0.norm1."): value for name, value in weights().items()}
    state = {f"x.{name}" if name.startswith("layer4") else name: value for name, value in state.items()}
    assert "--rename OLD=NEW" in case.add(state).refused(capsys)
