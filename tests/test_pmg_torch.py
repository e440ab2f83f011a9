"""The published network: this library's four heads against PyTorch's, and PyTorch's against the description."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import make_model
import numpy_pmg
import numpy_resnet
import seeded_pmg
from deeptepp.convert import convert

torch = pytest.importorskip("torch", reason="PyTorch is not here")
import reference_pmg  # noqa: E402 - needs PyTorch

HERE = Path(__file__).resolve().parent
THIN = 8
VIEWS = 2
TOLERANCE = 1e-4


def seeded(seed, width=THIN):
    return make_model.state_dict(architecture="pmg2d", width=width, seed=seed)


def mosaics(seed):
    """A phantom's mosaic and plain noise: (views, 1, 1, 512, 512), float32."""
    random = np.random.default_rng(seed)
    noise = numpy_resnet.self_test_input(seed, (seeded_pmg.SIZE, seeded_pmg.SIZE))
    return np.stack([seeded_pmg.mosaic(random), noise]).astype(np.float32)[:, None, None]


def by_pytorch(tensors, views):
    """In float64: (views, 4, 2)."""
    return reference_pmg.heads(reference_pmg.build(tensors).double(), views)


def by_library(model, views):
    folder = os.environ.get("DEEPTEPP_BUILD")
    program = folder and Path(folder) / "tests" / "pmg_heads"
    if not program or not program.is_file():
        pytest.skip("no pmg_heads: DEEPTEPP_BUILD names no build folder that has it")
    raw = Path(model).with_suffix(".raw")
    raw.write_bytes(views.tobytes())
    done = subprocess.run([program, model, raw], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout)["heads"])


def assert_same(found, wanted):
    """Each head of each view, relative to its largest logit."""
    assert found.shape == wanted.shape == (VIEWS, 4, 2)
    error = np.abs(found - wanted).max(axis=2) / np.abs(wanted).max(axis=2)
    assert error.max() < TOLERANCE, error


# ---- The library ----


@pytest.mark.parametrize("width, seed", [(THIN, 1), (THIN, 2), (THIN, 3), (64, 4), (64, 5), (64, 6)])
def test_every_head_is_pytorchs(tmp_path, width, seed):
    tensors, views = seeded(seed, width), mosaics(seed)
    model = make_model.description(architecture="pmg2d", width=width, views=VIEWS)
    make_model.write_safetensors(tmp_path / "model", tensors, model)
    assert_same(by_library(tmp_path / "model", views), by_pytorch(tensors, views))


@pytest.mark.parametrize("width, seed", [(THIN, 7), (THIN, 8), (64, 9)])
def test_every_head_is_pytorchs_after_conversion(tmp_path, width, seed):
    tensors, views = seeded(seed, width), mosaics(seed)
    module = torch.nn.DataParallel(reference_pmg.build(tensors))
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    model = make_model.description(architecture="pmg2d", width=width, views=VIEWS)
    (tmp_path / "description.json").write_text(json.dumps(model))
    convert([tmp_path / "checkpoint.pt"], tmp_path / "description.json", tmp_path / "model")
    assert_same(by_library(tmp_path / "model", views), by_pytorch(tensors, views))


def test_another_number_of_classes(tmp_path):
    tensors, views = make_model.state_dict(architecture="pmg2d", width=THIN, seed=9, classes=3), mosaics(9)
    model = make_model.description(architecture="pmg2d", width=THIN, views=VIEWS)
    make_model.write_safetensors(tmp_path / "model", tensors, model)
    found, wanted = by_library(tmp_path / "model", views), by_pytorch(tensors, views)
    assert found.shape == wanted.shape == (VIEWS, 4, 3)
    assert np.abs(found - wanted).max() < TOLERANCE * np.abs(wanted).max()


# ---- The reference ----


@pytest.mark.parametrize("seed", [1, 2])
def test_numpy_gives_the_same_heads(seed):
    tensors, views = seeded(seed), mosaics(seed)
    wanted = by_pytorch(tensors, views)
    found = np.stack([numpy_pmg.Member(tensors).heads(view[0, 0]) for view in views])
    assert np.allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_names_are_torchvisions_and_the_published_ones():
    names = set(reference_pmg.PMG().state_dict())
    assert names == set(seeded(1))
    backbone = {name for name in names if name.startswith("features.")}
    assert len(backbone) == 53 + 53 * 5 + 2  # convolutions, BatchNorms, fc: torchvision's ResNet-50
    parts = {name.split(".")[0] for name in names - backbone}
    assert parts == {f"{part}{i}" for part in ("conv_block", "classifier") for i in (1, 2, 3)} | {"classifier_concat"}


