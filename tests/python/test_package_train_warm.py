"""deeptepp.train: where weights begin, each tensor accounted for; and memory, stated before it is taken. Needs PyTorch
(tests/run --live)."""

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not here")

import make_model  # noqa: E402
from deeptepp.train import TrainingError, _memory, _settings, _warm, train  # noqa: E402
from deeptepp.train._networks import network  # noqa: E402
from training_case import DESCRIPTION, describe, make_images, no_figures, write_table  # noqa: E402, F401

COUNTERS = "num_batches_tracked"


def settings(**sections):
    given = {**DESCRIPTION, **sections}
    return _settings._settings(given, ["t1c"], "test", "test")


def wanted(**sections):
    return network(settings(**sections), 1).state_dict()


def saved(path, tensors):
    torch.save({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}, path)
    return str(path)


def weights(seed=5, **options):
    return make_model.state_dict(seed=seed, **options)


def counted(found, tensors, target):
    """Each tensor of the file is used or left out, each of the network's used or newly made; once."""
    plain = [name for name in target if not name.endswith(COUNTERS)]
    assert len(found.used) + len(found.left_out) == len(tensors)
    assert len(found.used) + len(found.made) == len(plain)
    assert set(found.tensors) <= set(plain) and len(found.tensors) == len(found.used)


def test_one_s_own_names(tmp_path):
    tensors = weights(depth=10, width=4, stem_kernel=3, classes=1)
    found = _warm.read(saved(tmp_path / "a.pt", tensors), None, wanted())
    counted(found, tensors, wanted())
    assert found.made == () and all(name.endswith(COUNTERS) for name in found.left_out)
    assert all(np.array_equal(found.tensors[name].numpy(), tensors[name]) for name in found.tensors)


def test_a_medicalnet_backbone(tmp_path):
    """Wrapped in `module.`, with a segmentation head and without fc."""
    tensors = {f"module.{name}": value for name, value in weights(depth=10, width=4, stem_kernel=3).items()
               if not name.startswith("fc.")}
    tensors["module.conv_seg.0.weight"] = np.zeros((2, 32, 3, 3, 3), np.float32)
    found = _warm.read(saved(tmp_path / "m.pth", tensors), None, wanted())
    counted(found, tensors, wanted())
    assert found.made == ("fc.weight (not there)", "fc.bias (not there)") and "conv_seg.0.weight" in found.left_out
    assert "2 tensors newly made: fc.weight (not there), fc.bias (not there)" in str(found)


def test_three_colours_into_one_channel_and_a_head_of_other_classes(tmp_path):
    tensors = weights(depth=10, width=4, stem_kernel=3, channels=("r", "g", "b"), classes=400)
    found = _warm.read(saved(tmp_path / "v.pt", tensors), None, wanted())
    counted(found, tensors, wanted())
    assert np.allclose(found.tensors["conv1.weight"].numpy()[:, 0], tensors["conv1.weight"].sum(axis=1), atol=1e-6)
    assert "conv1.weight (3 input planes summed)" in found.used
    assert found.made == ("fc.weight ([400, 32], wanted [1, 32])", "fc.bias ([400], wanted [1])")


def test_torchvision_s_resnet50_is_the_published_backbone(tmp_path):
    pmg2d = {"network": {"architecture": "pmg2d", "width": 2}, "input": {}, "training": {}}
    every = weights(architecture="pmg2d", width=2)
    tensors = {name.removeprefix("features."): value for name, value in every.items() if name.startswith("features.")}
    found = _warm.read(saved(tmp_path / "r.pth", tensors), None, wanted(**pmg2d))
    counted(found, tensors, wanted(**pmg2d))
    backbone = [name for name in tensors if name[:3] != "fc." and COUNTERS not in name]
    assert set(found.tensors) == {f"features.{name}" for name in backbone}
    assert {"fc.weight", "fc.bias"} <= set(found.left_out)


def test_what_fits_nowhere_is_refused(tmp_path):
    path = saved(tmp_path / "x.pt", {"conv1.weight": np.zeros((5, 1, 3, 3, 3), np.float32)})
    with pytest.raises(TrainingError, match="x.pt: no tensor fits the network"):
        _warm.read(path, None, wanted())


def test_training_begins_there(tmp_path):
    """At a rate of next to nothing every fold ends with the weights it began with."""
    rows = make_images(tmp_path)
    table = write_table(tmp_path / "cohort.tsv", rows)
    first = describe(tmp_path / "first.json", training={"folds": 2, "epochs": 1})
    train(table, tmp_path / "first.safetensors", description=first, threads=1)
    still = describe(tmp_path / "still.json", training={"folds": 2, "epochs": 1, "rate": 1e-9, "weight_decay": 0})
    lines = []
    train(table, tmp_path / "second.safetensors", description=still, warm_start=tmp_path / "first.safetensors",
          entry="fold1", threads=1, log=lines.append)
    before, after = (make_model.read_safetensors(tmp_path / f"{name}.safetensors")[0] for name in ("first", "second"))
    for k in (0, 1):
        assert np.allclose(after[f"fold{k}.conv1.weight"], before["fold1.conv1.weight"], atol=1e-7)
    assert not np.allclose(before["fold0.conv1.weight"], before["fold1.conv1.weight"], atol=1e-3)
    assert any(line.startswith("warm start from") and "0 tensors newly made" in line for line in lines)
    assert "Warm start" in (tmp_path / "second.html").read_text()


# ---- Memory ----

PEAK = """
import json, re, sys, torch
from deeptepp.train import _memory, _settings
from deeptepp.train._losses import cox
from deeptepp.train._networks import network
torch.set_num_threads(1)
s = _settings._settings(json.loads(sys.argv[1]), ["t1c"], "m", "m")
def kept(key): return int(re.search(key + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
def step(net, size, count):
    opt = torch.optim.AdamW(net.parameters())
    loss = cox(net(torch.randn(count, 1, *size)), torch.rand(count) + 1, torch.ones(count))
    loss.backward()
    opt.step()
small = _settings._settings({"network": {"width": 1}, "input": {"size": [8, 8, 8]}}, ["t1c"], "m", "m")
step(network(small, 0), (8, 8, 8), 2)
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before = kept("VmRSS")
step(network(s, 0), s.description["input"]["size"], s.training.batch)
print(kept("VmHWM") - before, _memory.estimate(s))
"""


def test_the_memory_that_is_stated_is_taken():
    given = '{"network": {"width": 16, "stem_stride": [1, 1, 1]}, "input": {"size": [32, 32, 32]}}'
    done = subprocess.run([sys.executable, "-c", PEAK, given], capture_output=True, text=True, check=True)
    taken, stated = map(int, done.stdout.split())
    assert 0.5 * stated < taken < 1.5 * stated


def test_memory_grows_with_the_batch():
    one, two, three = (_memory.estimate(settings(training={"batch": batch})) for batch in (8, 16, 24))
    assert one < two and two - one == three - two
