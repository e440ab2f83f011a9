"""MONAI's own ResNet through the converter and the library, against MONAI's forward pass on the library's tensor.

The second of each pair is what docs/convert.md says of MONAI's arguments.
"""

import inspect

import pytest

import convert_case
import deeptepp_c

torch = pytest.importorskip("torch", reason="PyTorch is not here")
nets = pytest.importorskip("monai.networks.nets", reason="MONAI is not here")
from monai.networks.layers.factories import Act  # noqa: E402

from monai_case import ARGUMENTS, KEYS, described, patient, trained  # noqa: E402 - it needs MONAI

pytestmark = pytest.mark.usefixtures("library")

# Without the pool, which hides most of what the stem's activation does.
POOLLESS = {"no_max_pool": True}, {"stem_pool": False}
CASES = {
    "as it comes": ({}, {}),
    "spatial_dims": ({"spatial_dims": 3}, {}),
    "act=relu": ({"act": "relu"}, {}),
    "act=leakyrelu": ({"act": "leakyrelu"}, {"stem_activation": "leaky_relu"}),
    "act=leakyrelu, slope": ({"act": ("leakyrelu", {"negative_slope": 0.01})}, {"stem_activation": "leaky_relu"}),
    "act=elu": ({"act": "elu"}, {"stem_activation": "elu"}),
    "act=elu, pool": ({"act": ("ELU", {"alpha": 1.0}), "no_max_pool": False}, {"stem_activation": "elu"}),
    "norm": ({"norm": ("batch", {"momentum": 0.3, "eps": 1e-5})}, {}),
    "no_max_pool": ({"no_max_pool": True}, {"stem_pool": False}),
    "shortcut_type": ({"shortcut_type": "A"}, {"shortcut": "A"}),
    "conv1_t_stride": ({"conv1_t_stride": 2}, {"stem_stride": [2, 2, 2]}),
    "conv1_t_stride of an axis": ({"conv1_t_stride": (1, 2, 3)}, {"stem_stride": [1, 2, 3]}),
    "conv1_t_size": ({"conv1_t_size": 3}, {}),
    "conv1_t_size of an axis": ({"conv1_t_size": (3, 5, 7)}, {}),
    "widen_factor": ({"widen_factor": 1.5}, {}),
    "bias_downsample": ({"bias_downsample": False}, {}),
    "n_input_channels": ({"n_input_channels": 3}, {}),
    "block_inplanes": ({"block_inplanes": [4, 12, 9, 10]}, {}),
    "num_classes": ({"num_classes": 5}, {}),
    "feed_forward": ({"feed_forward": True}, {}),
    "layers": ({"layers": [2, 2, 2, 2]}, {}),
    "block": ({"block": "bottleneck", "layers": [3, 4, 6, 3]}, {}),
    "act, block, shortcut_type": ({"act": "elu", "block": "bottleneck", "layers": [3, 4, 6, 3], "shortcut_type": "A",
                                   **POOLLESS[0]}, {"stem_activation": "elu", "shortcut": "A", **POOLLESS[1]}),
}
for kind in ("act=leakyrelu", "act=leakyrelu, slope", "act=elu"):
    CASES[kind] = tuple({**own, **more} for own, more in zip(CASES[kind], POOLLESS))
each_case = pytest.mark.parametrize("arguments, keys", CASES.values(), ids=CASES)


def scores(folder, module, keys):
    """(the library's, MONAI's) of one case."""
    folder.mkdir(exist_ok=True)
    case = convert_case.Case(folder, described(module, keys, module.fc.out_features)).save(module.state_dict())
    case.convert()
    session = deeptepp_c.Session(case.out)
    session.self_test()
    someone = patient(case.description["input"]["channels"])
    tensor = torch.from_numpy(session.preprocess(someone)).double()
    with torch.no_grad():
        wanted = module.double()(tensor)[:, -1].mean().item()
    return session.score(someone)["score"], wanted


# ---- The same score ----


@each_case
def test_the_score_is_monais(tmp_path, arguments, keys):
    found, wanted = scores(tmp_path, trained(**arguments), keys)
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("kind", ["act=leakyrelu", "act=elu", "act=elu, pool"])
@pytest.mark.parametrize("wrong", ["everywhere", "nowhere"])
def test_act_elsewhere_is_another_network(tmp_path, kind, wrong):
    """What a converter that took `act` for the whole network's would give, or one that took no notice."""
    arguments, keys = CASES[kind]
    act = keys["stem_activation"] if wrong == "everywhere" else "relu"
    found, wanted = scores(tmp_path, trained(**arguments), {**keys, "stem_activation": act, "activation": act})
    assert abs(found - wanted) > 1e-2 * abs(wanted)


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("norm_eps", "shortcut")])
def test_each_key_matters(tmp_path, key):
    """Or agreeing would prove nothing."""
    other = {"stem_stride": [2, 2, 2], "stem_pool": False, "layer_strides": [1, 2, 1, 1],
             "layer_dilations": [1, 1, 2, 4], "stem_activation": "elu", "activation": "elu"}
    found, wanted = scores(tmp_path, trained(), {key: other[key]})
    assert abs(found - wanted) > 1e-3 * abs(wanted)


