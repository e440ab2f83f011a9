"""Whole scores from the command line, against PyTorch's forward pass on what `deeptepp preprocess` wrote."""

import json

import numpy as np
import pytest

import make_model
import numpy_resnet
from cli_program import answer, needs_program, run

torch = pytest.importorskip("torch", reason="PyTorch is not here")
import reference_resnet  # noqa: E402

pytestmark = needs_program

SMALL = {"depth": 10, "width": 8, "size": 32, "views": 3, "self_test": False}
MEDICALNET = {"layer_strides": (1, 2, 1, 1), "layer_dilations": (1, 1, 2, 4)}
NETWORKS = {
    "10": {}, "18": {"depth": 18}, "34": {"depth": 34}, "50": {"depth": 50},
    "10 A": {"shortcut": "A"}, "18 A": {"depth": 18, "shortcut": "A"}, "50 A": {"depth": 50, "shortcut": "A"},
    "MedicalNet 10": MEDICALNET, "MedicalNet 18 A": {"depth": 18, "shortcut": "A", **MEDICALNET},
    "MedicalNet 34": {"depth": 34, **MEDICALNET}, "MedicalNet 50": {"depth": 50, **MEDICALNET},
    "stem stride 1": {"stem_stride": 1, "size": 24}, "stem stride 1, 2, 2": {"stem_stride": (1, 2, 2)},
    "no pool": {"pool": False}, "stem stride 1, no pool": {"stem_stride": 1, "pool": False, "size": 16},
    "stem kernel 3, 5, 7": {"stem_kernel": (3, 5, 7)}, "stem kernel 1": {"stem_kernel": 1},
    "downsample bias": {"downsample_bias": True}, "downsample bias 50": {"depth": 50, "downsample_bias": True},
    "leaky ReLU": {"activation": "leaky_relu"}, "ELU": {"activation": "elu", "shortcut": "A"},
    "leaky stem": {"stem_activation": "leaky_relu", "pool": False},
    "leaky blocks": {"activation": "leaky_relu", "stem_activation": "relu", "pool": False},
    "width 12": {"width": 12}, "width 16": {"width": 16}, "one class": {"classes": 1}, "five classes": {"classes": 5},
    "odd size": {"size": (19, 33, 26)}, "long": {"size": (8, 96, 24)},
    "two channels": {"channels": ("pre", "post")},
    "three members": {"members": 3},
    "three members, two channels": {"members": 3, "channels": ("pre", "post"), "depth": 18},
    "softmax": {"overrides": {"score.rule": "softmax"}},
    "softmax of five, class 3": {"classes": 5, "overrides": {"score.rule": "softmax", "score.class": 3}},
    "class 0": {"overrides": {"score.class": 0}},
    "F16": {"dtype": "F16"}, "BF16": {"dtype": "BF16"}, "F64": {"dtype": "F64"},
    "F16 50 A": {"dtype": "F16", "depth": 50, "shortcut": "A"},
    "superior first": {"overrides": {"input.axes": "SAR"}, "size": (16, 32, 40)},
}


def made(folder, **options):
    path = folder / "model.safetensors"
    return path, make_model.make_model(path, **options)


def case_of(data, name, description):
    """Options that name a case's files. Every channel gets the same image: the weights tell them apart."""
    image, mask = data / f"{name}_image.nii.gz", data / f"{name}_label.nii.gz"
    channels = description["input"]["channels"]
    images = [f"{channel}={image}" for channel in channels] if len(channels) > 1 else [image]
    return [part for one in images for part in ("--image", one)] + ["--mask", mask]


def torch_scores(path, description, tensor):
    """[member][view], float64."""
    tensors, _ = make_model.read_safetensors(path)
    members = reference_resnet.logits(description, tensors, tensor)["members"]
    return np.array([[numpy_resnet.score(description["score"], np.array(row)) for row in member["logits"]]
                     for member in members])


def assert_close(found, wanted):
    assert np.allclose(found, wanted, rtol=1e-4, atol=1e-6), f"found {found}, wanted {wanted}"


def compare(folder, case, path, description):
    result = json.loads(answer("score", "--model", path, *case, "--json"))
    answer("preprocess", "--model", path, *case, "--out", folder / "tensor.npy")
    wanted = torch_scores(path, description, np.load(folder / "tensor.npy"))
    assert_close(result["view_scores"], wanted.mean(axis=0))
    assert_close(result["member_scores"], wanted.mean(axis=1))
    assert_close(result["score"], wanted.mean())
    assert_close(result["score_sd"], wanted.mean(axis=0).std(ddof=1))


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
def test_scores_are_pytorchs(data, tmp_path, options):
    path, description = made(tmp_path, **{**SMALL, **options})
    for name in ("breast1", "brain1"):
        case = [*case_of(data, name, description), "--largest-part"]  # small regions between two parts are refused
        compare(tmp_path, case, path, description)


def test_scores_of_the_default_model_are_pytorchs(data, tmp_path):
    """ResNet-18 of width 64 on 64 x 64 x 64."""
    path, description = made(tmp_path, depth=18, width=64, size=64, views=2, self_test=False)
    compare(tmp_path, case_of(data, "breast1", description), path, description)


def test_channels_go_by_name(data, tmp_path):
    """Different images under two names, in either order on the command line."""
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not here")
    path, description = made(tmp_path, **{**SMALL, "channels": ("pre", "post")})
    file = nibabel.load(data / "breast1_image.nii.gz")
    other = np.asarray(file.dataobj)[::-1].astype(np.float32) * 2 + 5
    nibabel.save(nibabel.Nifti1Image(other, file.affine), tmp_path / "post.nii")
    images = ["--image", f"pre={data / 'breast1_image.nii.gz'}", "--image", f"post={tmp_path / 'post.nii'}"]
    mask = ["--mask", data / "breast1_label.nii.gz"]
    compare(tmp_path, images + mask, path, description)
    both = [json.loads(answer("score", "--model", path, *order, *mask, "--json"))["score"]
            for order in (images, images[2:] + images[:2])]
    assert both[0] == both[1]


# ---- Self-tests ----


def write_with_self_test(path, options, change=0.0):
    """A model whose self-test PyTorch computed."""
    tensors, description = make_model.read_safetensors(path)
    channels = len(description["input"]["channels"])
    view = numpy_resnet.self_test_input(99, (1, channels, *description["input"]["size"]))
    score = torch_scores(path, description, view).mean()
    description["self_test"] = {"seed": 99, "score": float(score) + change}
    make_model.write_safetensors(path, tensors, description, options.get("dtype", "F32"))


SELF_TESTED = ["10", "50 A", "MedicalNet 50", "three members, two channels", "softmax", "odd size", "F16"]


@pytest.mark.parametrize("name", SELF_TESTED)
def test_self_tests_by_pytorch_pass(tmp_path, name):
    options = {**SMALL, **NETWORKS[name]}
    path, _ = made(tmp_path, **options)
    write_with_self_test(path, options)
    answer("selftest", "--model", path)


@pytest.mark.parametrize("change", [3e-4, -3e-4])
def test_a_self_test_of_another_score_fails(tmp_path, change):
    path, _ = made(tmp_path, **SMALL)
    write_with_self_test(path, SMALL, change)
    done = run("selftest", "--model", path)
    assert done.returncode == 2
    assert b"self-test: score" in done.stderr
