"""The seeded models: their container, their names, their numbers, and that three networks agree on them."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import make_model
import numpy_resnet

HERE = Path(__file__).parent
SMALL = {"depth": 10, "width": 4, "size": 24, "self_test": False}

# What MONAI's ResNet can be asked for.
MONAI_CASES = {
    "10": {"depth": 10}, "18": {"depth": 18}, "34": {"depth": 34}, "50": {"depth": 50}, "101": {"depth": 101},
    "152": {"depth": 152}, "200": {"depth": 200},
    "A": {"shortcut": "A"}, "A bottleneck": {"depth": 50, "shortcut": "A"},
    "downsample bias": {"downsample_bias": True},
    "stem": {"stem_kernel": (3, 5, 7), "stem_stride": (1, 2, 2), "pool": False},
    "channels and classes": {"channels": ("pre", "post"), "classes": 3},
    "leaky stem": {"stem_activation": "leaky_relu", "pool": False},
    "ELU stem": {"stem_activation": "elu", "pool": False},
}
MONAI_ACTS = {"relu": "relu", "leaky_relu": ("leakyrelu", {"negative_slope": 0.01}), "elu": "elu"}
# And what it cannot.
OTHER_CASES = {
    "medicalnet": {"layer_strides": (1, 2, 1, 1), "layer_dilations": (1, 1, 2, 4), "depth": 18},
    "medicalnet 50": {"layer_strides": (1, 2, 1, 1), "layer_dilations": (1, 1, 2, 4), "depth": 50},
    "medicalnet A": {"layer_strides": (1, 2, 1, 1), "layer_dilations": (1, 1, 2, 4), "shortcut": "A"},
    "layer 1 strided": {"layer_strides": (2, 1, 3, 1), "pool": False},
    "leaky blocks": {"activation": "leaky_relu", "stem_activation": "relu", "pool": False},
    "leaky": {"activation": "leaky_relu"}, "elu": {"activation": "elu", "shortcut": "A"},
}


def cases(table):
    return pytest.mark.parametrize("options", [{**SMALL, **own} for own in table.values()], ids=table)


def made(tmp_path, **options):
    path = tmp_path / "model.safetensors"
    make_model.make_model(path, **options)
    tensors, description = make_model.read_safetensors(path)
    return path, tensors, description


def a_view(description, seed=3):
    return numpy_resnet.self_test_input(seed, (len(description["input"]["channels"]), *description["input"]["size"]))


# ---- The container ----


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64"])
def test_the_safetensors_package_reads_the_same(tmp_path, dtype):
    safetensors = pytest.importorskip("safetensors", reason="the safetensors package is not here")
    torch = pytest.importorskip("torch", reason="PyTorch is not here")
    path, tensors, description = made(tmp_path, dtype=dtype, **SMALL)
    with safetensors.safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["deeptepp"]) == description
        assert set(file.keys()) == set(tensors)
        for name, value in tensors.items():
            theirs = file.get_tensor(name)
            wanted = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}[dtype]
            assert theirs.dtype == (torch.int64 if name.endswith("num_batches_tracked") else wanted)
            assert tuple(theirs.shape) == value.shape
            assert np.array_equal(theirs.to(torch.float64).numpy(), value)


def test_a_file_of_the_safetensors_package_is_read(tmp_path):
    numpy_format = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not here")
    tensors = make_model.state_dict(**SMALL)
    model = make_model.description(**SMALL)
    numpy_format.save_file(tensors, tmp_path / "m", metadata={"deeptepp": json.dumps(model)})
    found, description = make_model.read_safetensors(tmp_path / "m")
    assert description == model
    assert set(found) == set(tensors)
    assert all(np.array_equal(found[name], value) for name, value in tensors.items())


def test_bf16_is_rounded_to_the_nearest_and_ties_to_even():
    values = np.array([1, 1 + 2**-8, 1 + 2**-8 + 2**-20, 1 + 3 * 2**-8, -2.5], dtype=np.float32)
    assert make_model.from_bf16(make_model.to_bf16(values)).tolist() == [1, 1, 1 + 2**-7, 1 + 2**-6, -2.5]


def test_a_seed_gives_one_file_and_another_seed_another(tmp_path):
    def digest(seed):
        path, *_ = made(tmp_path, **{**SMALL, "seed": seed, "self_test": True})
        return hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest(5) == digest(5) != digest(6)


def test_members_differ_under_their_prefixes(tmp_path):
    _, tensors, description = made(tmp_path, members=2, **SMALL)
    assert description["network"]["members"] == ["fold0.", "fold1."]
    (_, first), (_, second) = make_model.member_tensors(description, tensors)
    assert set(first) == set(second) == set(make_model.state_dict(**SMALL))
    assert not np.array_equal(first["conv1.weight"], second["conv1.weight"])


def test_every_key_of_the_description_is_documented():
    document = (HERE.parent / "docs" / "model-format.md").read_text()
    documented = set(re.findall(r"`(\w+)`", document))

    def keys(value):
        for key, inner in value.items():
            yield key
            if isinstance(inner, dict):
                yield from keys(inner)
    assert set(keys(make_model.description(members=2))) <= documented


def test_overrides_set_and_take_away():
    model = make_model.description(overrides={"input.axes": "SAR", "tiers": None, "self_test": {"seed": 1, "score": 0}})
    assert model["input"]["axes"] == "SAR"
    assert "tiers" not in model
    assert model["self_test"]["score"] == 0


def test_the_command_writes_what_the_function_writes(tmp_path):
    out = tmp_path / "by_command"
    subprocess.run([sys.executable, HERE / "make_model.py", out, "--depth", "10", "--width", "4", "--size", "24",
                    "--no-self-test", "--no-pool", "--stem-stride", "1,2,2", "--channels", "a,b",
                    "--set", 'input.axes="SAR"'], check=True)
    path, *_ = made(tmp_path, **SMALL, pool=False, stem_stride=(1, 2, 2), channels=("a", "b"),
                    overrides={"input.axes": "SAR"})
    assert out.read_bytes() == path.read_bytes()


# ---- The numbers ----


@pytest.mark.parametrize("depth", make_model.DEPTHS)
def test_activations_stay_of_order_1(tmp_path, depth):
    _, tensors, description = made(tmp_path, depth=depth, width=4, size=32, self_test=False)
    member = numpy_resnet.Member(description["network"], tensors)
    random = np.random.default_rng(7)
    for stage in member.stages(make_model.phantom(random, 1, (32, 32, 32))):
        assert np.isfinite(stage).all()
        assert 0.05 < stage.std() < 20
        assert np.abs(stage).max() < 200


@pytest.mark.parametrize("depth", [10, 50, 200])
def test_the_score_depends_on_the_input(tmp_path, depth):
    _, tensors, description = made(tmp_path, depth=depth, width=8, size=32, self_test=False)
    member = numpy_resnet.Member(description["network"], tensors)
    random = np.random.default_rng(8)
    scores = [member.logits(make_model.phantom(random, 1, (32, 32, 32)))[1] for _ in range(12)]
    tiers = np.searchsorted(description["tiers"]["cutpoints"], scores)
    assert 0.2 < np.std(scores) < 5
    assert len(set(tiers)) > 1


def test_batch_statistics_are_far_from_0_and_1(tmp_path):
    tensors = make_model.state_dict(depth=18, width=8)
    for part, low, high in (("running_var", 0.5, 2), ("running_mean", -0.2, 0.2)):
        values = np.concatenate([value for name, value in tensors.items() if name.endswith(part)])
        assert low <= values.min() < values.max() <= high
        assert values.std() > 0.1
    counters = [value for name, value in tensors.items() if name.endswith("num_batches_tracked")]
    assert counters and all(value.dtype == np.int64 and value.shape == () for value in counters)


def scalar_splitmix64(state):
    mask = 2**64 - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        yield z ^ z >> 31


def test_the_generator_is_splitmix64():
    """The generator's published first outputs for seed 1234567."""
    numbers = scalar_splitmix64(1234567)
    assert [next(numbers) for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("seed", [0, 1234567, 2**53])
def test_the_self_test_input_is_that_generator_in_c_order(seed):
    numbers = scalar_splitmix64(seed)
    wanted = [(next(numbers) >> 40) / 2**23 - 1 for _ in range(60)]
    found = numpy_resnet.self_test_input(seed, (1, 3, 4, 5))
    assert found.dtype == np.float32 and found.shape == (1, 3, 4, 5)
    assert found.ravel().tolist() == wanted
    assert min(wanted) >= -1 and max(wanted) < 1


# ---- The networks ----


def monai_network(options, tensors):
    nets = pytest.importorskip("monai.networks.nets", reason="MONAI is not here")
    import reference_resnet
    o = make_model.options_with_defaults(options)
    block, layers = make_model.DEPTHS[o["depth"]]
    module = nets.ResNet(block, list(layers), [o["width"] << i for i in range(4)], spatial_dims=3,
                         n_input_channels=len(o["channels"]), conv1_t_size=o["stem_kernel"],
                         conv1_t_stride=o["stem_stride"], no_max_pool=not o["pool"], shortcut_type=o["shortcut"],
                         num_classes=o["classes"], bias_downsample=o["downsample_bias"],
                         act=MONAI_ACTS[o["stem_activation"] or "relu"])
    module.load_state_dict(reference_resnet.to_torch(tensors), strict=True)
    return module.eval()


@cases(MONAI_CASES)
def test_monai_gives_the_same_logits(tmp_path, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not here")
    _, tensors, description = made(tmp_path, **options)
    monai = monai_network(options, tensors).double()
    import reference_resnet
    ours = reference_resnet.build(description, tensors).double()
    view = a_view(description).astype(np.float64)
    with torch.no_grad():
        theirs = monai(torch.from_numpy(view)[None])[0].numpy()
        assert np.allclose(ours(torch.from_numpy(view)[None])[0].numpy(), theirs, rtol=1e-10, atol=1e-10)
    assert np.allclose(numpy_resnet.Member(description["network"], tensors).logits(view), theirs, rtol=1e-9, atol=1e-9)


@cases(OTHER_CASES)
def test_pytorch_and_numpy_give_the_same_logits(tmp_path, options):
    pytest.importorskip("torch", reason="PyTorch is not here")
    import reference_resnet
    _, tensors, description = made(tmp_path, **options)
    view = a_view(description)
    (found,) = reference_resnet.logits(description, tensors, view[None])["members"]
    wanted = numpy_resnet.Member(description["network"], tensors).logits(view)
    assert np.allclose(found["logits"][0], wanted, rtol=1e-9, atol=1e-9)


def test_options_that_shapes_do_not_tell_change_the_score(tmp_path):
    _, tensors, plain = made(tmp_path, **SMALL)
    view = a_view(plain)
    scores = [numpy_resnet.Member({**plain["network"], **changed}, tensors).logits(view)[1] for changed in (
        {}, {"layer_strides": [1, 2, 1, 1]}, {"layer_dilations": [1, 1, 2, 4]}, {"stem_stride": [1, 1, 1]},
        {"stem_pool": False}, {"activation": "elu"},
        {"stem_pool": False, "stem_activation": "elu"}, {"stem_pool": False, "stem_activation": "leaky_relu"})]
    assert np.diff(np.sort(scores)).min() > 1e-3


@pytest.mark.parametrize("options", [
    {}, {"members": 3, "dtype": "BF16"}, {"classes": 3, "overrides": {"score": {"rule": "softmax", "class": 2}}}],
    ids=["plain", "three members in BF16", "softmax"])
def test_the_self_test_score_is_what_pytorch_gives(tmp_path, options):
    pytest.importorskip("torch", reason="PyTorch is not here")
    import reference_resnet
    _, tensors, description = made(tmp_path, **{**SMALL, "self_test": True, **options})
    test = description["self_test"]
    shape = (1, len(description["input"]["channels"]), *description["input"]["size"])
    found = reference_resnet.logits(description, tensors, reference_resnet.self_test_input(test["seed"], shape))
    scores = [numpy_resnet.score(description["score"], np.array(member["logits"][0])) for member in found["members"]]
    assert np.mean(scores) == pytest.approx(test["score"], abs=1e-8)


def test_the_command_prints_every_member_and_view(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not here")
    path, _, description = made(tmp_path, members=2, **SMALL)
    np.save(tmp_path / "input.npy", np.stack([a_view(description, seed) for seed in (1, 2, 3)]))
    printed = subprocess.run([sys.executable, HERE / "reference_resnet.py", path, tmp_path / "input.npy"], check=True,
                             capture_output=True, text=True).stdout
    members = json.loads(printed)["members"]
    assert [member["prefix"] for member in members] == ["fold0.", "fold1."]
    assert all(np.array(member["logits"]).shape == (3, 2) for member in members)
