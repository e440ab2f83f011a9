"""Checkpoints by their real makers: PyTorch, Lightning, MONAI, and torchvision's names. Converted, and scored by the
library as by their own module, on the library's tensor."""

import os
import pathlib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not here")
nets = pytest.importorskip("monai.networks.nets", reason="MONAI is not here")
from torch import nn  # noqa: E402

import deeptepp_c  # noqa: E402
from convert_case import Case, weights  # noqa: E402
from monai_case import ARGUMENTS, described, patient, trained  # noqa: E402

pytestmark = pytest.mark.usefixtures("library")

CLASSES = ARGUMENTS["num_classes"]


def case_of(folder, keys=(), channels=1):
    return Case(folder, described(nets.ResNet(**{**ARGUMENTS, "n_input_channels": channels}), dict(keys), CLASSES))


def assert_scores(case, module, *options):
    """The library's score is the module's within 1e-4 of itself."""
    case.convert(*options)
    session = deeptepp_c.Session(case.out)
    session.self_test()
    someone = patient(case.description["input"]["channels"])
    tensor = torch.from_numpy(session.preprocess(someone)).double()
    with torch.no_grad():
        wanted = module.double().eval()(tensor)[:, -1].mean().item()
    assert session.score(someone)["score"] == pytest.approx(wanted, rel=1e-4)


@pytest.fixture
def case(tmp_path):
    return case_of(tmp_path)


@pytest.fixture
def net():
    return trained()


FORMATS = {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}, "protocol 5": {"pickle_protocol": 5}}
each_format = pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)


# ---- PyTorch ----


@each_format
def test_a_state_dict(case, net, options):
    assert_scores(case.save(net.state_dict(), **options), net)


@each_format
def test_a_whole_network(case, net, options):
    assert_scores(case.save(net, **options), net)


@each_format
def test_a_numpy_number_and_a_path_beside_the_network(case, net, options):
    assert_scores(case.save({"model": net.state_dict(), "best": np.float64(0.5), "counts": np.arange(3),
                             "at": pathlib.Path("/data"), "device": torch.device("cpu"), "dtype": torch.float16,
                             "rng": torch.get_rng_state(), "size": torch.Size([2, 3])}, **options), net)


def test_an_optimizer_beside_the_network(case, net):
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(2, 1, 16, 16, 16)).sum().backward()
    optimizer.step()
    assert_scores(case.save({"model": net, "optimizer": optimizer, "scheduler":
                             torch.optim.lr_scheduler.StepLR(optimizer, 3).state_dict()}), net)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types(case, net, dtype):
    assert_scores(case.save(net.to(dtype).state_dict()), net)


WRAPPERS = {"DataParallel": nn.DataParallel, "compile": torch.compile,
            "AveragedModel": torch.optim.swa_utils.AveragedModel,
            "compiled part": lambda net: setattr(net, "layer2", torch.compile(net.layer2)) or net}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_wrappers(case, wrap):
    assert_scores(case.save(wrap(trained()).state_dict()), trained())


def test_wrappers_saved_whole(case, net):
    assert_scores(case.save(nn.DataParallel(torch.optim.swa_utils.AveragedModel(net))), net)


def test_sharded_names(case, net):
    fsdp = pytest.importorskip("torch.distributed.fsdp", reason="PyTorch has no FSDP here")
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        sharded = fsdp.FullyShardedDataParallel(trained(), use_orig_params=True, device_id=torch.device("cpu"))
        held = {**dict(sharded.named_parameters()), **dict(sharded.named_buffers())}
        state = {name: value.detach().clone() for name, value in held.items()}
        shapes = net.state_dict()
        state = {f"_fsdp_wrapped_module.{name}": state.get(f"_fsdp_wrapped_module.{name}", state.get(name)).view(
            shapes[name].shape) for name in shapes}
    finally:
        torch.distributed.destroy_process_group()
    assert_scores(case.save(state), net)


def test_a_checkpointed_part(case, net):
    wrapper = pytest.importorskip("torch.distributed.algorithms._checkpoint.checkpoint_wrapper", reason="not here")
    part = trained()
    part.layer1 = wrapper.checkpoint_wrapper(part.layer1)
    names = {**dict(part.named_parameters()), **dict(part.named_buffers())}
    assert any("_checkpoint_wrapped_module" in name for name in names)
    assert_scores(case.save(names), net)


