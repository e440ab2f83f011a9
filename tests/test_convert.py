"""Converting checkpoints: the model file holds the same numbers, whatever the checkpoint was wrapped in."""

import hashlib
import json
import stat

import numpy as np
import pytest

import convert_case
import make_model
import numpy_resnet
from checkpoint_maker import Tensor
from cli_program import answer, needs_program
from convert_case import MEDICALNET, PMG, Case, described, weights
from deeptepp import convert

NETWORKS = {"resnet3d": {}, "medicalnet": MEDICALNET, "pmg2d": PMG}
each_network = pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)


def case_of(tmp_path, **options):
    return Case(tmp_path, described(**options))


def as_float32(tensors):
    return {name: value.astype(np.float32) for name, value in tensors.items() if "num_batches" not in name}


def logits(description, tensors, view):
    """By the tests' own networks, float64, heads summed; view: (channels, depth, height, width)."""
    return make_model.logits(description["network"], tensors, view)


def self_test_view(description):
    shape = (len(description["input"]["channels"]), *description["input"]["size"])
    return numpy_resnet.self_test_input(description["self_test"]["seed"], shape)


# ---- The same numbers ----


@each_network
@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".legacy.pth"])
def test_the_logits_stay_the_same(tmp_path, options, suffix):
    case, state = case_of(tmp_path, **options), weights(**options)
    if suffix == ".safetensors":
        make_model.write_safetensors(case.at("checkpoint.safetensors"), state)
    else:
        case.add(state, f"checkpoint{suffix}", legacy=suffix == ".legacy.pth")
    tensors, description = case.convert()
    view = self_test_view(description)
    assert np.array_equal(logits(description, tensors, view), logits(description, as_float32(state), view))


@each_network
def test_tensors_keep_their_values_and_the_unused_stay_behind(tmp_path, options):
    state = weights(**options)
    tensors, _ = case_of(tmp_path, **options).add(state).convert()
    read = {name for name in state if "num_batches" not in name and not name.startswith("features.fc.")}
    assert set(tensors) == read
    assert all(np.array_equal(tensors[name], state[name]) for name in read)


@each_network
def test_the_self_test_score_is_that_of_the_tests_own_network(tmp_path, options):
    tensors, description = case_of(tmp_path, **options).add(weights(**options)).convert()
    wanted = logits(description, tensors, self_test_view(description))[1]
    assert description["self_test"]["score"] == pytest.approx(wanted, rel=1e-8)


def test_softmax_is_of_the_summed_heads(tmp_path):
    case = case_of(tmp_path, **PMG)
    case.description["score"] = {"rule": "softmax", "class": 0}
    tensors, description = case.add(weights(**PMG)).convert()
    row = logits(description, tensors, self_test_view(description))
    assert description["self_test"]["score"] == pytest.approx(np.exp(row[0]) / np.exp(row).sum(), rel=1e-8)


@pytest.mark.parametrize("options", [
    {"depth": 50, "shortcut": "A"}, {"depth": 18, "downsample_bias": True, **MEDICALNET},
    {"stem_kernel": (3, 5, 7), "stem_stride": (1, 2, 2), "pool": False, "classes": 3, "channels": ("pre", "post")},
    {"layer_strides": (2, 1, 3, 1), "activation": "elu"}, {"activation": "leaky_relu", "shortcut": "A", **MEDICALNET},
    {"stem_activation": "leaky_relu", "pool": False}, {"stem_activation": "relu", "activation": "elu", "pool": False}],
    ids=["A 50", "medicalnet bias", "stem", "strides elu", "A leaky", "leaky stem", "elu blocks"])
def test_every_option_of_resnet3d_is_understood(tmp_path, options):
    tensors, description = case_of(tmp_path, **options).add(weights(**options)).convert()
    wanted = logits(description, tensors, self_test_view(description))[1]
    assert description["self_test"]["score"] == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("depth", [34, 50, 101, 152, 200])
def test_every_published_depth_is_taken(tmp_path, depth):
    options = {"depth": depth, "width": 2, "size": 8}
    tensors, _ = case_of(tmp_path, **options).add(weights(**options)).convert()
    block, layers = make_model.DEPTHS[depth]
    last = layers[2] - 1
    assert f"layer3.{last}.conv2.weight" in tensors and f"layer3.{last + 1}.conv2.weight" not in tensors
    assert (f"layer3.{last}.conv3.weight" in tensors) == (block == "bottleneck")


@pytest.mark.parametrize("others", [MEDICALNET, {"stem_activation": "elu"}, {"activation": "elu"}],
                         ids=["medicalnet", "stem", "blocks"])
def test_one_state_dict_is_two_networks(tmp_path, others):
    """The same names, the same shapes, another score."""
    scores = []
    for i, options in enumerate(({"pool": False}, {"pool": False, **others})):
        (tmp_path / str(i)).mkdir()
        _, description = case_of(tmp_path / str(i), **options).add(weights()).convert()
        scores.append(description["self_test"]["score"])
    assert abs(scores[0] - scores[1]) > 1e-3


