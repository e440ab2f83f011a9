"""Converting checkpoints: the model file holds the same numbers, whatever the checkpoint was wrapped in."""

import hashlib
import stat

import numpy as np
import pytest

import make_model
import numpy_resnet
from cli_program import answer, needs_program

torch = pytest.importorskip("torch", reason="PyTorch is not here")
safetensors = pytest.importorskip("safetensors.torch", reason="the safetensors package is not here")
import convert_case  # noqa: E402 - these need PyTorch
import reference_pmg  # noqa: E402
import reference_resnet  # noqa: E402
from convert_case import MEDICALNET, PMG, Case, described, weights  # noqa: E402
from convert_case import convert  # noqa: E402

NETWORKS = {"resnet3d": {}, "medicalnet": MEDICALNET, "pmg2d": PMG}
each_network = pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)


def case_of(tmp_path, **options):
    return Case(tmp_path, described(**options))


def as_numpy(tensors):
    return {name: value.to(torch.float32).numpy() for name, value in tensors.items() if "num_batches" not in name}


def logits(description, tensors, view):
    """By the tests' own networks, float64, heads summed; view: (1, channels, depth, height, width)."""
    if description["network"]["architecture"] == "pmg2d":
        return reference_pmg.heads(reference_pmg.build(tensors).double(), view)[0].sum(axis=0)
    alone = {"network": {**description["network"], "members": [""]}}
    (found,) = reference_resnet.logits(alone, tensors, view)["members"]
    return np.array(found["logits"][0])


def self_test_view(description):
    shape = (1, len(description["input"]["channels"]), *description["input"]["size"])
    return numpy_resnet.self_test_input(description["self_test"]["seed"], shape)


# ---- The same numbers ----


@each_network
@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".legacy.pth"])
def test_the_logits_stay_the_same(tmp_path, options, suffix):
    case, state = case_of(tmp_path, **options), weights(**options)
    if suffix == ".safetensors":
        case.paths = [tmp_path / "checkpoint.safetensors"]
        safetensors.save_file(state, case.paths[0])
    else:
        case.add(state, f"checkpoint{suffix}", _use_new_zipfile_serialization=suffix == ".pt")
    tensors, description = case.convert()
    view = self_test_view(description)
    assert np.array_equal(logits(description, tensors, view), logits(description, as_numpy(state), view))


@each_network
def test_tensors_keep_their_values_and_the_unused_stay_behind(tmp_path, options):
    state = weights(**options)
    tensors, _ = case_of(tmp_path, **options).add(state).convert()
    read = {name for name in state if "num_batches" not in name and not name.startswith("features.fc.")}
    assert set(tensors) == read
    assert all(np.array_equal(tensors[name], state[name].numpy()) for name in read)


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


def test_monais_resnet_scores_as_monai_does(tmp_path):
    nets = pytest.importorskip("monai.networks.nets", reason="MONAI is not here")
    torch.manual_seed(5)
    module = nets.resnet18(n_input_channels=1, num_classes=2, widen_factor=0.125).eval()
    for name, value in module.named_buffers():
        if not name.endswith("tracked"):
            value.copy_(torch.rand_like(value) + 0.5)
    case = case_of(tmp_path, stem_stride=(1, 1, 1), depth=18).add(module.state_dict())
    _, description = case.convert()
    with torch.no_grad():
        wanted = module.double()(torch.from_numpy(self_test_view(description)).double())[0, 1]
    assert description["self_test"]["score"] == pytest.approx(float(wanted), rel=1e-8)


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
    assert np.array_equal(tensors["conv1.weight"], state["conv1.weight"].numpy())


def test_a_prefix_of_pmg2d_is_stripped(tmp_path):
    tensors, _ = case_of(tmp_path, **PMG).add({f"module.{k}": v for k, v in weights(**PMG).items()}).convert()
    assert "features.conv1.weight" in tensors


@pytest.mark.parametrize("wrap", [
    lambda state: {"state_dict": state, "epoch": 7, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}},
    lambda state: {"model": state, "loss": 0.25}, lambda state: {"model": {"state_dict": state}},
    lambda state: {"checkpoint": {"net": {f"module.{name}": value for name, value in state.items()}}}],
    ids=["state_dict", "model", "both", "another name"])
def test_wrappers_are_opened(tmp_path, wrap):
    state = weights()
    tensors, _ = case_of(tmp_path).add(wrap(state)).convert()
    assert np.array_equal(tensors["fc.weight"], state["fc.weight"].numpy())


def test_one_of_several_networks_is_chosen_by_name(tmp_path):
    state = weights(seed=2)
    case = case_of(tmp_path).add({"model": weights(), "ema": {"state_dict": state}})
    tensors, _ = case.convert("--entry", "ema.state_dict")
    assert np.array_equal(tensors["fc.weight"], state["fc.weight"].numpy())


@pytest.mark.parametrize("prefix, head", [("", "conv_seg"), ("module.", "module.conv_seg"), ("module.", "conv_seg")])
def test_a_head_is_left_out_by_name(tmp_path, prefix, head):
    named = {f"module.{name}": value for name, value in weights().items()}
    tensors, _ = case_of(tmp_path).add({**named, f"{prefix}conv_seg.0.weight": torch.ones(2)}).convert("--drop", head)
    assert "fc.weight" in tensors and not any("conv_seg" in name for name in tensors)


# ---- Types ----


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_are_kept(tmp_path, dtype):
    state = {name: value.to(dtype) if value.is_floating_point() else value for name, value in weights().items()}
    tensors, description = case_of(tmp_path).add(state).convert()
    with safetensors.safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {dtype}
    wanted = logits(description, as_numpy(state), self_test_view(description))[1]
    assert description["self_test"]["score"] == pytest.approx(wanted, rel=1e-8)


def test_views_of_one_storage_are_written_apart(tmp_path):
    state = weights()
    state["bn1.weight"] = state["bn1.bias"] = torch.rand(4, 3).T[1]
    tensors, _ = case_of(tmp_path).add(state).convert()
    assert np.array_equal(tensors["bn1.weight"], tensors["bn1.bias"])


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
    document = (convert_case.FOLDER.parent.parent / "docs" / "convert.md").read_text()
    (tmp_path / "d.yaml").write_text(document.split("```yaml\n")[1].split("```")[0])
    case = Case(tmp_path, {}).add(weights(**PMG))
    assert convert.main([str(case.paths[0]), "--description", str(tmp_path / "d.yaml"), "--out", str(case.out)]) == 0
    _, description = make_model.read_safetensors(case.out)
    assert description["version"] == "1.0" and len(description["input"]["angles_deg"]) == 10
    assert yaml.safe_load((tmp_path / "d.yaml").read_text()).items() <= description.items()


def test_the_documented_values_of_monai_and_medicalnet_are_the_programs():
    import description
    document = (convert_case.FOLDER.parent.parent / "docs" / "convert.md").read_text()
    for key, (_, medicalnet) in description.UNTOLD.items():
        (row,) = [line for line in document.splitlines() if line.startswith(f"| `{key}` |")]
        assert medicalnet in row
    assert all(text in document for text in ("`leaky_relu` with slope 0.01", "`elu` with alpha 1"))