# ---- What MONAI does ----


@pytest.mark.parametrize("act", ["leakyrelu", "elu", "prelu", "gelu"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_act_and_norm_reach_the_stem_alone(act, block):
    """If this fails, MONAI has changed: docs/convert.md and the converter's help must follow."""
    module = nets.ResNet(**{**ARGUMENTS, "block": block}, act=act, norm=("batch", {"eps": 0.125}))
    assert not isinstance(module.act, torch.nn.ReLU) and module.bn1.eps == 0.125
    for layer in (module.layer1, module.layer2, module.layer3, module.layer4):
        for part in layer.modules():
            assert getattr(part, "eps", 1e-5) == 1e-5
        assert all(type(one.act) is torch.nn.ReLU for one in layer)


def test_the_document_names_every_argument():
    document = convert_case.DOCUMENT.read_text()
    rows = "".join(line.split("|")[1] for line in document.splitlines() if line.startswith("| `"))
    missing = [name for name in inspect.signature(nets.ResNet).parameters if f"`{name}`" not in rows]
    assert not missing


# ---- Refused ----


def refused(folder, capsys, keys, **arguments):
    module = trained(**arguments)
    return convert_case.Case(folder, described(module, keys, 2)).save(module.state_dict()).refused(capsys)


@pytest.mark.parametrize("act, holds", [
    ("prelu", "the slope"), (("prelu", {"num_parameters": 8}), "a slope for each of 8 channels")])
def test_prelu_is_called_what_it_is(tmp_path, capsys, act, holds):
    assert f"act.weight holds {holds} that a PReLU has trained" in refused(tmp_path, capsys, {}, act=act)


@pytest.mark.parametrize("act", sorted(set(Act.names) - {"RELU", "ELU"}))
def test_other_acts_are_refused_by_name(tmp_path, capsys, act):
    wanted = "wanted relu or leaky_relu (slope 0.01) or elu (alpha 1)"
    line = refused(tmp_path, capsys, {"stem_activation": act.lower()})
    assert f'network.stem_activation is "{act.lower()}", {wanted}' in line


def test_a_description_of_before_is_asked_for_the_stems(tmp_path, capsys):
    """When `activation` was the whole network's."""
    module = trained(act="leakyrelu")
    case = convert_case.Case(tmp_path, described(module, {"activation": "leaky_relu"}, 2)).save(module.state_dict())
    del case.description["network"]["stem_activation"]
    assert "stem_activation (MONAI: act, which the stem alone gets, by default relu, else" in case.refused(capsys)


@pytest.mark.parametrize("norm", [("group", {"num_groups": 2}), ("instance", {"affine": True})])
def test_another_norm_is_called_what_it_is(tmp_path, capsys, norm):
    line = refused(tmp_path, capsys, {}, norm=norm)
    assert "bn1 has no running statistics: the library has no norm but BatchNorm" in line


def test_another_eps_in_the_stem_is_refused(tmp_path, capsys):
    assert "network.norm_eps is 0.001" in refused(tmp_path, capsys, {"norm_eps": 1e-3}, norm=("batch", {"eps": 1e-3}))


@pytest.mark.parametrize("arguments, line", [
    ({"layers": [1, 2, 1, 1]}, "layers 1 to 4 have 1, 2, 1, 1 basic blocks"),
    ({"feed_forward": False}, "a backbone without its classifier cannot score"),
    ({"conv1_t_size": 4}, "conv1.weight is [8, 1, 4, 4, 4], wanted [8, 1, 5, 5, 5]"),
    ({"spatial_dims": 2}, "conv1.weight has rank 4")], ids=["layers", "feed_forward", "conv1_t_size", "spatial_dims"])
def test_what_the_library_has_not_is_refused(tmp_path, capsys, arguments, line):
    assert line in refused(tmp_path, capsys, {}, **arguments)


@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
def test_parametrised_weights_are_called_so(tmp_path, capsys, norm):
    module = trained()
    make = getattr(torch.nn.utils.parametrizations, norm)
    layers = [part for part in module.modules() if isinstance(part, torch.nn.Conv3d)]
    for layer in layers:
        make(layer)
    line = convert_case.Case(tmp_path, described(module, {}, 2)).save(module.state_dict()).refused(capsys)
    kind = norm.split("_")[0] + " normalisation"
    assert f".weight is computed in each run ({kind}; {len(layers)} such weights)" in line
    for layer in layers:
        torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")
    found, wanted = scores(tmp_path / "removed", module, {})
    assert found == pytest.approx(wanted, rel=1e-4)
