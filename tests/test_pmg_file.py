"""What a file of the published network must hold, and what the library then computes of it. NumPy alone."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import deeptepp_c
import make_model

pytestmark = pytest.mark.usefixtures("library")

WIDTH = 8


def written(folder, change=lambda tensors: None, **options):
    tensors = make_model.state_dict(architecture="pmg2d", **{"width": WIDTH, **options})
    change(tensors)
    make_model.write_safetensors(folder / "model", tensors, make_model.description(architecture="pmg2d", views=1))
    return folder / "model"


def opened(path):
    deeptepp_c.Handle("model", "model_open", os.fsencode(path), None)


def refused(path):
    with pytest.raises(deeptepp_c.DeepteppError) as caught:
        opened(path)
    assert caught.value.status == "MODEL_TENSORS"
    return caught.value.message


def test_the_published_names_and_shapes_are_taken(tmp_path):
    opened(written(tmp_path))


KERNELS = {"conv_block1.0.conv.weight": 3, "conv_block2.1.conv.weight": 5, "features.conv1.weight": 5,
           "features.layer1.0.conv1.weight": 3, "features.layer4.2.conv2.weight": 1,
           "features.layer2.0.downsample.0.weight": 3}


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_of_another_size_is_refused(name, tmp_path):
    """The blocks compute no more than what 1x1 and 3x3 windows read."""
    def change(tensors):
        shape = tensors[name].shape
        tensors[name] = np.zeros((*shape[:2], KERNELS[name], KERNELS[name]), dtype=np.float32)
    message = refused(written(tmp_path, change))
    assert name in message and "wanted [" in message


@pytest.mark.parametrize("name", ["conv_block1.0.conv", "features.conv1", "features.layer2.0.downsample.0"])
def test_a_bias_that_the_network_does_not_have_is_refused(name, tmp_path):
    def change(tensors):
        tensors[f"{name}.bias"] = np.zeros(len(tensors[f"{name}.weight"]), dtype=np.float32)
    assert f"unexpected tensor {name}.bias" in refused(written(tmp_path, change))


@pytest.mark.parametrize("block", ["layer1.2", "layer2.3", "layer3.5", "layer4.2"])
def test_a_lost_block_is_seen(block, tmp_path):
    def change(tensors):
        for name in [name for name in tensors if name.startswith(f"features.{block}.")]:
            del tensors[name]
    assert "bottlenecks, wanted a ResNet of depth 50" in refused(written(tmp_path, change))


def test_what_no_pool_reads_is_not_computed(tmp_path):
    """By hand, in GMAC a view at the published width: stem 0.2055 (one plane), layers 3.4897, 5.3687, 7.6504 and
    4.2278, blocks 20.401, 5.369 and 1.476 on whole maps, 15.649, 4.140 and 1.161 on what the pools read; linear layers
    0.005."""
    program = Path(os.environ["DEEPTEPP_BUILD"]) / "tests" / "pmg_heads"
    path = written(tmp_path, width=64)
    np.zeros((512, 512), dtype="<f4").tofile(tmp_path / "view")
    done = subprocess.run([program, path, tmp_path / "view"], capture_output=True, text=True, timeout=600, check=True)
    assert json.loads(done.stdout)["gmac"] == pytest.approx(41.897, abs=0.01)