# ---- What checkpoints are wrapped in ----


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.",
                                    "module._orig_mod.", "model.net.module.", "model.model."])
def test_known_prefixes_are_stripped(tmp_path, prefix):
    state = weights()
    tensors, _ = case_of(tmp_path).add({prefix + name: value for name, value in state.items()}).convert()
    assert np.array_equal(tensors["conv1.weight"], state["conv1.weight"])


def test_a_prefix_of_pmg2d_is_stripped(tmp_path):
    tensors, _ = case_of(tmp_path, **PMG).add({f"module.{k}": v for k, v in weights(**PMG).items()}).convert()
    assert "features.conv1.weight" in tensors


@pytest.mark.parametrize("wrap", [
    lambda state: {"state_dict": state, "epoch": 7, "optimizer": {"state": {0: {"exp_avg": np.ones(3)}}}},
    lambda state: {"model": state, "loss": 0.25}, lambda state: {"model": {"state_dict": state}},
    lambda state: {"checkpoint": {"net": {f"module.{name}": value for name, value in state.items()}}}],
    ids=["state_dict", "model", "both", "another name"])
def test_wrappers_are_opened(tmp_path, wrap):
    state = weights()
    tensors, _ = case_of(tmp_path).add(wrap(state)).convert()
    assert np.array_equal(tensors["fc.weight"], state["fc.weight"])


def test_one_of_several_networks_is_chosen_by_name(tmp_path):
    state = weights(seed=2)
    case = case_of(tmp_path).add({"model": weights(), "ema": {"state_dict": state}})
    tensors, _ = case.convert("--entry", "ema.state_dict")
    assert np.array_equal(tensors["fc.weight"], state["fc.weight"])


@pytest.mark.parametrize("prefix, head", [("", "conv_seg"), ("module.", "module.conv_seg"), ("module.", "conv_seg")])
def test_a_head_is_left_out_by_name(tmp_path, prefix, head):
    named = {f"module.{name}": value for name, value in weights().items()}
    tensors, _ = case_of(tmp_path).add({**named, f"{prefix}conv_seg.0.weight": np.ones(2)}).convert("--drop", head)
    assert "fc.weight" in tensors and not any("conv_seg" in name for name in tensors)


# ---- Types ----


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_types_are_kept(tmp_path, dtype):
    state = {name: value.astype(dtype) if value.dtype == np.float32 else value for name, value in weights().items()}
    tensors, description = case_of(tmp_path).add(state).convert()
    assert stored_types(tmp_path / "model.safetensors") == {{"float16": "F16", "float64": "F64"}[dtype]}
    wanted = logits(description, as_float32(state), self_test_view(description))[1]
    assert description["self_test"]["score"] == pytest.approx(wanted, rel=1e-8)


def test_bfloat16_is_kept(tmp_path):
    state = {name: make_model.to_bf16(value) for name, value in weights().items() if "num_batches" not in name}
    stored = {name: Tensor(bits, "BFloat16Storage") for name, bits in state.items()}
    tensors, description = case_of(tmp_path).add(stored).convert()
    assert stored_types(tmp_path / "model.safetensors") == {"BF16"}
    rounded = {name: make_model.from_bf16(bits) for name, bits in state.items()}
    assert all(np.array_equal(tensors[name], rounded[name]) for name in rounded)
    wanted = logits(description, rounded, self_test_view(description))[1]
    assert description["self_test"]["score"] == pytest.approx(wanted, rel=1e-8)


def stored_types(path):
    data = path.read_bytes()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    return {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}


def test_views_of_a_storage_are_their_values(tmp_path):
    state, base = weights(), np.random.default_rng(1).random((4, 3)).astype(np.float32)
    state["bn1.weight"] = state["bn1.bias"] = Tensor(base, offset=1, shape=(4,), strides=(3,))
    tensors, _ = case_of(tmp_path).add(state).convert()
    assert np.array_equal(tensors["bn1.weight"], base[:, 1]) and np.array_equal(tensors["bn1.bias"], base[:, 1])


# ---- Members ----


def members_case(tmp_path, count, **options):
    case = case_of(tmp_path, **options)
    for seed in range(count):
        case.add(weights(seed, **options))
    return case


@each_network
def test_members_stand_under_their_prefixes_and_the_score_is_their_mean(tmp_path, options):
    tensors, description = members_case(tmp_path, 2, **options).convert()
    assert description["network"]["members"] == ["fold0.", "fold1."]
    view = self_test_view(description)
    scores = [logits(description, own, view)[1] for _, own in make_model.member_tensors(description, tensors)]
    assert scores[0] != scores[1]
    assert description["self_test"]["score"] == pytest.approx(np.mean(scores), rel=1e-8)


def test_members_have_the_names_the_description_gives(tmp_path):
    case = members_case(tmp_path, 2)
    case.description["network"]["members"] = ["a/", "b/"]
    tensors, description = case.convert()
    assert description["network"]["members"] == ["a/", "b/"]
    assert {name[:2] for name in tensors} == {"a/", "b/"}