# ---- Lightning ----


def lightning_file(path, module):
    lightning = pytest.importorskip("lightning.pytorch", reason="Lightning is not here")
    import warnings

    class Lit(lightning.LightningModule):
        def __init__(self, loss=nn.CrossEntropyLoss, net=nets.ResNet, root=pathlib.Path("/data"), rate=np.float32(0.1)):
            super().__init__()
            self.save_hyperparameters()
            for name, part in module.items():
                setattr(self, name, part)

        def training_step(self, batch, index):
            return self.model(batch[0][:, :, ::2, ::2, ::2]).sum() * 0

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.0)

    with warnings.catch_warnings(action="ignore"):
        lit = Lit()
        data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(2, 1, 32, 32, 32)), batch_size=2)
        trainer = lightning.Trainer(max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                                    enable_model_summary=False, accelerator="cpu", default_root_dir=path.parent)
        trainer.fit(lit, data)
        trainer.save_checkpoint(path)
    return lit


def test_lightnings_checkpoint(case, net):
    lit = lightning_file(case.at("last.ckpt"), {"model": net})
    assert_scores(case, lit.model)


def test_a_criterion_beside_the_network(case, net, capsys):
    loss = nn.CrossEntropyLoss(weight=torch.ones(2))
    lit = lightning_file(case.at("last.ckpt"), {"model": net, "criterion": loss})
    assert "--drop criterion leaves it out" in case.refused(capsys)
    assert_scores(case, lit.model, "--drop", "criterion")


def test_a_running_average_beside_the_network(case, net, capsys):
    lit = lightning_file(case.at("last.ckpt"), {"model": net, "ema_model": trained(seed=2)})
    assert "state_dict.model, state_dict.ema_model; choose one with --entry" in case.refused(capsys)
    assert_scores(case, lit.ema_model, "--entry", "state_dict.ema_model")


# ---- Heads ----