def test_the_published_width_has_the_published_cost():
    """About 45 M parameters, about 49 GMAC for a 512 x 512 view."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += output.numel() * module.weight[0].numel()
    with torch.device("meta"):
        module = reference_pmg.PMG().eval()
        for layer in module.modules():
            if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
                layer.register_forward_hook(count)
        heads = module(torch.empty(1, 3, 512, 512))
    assert heads.shape == (1, 4, 2)
    assert sum(p.numel() for p in module.parameters()) == pytest.approx(45e6, rel=0.01)
    assert total == pytest.approx(49e9, rel=0.01)


def test_the_pools_read_the_first_cells_only():
    """The last 8 columns lie beyond what head 1's 56 of 64 columns can see; the deeper maps see them."""
    tensors, (view, _) = seeded(1), mosaics(1)
    changed = view.copy()
    changed[..., -8:] = 1
    one, other = by_pytorch(tensors, np.stack([view, changed]))
    assert np.array_equal(one[0], other[0])
    assert np.abs(one[1:] - other[1:]).max(axis=1).min() > 1e-6


@pytest.mark.parametrize("part, neutral", [("running_mean", 0), ("running_var", 1), ("weight", 1), ("bias", 0)])
def test_forgotten_batch_statistics_are_seen_by_every_head(part, neutral):
    tensors, views = seeded(1), mosaics(1)
    norms = {name.removesuffix(".running_var") for name in tensors if name.endswith(".running_var")}
    dull = {name: np.full_like(value, neutral) if name.removesuffix(f".{part}") in norms else value
            for name, value in tensors.items()}
    wanted, found = by_pytorch(tensors, views), by_pytorch(dull, views)
    assert (np.abs(found - wanted).max(axis=2) > 100 * TOLERANCE * np.abs(wanted).max(axis=2)).all()


def test_the_three_planes_of_the_stem_all_count():
    tensors, views = seeded(1), mosaics(1)[:1]
    stem, wanted = tensors["features.conv1.weight"], by_pytorch(tensors, views)
    for plane in range(3):
        less = {**tensors, "features.conv1.weight": np.where(np.arange(3)[:, None, None] == plane, 0, stem)}
        assert np.abs(by_pytorch(less, views) - wanted).max() > 0.01


# ---- The seeded model ----


@pytest.mark.parametrize("seed", [1, 2])
def test_maps_and_logits_stay_of_order_1(seed):
    tensors = seeded(seed)
    random = np.random.Generator(np.random.PCG64(seed))
    make_model.centre({"architecture": "pmg2d"}, tensors, None, random)
    views = np.stack([seeded_pmg.mosaic(random) for _ in range(4)])
    module = reference_pmg.build(tensors)
    with torch.no_grad():
        maps = module.features(torch.from_numpy(views).float()[:, None].expand(-1, 3, -1, -1))
    assert all(0.1 < float(x.std()) < 5 for x in maps)
    scores = reference_pmg.heads(module, views).sum(axis=1)[:, 1]
    assert 0.2 < scores.std() < 4 and np.abs(scores).max() < 10


def test_a_file_is_the_same_with_and_without_pytorch(tmp_path):
    options = ["--architecture", "pmg2d", "--width", "8", "--views", "2"]
    hide = "import sys; sys.modules['torch'] = None; import runpy; sys.argv = sys.argv[1:]; " \
           "runpy.run_path(sys.argv[0], run_name='__main__')"
    program = HERE / "make_model.py"
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    subprocess.run([sys.executable, program, tmp_path / "with", *options], check=True)
    subprocess.run([sys.executable, "-c", hide, program, tmp_path / "without", *options], check=True, env=environment)
    assert (tmp_path / "with").read_bytes() == (tmp_path / "without").read_bytes()


def test_the_self_test_score_sums_the_heads_and_averages_the_members(tmp_path):
    description = make_model.make_model(tmp_path / "model", architecture="pmg2d", width=THIN, members=2, seed=4)
    tensors, _ = make_model.read_safetensors(tmp_path / "model")
    view = numpy_resnet.self_test_input(description["self_test"]["seed"], (1, 1, 1, 512, 512))
    scores = [by_pytorch(own, view)[0, :, 1].sum() for _, own in make_model.member_tensors(description, tensors)]
    assert description["self_test"]["score"] == pytest.approx(np.mean(scores), abs=1e-8)