# ---- The file ----


def test_what_the_description_says_is_kept(tmp_path):
    case = case_of(tmp_path)
    case.description["self_test"] = {"seed": 77, "tolerance": 0.001}
    _, description = case.add(weights()).convert()
    assert {key: description[key] for key in case.description if key not in ("network", "self_test")} == \
        {key: value for key, value in case.description.items() if key not in ("network", "self_test")}
    assert description["schema"] == 1 and description["network"]["architecture"] == "resnet3d"
    assert description["self_test"]["seed"] == 77 and description["self_test"]["tolerance"] == 0.001


def test_the_same_input_gives_the_same_bytes(tmp_path):
    case = case_of(tmp_path).add(weights())
    case.convert()
    first = case.out.read_bytes()
    case.convert()
    assert case.out.read_bytes() == first


def test_the_summary_names_network_members_and_digest(tmp_path, capsys):
    members_case(tmp_path, 2).convert()
    printed = capsys.readouterr().out
    digest = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert "resnet3d, 2 members" in printed and printed.rstrip().endswith(f"sha256 {digest}")


def test_others_may_read_the_file_as_the_umask_says(tmp_path):
    case = case_of(tmp_path).add(weights())
    case.convert()
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(case.out.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_norm_eps_is_asked_for_and_not_written(tmp_path):
    case = case_of(tmp_path).add(weights())
    assert case.description["network"]["norm_eps"] == 1e-5
    _, description = case.convert()
    assert "norm_eps" not in description["network"] and "activation" in description["network"]


def test_provenance_and_usual_ranges_go_through(tmp_path):
    case = case_of(tmp_path).add(weights())
    case.description["provenance"] = {"software": "a trainer", "data.sha256": "0a1b"}
    case.description["input"]["usual"] = {"mask_ml": [0.5, 60], "intensity": [[-3, 250.5]]}
    _, model = case.convert()
    assert model["provenance"] == case.description["provenance"]
    assert model["input"]["usual"] == case.description["input"]["usual"]


def test_a_number_without_a_point_is_one_in_yaml_too(tmp_path):
    """To PyYAML, 1e-5 is text."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not here")
    case = case_of(tmp_path).add(weights())
    case.description["self_test"] = {"tolerance": 1e-3}
    text = yaml.safe_dump(case.description)
    assert "norm_eps: 1.0e-05" in text and "tolerance: 0.001" in text
    path = tmp_path / "description.yaml"
    path.write_text(text.replace("1.0e-05", "1e-5").replace("0.001", "1e-3"))
    assert convert.main([str(case.paths[0]), "--description", str(path), "--out", str(case.out)]) == 0
    assert make_model.read_safetensors(case.out)[1]["self_test"]["tolerance"] == 0.001


def test_yaml_says_the_same_as_json(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not here")
    case = case_of(tmp_path).add(weights())
    _, wanted = case.convert()
    described_at = tmp_path / "description.yaml"
    described_at.write_text(yaml.safe_dump(case.description))
    assert convert.main([str(case.paths[0]), "--description", str(described_at), "--out", str(case.out)]) == 0
    assert make_model.read_safetensors(case.out)[1] == wanted


# ---- The library ----


@needs_program
@each_network
@pytest.mark.parametrize("count", [1, 2])
def test_the_library_passes_the_self_test(tmp_path, options, count):
    case = members_case(tmp_path, count, **options)
    case.convert()
    assert "pass" in answer("selftest", "--model", case.out)


def test_the_programs_networks_are_not_the_tests_own():
    """Two implementations, or comparing them would prove nothing."""
    for path in convert_case.FOLDER.glob("*.py"):
        text = path.read_text()
        assert not any(name in text for name in ("reference_", "numpy_pmg", "numpy_resnet", "make_model"))


def test_the_documented_description_is_one(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not here")
    document = convert_case.DOCUMENT.read_text()
    (tmp_path / "d.yaml").write_text(document.split("```yaml\n")[1].split("```")[0])
    case = Case(tmp_path, {}).add(weights(**PMG))
    assert convert.main([str(case.paths[0]), "--description", str(tmp_path / "d.yaml"), "--out", str(case.out)]) == 0
    _, description = make_model.read_safetensors(case.out)
    assert description["version"] == "1.0" and len(description["input"]["angles_deg"]) == 10
    assert yaml.safe_load((tmp_path / "d.yaml").read_text()).items() <= description.items()


def test_the_documented_values_of_monai_and_medicalnet_are_the_programs():
    from deeptepp.convert import _description as description

    document = convert_case.DOCUMENT.read_text()
    for key, (_, medicalnet) in description.UNTOLD.items():
        (row,) = [line for line in document.splitlines() if line.startswith(f"| `{key}` |")]
        assert medicalnet in row
    assert all(text in document for text in ("`leaky_relu` with slope 0.01", "`elu` with alpha 1"))