class Encoder(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.encoder = trained(feed_forward=False)
        self.encoder.fc = None
        setattr(self, head, nn.Linear(ARGUMENTS["block_inplanes"][-1], CLASSES))
        self.head = head

    def forward(self, x):
        return getattr(self, self.head)(self.encoder(x))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("head", ["fc", "classifier"])
def test_a_head_beside_the_encoder(case, head, whole):
    torch.manual_seed(4)
    module = Encoder(head)
    assert_scores(case.save(module if whole else module.state_dict()), module)


@pytest.mark.parametrize("head", ["fc.1", "classifier"])
def test_a_head_of_another_name(case, net, head):
    if head == "fc.1":
        net.fc = nn.Sequential(nn.Dropout(), net.fc)
        assert_scores(case.save(net.state_dict()), net)
    else:
        state = {name.replace("fc.", "classifier."): value for name, value in net.state_dict().items()}
        assert_scores(case.save(state), net)


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_a_head_from_a_file(case, kind):
    torch.manual_seed(5)
    module = Encoder("fc")
    head = case.folder / f"head.{kind}"
    if kind == "pt":
        torch.save(module.fc, head)
    else:
        safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not here")
        safetensors.save_file(module.fc.state_dict(), head)
    assert_scores(case.save({"resnet." + name: value for name, value in module.encoder.state_dict().items()}), module,
                  "--head", head)


# ---- torchvision's names ----


class VideoBlock(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv3d(into, out, 3, stride, 1, bias=False), nn.BatchNorm3d(out), nn.ReLU())
        self.conv2 = nn.Sequential(nn.Conv3d(out, out, 3, 1, 1, bias=False), nn.BatchNorm3d(out))
        self.downsample = None if stride == 1 and into == out else \
            nn.Sequential(nn.Conv3d(into, out, 1, stride, bias=False), nn.BatchNorm3d(out))

    def forward(self, x):
        y = self.conv2(self.conv1(x))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class VideoResNet(nn.Module):
    """As r3d_18 is built and named, narrower."""

    def __init__(self, widths=(8, 16, 24, 32)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, widths[0], (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False),
                                  nn.BatchNorm3d(widths[0]), nn.ReLU())
        before = widths[0]
        for i, width in enumerate(widths, 1):
            first = VideoBlock(before, width, 1 if i == 1 else 2)
            setattr(self, f"layer{i}", nn.Sequential(first, VideoBlock(width, width, 1)))
            before = width
        self.avgpool, self.fc = nn.AdaptiveAvgPool3d(1), nn.Linear(before, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(self.avgpool(x).flatten(1))


@pytest.mark.parametrize("whole", [False, True])
def test_torchvisions_video_network(tmp_path, whole):
    torch.manual_seed(6)
    module = VideoResNet()
    for name, value in module.named_buffers():
        if not name.endswith("tracked"):
            value.copy_(torch.rand_like(value) + 0.5)
    case = case_of(tmp_path, {"stem_stride": [1, 2, 2], "stem_pool": False}, channels=3)
    assert_scores(case.save(module if whole else module.state_dict()), module)


# ---- Code ----


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@each_format
@pytest.mark.parametrize("place", ["beside", "in the network"])
def test_no_code_of_a_checkpoint_runs(case, net, options, place):
    sign = case.folder / "code_ran"
    if place == "in the network":
        net.extra = Evil(sign)
    case.save(net if place == "in the network" else {"state_dict": net.state_dict(), "evil": Evil(sign)}, **options)
    case.convert()
    assert not sign.exists()
    torch.load(case.paths[0], weights_only=False)
    assert sign.exists()


# ---- Refused ----


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript(case, net, capsys):
    torch.jit.trace(net, torch.zeros(1, 1, 16, 16, 16)).save(case.at())
    line = case.refused(capsys)
    assert "is TorchScript, a program, wanted weights" in line and "weights_only" not in line


@pytest.mark.parametrize("bad, named", [
    (lambda v: v.to(torch.int32), "int32"), (lambda v: v.to(torch.complex64), "complex64"), (lambda v: v > 0, "bool"),
    (lambda v: v.to(torch.float8_e4m3fn), "float8_e4m3fn"), (lambda v: v.to_sparse(), "sparse"),
    (lambda v: v.to("meta"), "float32, on the device meta"),
    (lambda v: torch.quantize_per_tensor(v, 0.1, 0, torch.quint8), "quantised")])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_types_that_are_no_weights(case, net, capsys, bad, named):
    state = net.state_dict()
    state["fc.weight"] = bad(state["fc.weight"])
    line = case.save(state).refused(capsys)
    assert f"{case.paths[0]}: fc.weight is " in line and named in line and "wanted float32" in line


def parametrised(kind):
    """A stem's weight as PyTorch stores it."""
    from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

    module = nn.ModuleDict({"conv1": nn.Conv3d(1, 8, 7, bias=False)})
    {"weight_norm": weight_norm, "spectral_norm": spectral_norm,
     "prune": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
     "new weight_norm": parametrizations.weight_norm, "new spectral_norm": parametrizations.spectral_norm,
     "orthogonal": parametrizations.orthogonal}[kind](module.conv1)
    return module.state_dict()


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("kind, by, instead", [
    ("weight_norm", "weight normalisation", "remove_weight_norm"),
    ("spectral_norm", "spectral normalisation", "remove_spectral_norm"), ("prune", "pruning", "prune.remove"),
    ("new weight_norm", "weight normalisation", "parametrize.remove_parametrizations"),
    ("new spectral_norm", "spectral normalisation", "parametrize.remove_parametrizations"),
    ("orthogonal", "a parametrisation", "parametrize.remove_parametrizations")])
def test_weights_that_are_computed(case, net, capsys, kind, by, instead):
    state = {name: value for name, value in net.state_dict().items() if not name.startswith("conv1.")}
    line = case.save({**state, **parametrised(kind)}).refused(capsys)
    assert f"conv1.weight is computed in each run ({by}; 1 such weight)" in line
    assert f"save the network after torch.nn.utils.{instead} on each such layer" in line


# ---- The maker by hand ----


@pytest.mark.parametrize("legacy", [False, True])
def test_files_made_by_hand_are_pytorchs(case, legacy):
    """What the tests without PyTorch read is what PyTorch reads."""
    case.add({"state_dict": weights(), "epoch": 3}, legacy=legacy)
    found = torch.load(case.paths[0], weights_only=True)
    assert found["epoch"] == 3
    assert all(np.array_equal(found["state_dict"][name].numpy(), value) for name, value in weights().items())
