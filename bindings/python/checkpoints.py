"""Tensors out of checkpoints that may come from anywhere: no code of theirs runs, and nothing is guessed."""

import os
import re
import tarfile
import warnings
from collections.abc import Mapping

import torch
from safetensors import SafetensorError, safe_open

from description import ConversionError, first_line, plural
from networks import UNKNOWN, wrong_depth

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.")
WRAPPER_DEPTH = 4
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
UNUSED = {"resnet3d": (), "pmg2d": ("features.fc.",)}  # there in checkpoints, read by no network
STEMS = {"resnet3d": "conv1.weight", "pmg2d": "features.conv1.weight"}
HEADS = {"resnet3d": "fc.", "pmg2d": "classifier"}
COUNTER = ".num_batches_tracked"
# Weights that are computed from other tensors in each run: (the end of one of those names, what computes them, what
# stores the result instead).
COMPUTED = (
    (".parametrizations.weight.original1", "weight normalisation", "parametrize.remove_parametrizations"),
    (".parametrizations.weight.0._u", "spectral normalisation", "parametrize.remove_parametrizations"),
    (".parametrizations.weight.original", "a parametrisation", "parametrize.remove_parametrizations"),
    (".weight_g", "weight normalisation", "remove_weight_norm"),
    (".weight_u", "spectral normalisation", "remove_spectral_norm"),
    (".weight_mask", "pruning", "prune.remove"),
)
STEM_NAME = re.compile(r"conv1\.(weight(_g|_orig)?|parametrizations\.weight\.original0?)$")
# Before it, weights_only=True had holes: CVE-2025-32434 (code, up to 2.5.1), CVE-2026-24747 (memory, up to 2.9.1).
SAFE_PYTORCH = (2, 10)


# ---- Reading ----


def format_of(path):
    """"safetensors" or "torch", by content: names lie."""
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise ConversionError(f"{path}: is a Git-LFS pointer, wanted the file itself (git lfs pull)")
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= os.path.getsize(path) - 8:
        return "safetensors"
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return "torch"
    raise ConversionError(f"{path}: is neither a PyTorch checkpoint nor safetensors")


def read_safetensors(path):
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ConversionError(f"{path}: is not sound safetensors: {error}") from error


def refuse_tar(path):
    """PyTorch looks for tar, its oldest format, before anything else but zip, and a member's name may begin as a
    pickle does."""
    try:
        tarfile.TarFile.taropen(path).close()
    except tarfile.TarError:
        return
    raise ConversionError(f"{path}: is a tar archive, wanted what torch.save writes: zip, or a bare pickle")


def refuse_old_pytorch(path):
    if torch.__version__ < SAFE_PYTORCH:
        raise ConversionError(f"{path}: is a pickle, and PyTorch is {torch.__version__}, wanted "
                              f"{'.'.join(map(str, SAFE_PYTORCH))} or newer, as older ones can be made to run a "
                              "pickle's code: upgrade PyTorch, or bring the checkpoint as safetensors")


def read_torch(path):
    refuse_old_pytorch(path)
    try:
        refuse_tar(path)
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ConversionError):
        raise
    except Exception as error:  # the file is not trusted: its unpickler may raise anything
        named = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it wants to run {named[1]}, which was not run" if named else first_line(error)
        raise ConversionError(f"{path}: is not a checkpoint of tensors alone ({reason}), wanted what "
                              "torch.save(model.state_dict(), ...) writes") from error


# ---- Finding the state dict ----


def is_network(value):
    """Both networks have a stem by that name."""
    return isinstance(value, Mapping) and any(
        isinstance(key, str) and STEM_NAME.search(key) and isinstance(tensor, torch.Tensor)
        for key, tensor in value.items())


def networks_in(value, depth=WRAPPER_DEPTH):
    """[(dotted path, state dict)] of all networks within wrappers."""
    if is_network(value):
        return [("", value)]
    if depth == 0 or not isinstance(value, Mapping):
        return []
    found = [(f"{key}.{path}".rstrip("."), inner) for key, part in value.items() if isinstance(key, str)
             for path, inner in networks_in(part, depth - 1)]
    return found


def is_flat(value):
    return isinstance(value, Mapping) and bool(value) and all(isinstance(v, torch.Tensor) for v in value.values())


def unwrap(checkpoint, path, entry=None):
    found = networks_in(checkpoint)
    names = ", ".join(name or "the file itself" for name, _ in found)
    if entry is not None:
        for name, value in found:
            if name == entry:
                return value
        raise ConversionError(f"{path}: no network under {entry}; found: {names or 'none'}")
    if len(found) > 1:
        raise ConversionError(f"{path}: holds several networks: {names}; choose one with --entry")
    if found:
        return found[0][1]
    if is_flat(checkpoint):
        return checkpoint
    keys = ", ".join(map(str, list(checkpoint)[:8])) if isinstance(checkpoint, Mapping) else type(checkpoint).__name__
    raise ConversionError(f"{path}: holds no network, no tensor is named ...conv1.weight; found: {keys}")


# ---- Names ----


def dropped_by(name, drop):
    return {part for part in drop if name == part or name.startswith(part.rstrip(".") + ".")}


def plain_names(tensors, drop, used):
    """Without what is to be dropped and without prefixes that all names share; they may be stacked. used: a set that
    gets those of `drop` which found something."""
    while True:
        dropped = {name: dropped_by(name, drop) for name in tensors}
        used.update(*dropped.values())
        tensors = {name: value for name, value in tensors.items() if not dropped[name]}
        shared = [prefix for prefix in PREFIXES if tensors and all(name.startswith(prefix) for name in tensors)]
        if not shared:
            return tensors
        tensors = {name.removeprefix(shared[0]): value for name, value in tensors.items()}


def refuse_computed(tensors, path):
    """The network's weights are not there by name, and what is there would not be read."""
    for end, by, instead in COMPUTED:
        found = [name for name in tensors if name.endswith(end)]
        if found:
            layer = found[0].removesuffix(end)
            raise ConversionError(f"{path}: holds {found[0]}: {layer}.weight is computed in each run ({by}; "
                                  f"{plural(len(found), 'such weight')}), wanted the weights themselves: save the "
                                  f"network after torch.nn.utils.{instead} on each such layer")


def read(path, entry, drop, used):
    """{plain name: tensor} of a checkpoint of either format. used: as in plain_names."""
    if format_of(path) == "torch":
        tensors = unwrap(read_torch(path), path, entry)
    elif entry is not None:
        raise ConversionError(f"{path}: is safetensors, which has no entries, wanted no --entry, found {entry}")
    else:
        tensors = read_safetensors(path)
    tensors = plain_names({str(name): value for name, value in tensors.items()}, drop, used)
    other = sorted(name for name, value in tensors.items() if not isinstance(value, torch.Tensor))
    if other:
        raise ConversionError(f"{path}: no tensors: {', '.join(other)} (--drop NAME leaves one out)")
    refuse_computed(tensors, path)
    return {name: value.detach() for name, value in tensors.items()}


def architecture_of(tensors, path):
    if any(name.startswith(("features.", "conv_block")) for name in tensors):
        return "pmg2d"
    stem = tensors.get("conv1.weight")
    if stem is not None and stem.ndim == 5:
        return "resnet3d"
    names = f"names such as {', '.join(sorted(tensors)[:4])}"
    found = names if stem is None else f"conv1.weight has rank {stem.ndim}"
    raise ConversionError(f"{path}: neither resnet3d (conv1.weight of rank 5) nor pmg2d (features.conv1.weight, "
                          f"conv_block1...): {found}")


# ---- Checks ----


def without_unused(tensors, architecture):
    """What the network reads, and the names of what it never does."""
    unused = [name for name in tensors if name.endswith(COUNTER) or name.startswith(UNUSED[architecture] or ("\0",))]
    return {name: value for name, value in tensors.items() if name not in set(unused)}, unused


def listed(kind, items):
    return [f"{len(items)} {kind}: {', '.join(items)}"] if items else []


def shape_text(shape):
    return "[" + ", ".join("?" if n == UNKNOWN else str(n) for n in shape) + "]"


def fits(found, wanted):
    return len(found) == len(wanted) and all(n > 0 if m == UNKNOWN else n == m for n, m in zip(found, wanted))


def check_head(tensors, expected, architecture, path):
    if STEMS[architecture] not in tensors or any(name.startswith(HEADS[architecture]) for name in tensors):
        return
    others = sorted({name.split(".")[0] for name in tensors if name not in expected})
    beside = f" (beside the backbone there is {', '.join(others)})" if others else ""
    raise ConversionError(f"{path}: has no tensor {HEADS[architecture]}*{beside}: a backbone without its classifier "
                          "cannot score; fine-tune it with one first, and convert the fine-tuned network")


def prelu_hint(tensors, unexpected):
    """A PReLU is the only layer here that has trained a row of weights and nothing else."""
    slopes = [name for name in unexpected if name.endswith(".weight") and tensors[name].ndim == 1 and
              name.removesuffix("weight") + "bias" not in tensors]
    if not slopes:
        return ""
    count = tensors[slopes[0]].numel()
    holds = "the slope" if count == 1 else f"a slope for each of {count} channels"
    return f" ({slopes[0]} holds {holds} that a PReLU has trained: the library has no PReLU, and without it this is " \
        "another network)"


def norm_hint(tensors, missing):
    others = [name.removesuffix(".running_mean") for name in missing if name.endswith(".running_mean") and
              name.replace(".running_mean", ".weight") in tensors]
    return f" ({others[0]} has no running statistics: the library has no norm but BatchNorm, which keeps them)" \
        if others else ""


def hints(tensors, missing, unexpected):
    """Names that say what kind of network it is instead."""
    segmentation = any(name.startswith("conv_seg.") for name in unexpected)
    return prelu_hint(tensors, unexpected) + norm_hint(tensors, missing) + \
        " (conv_seg is MedicalNet's segmentation head: --drop conv_seg leaves it out)" * segmentation


def check_names(tensors, expected, architecture, path):
    """Every difference from the network, with shapes."""
    check_head(tensors, expected, architecture, path)
    depth = wrong_depth(tensors) if architecture == "resnet3d" else ""
    missing = {name: f"{name} {shape_text(shape)}" for name, shape in expected.items() if name not in tensors}
    unexpected = {name: f"{name} {list(value.shape)}" for name, value in tensors.items() if name not in expected}
    misshaped = [f"{name} is {list(tensors[name].shape)}, wanted {shape_text(shape)}"
                 for name, shape in expected.items() if name in tensors and not fits(tensors[name].shape, shape)]
    parts = [depth] * bool(depth) + listed("missing", missing.values()) + \
        listed("unexpected", unexpected.values()) + listed("mis-shaped", misshaped)
    if not parts:
        return
    raise ConversionError(f"{path}: the tensors are not those of {architecture}: {'; '.join(parts)}"
                          f"{hints(tensors, missing, unexpected)}")


def check_values(tensors, path):
    for name, value in tensors.items():
        if value.device.type != "cpu":  # "meta" survives loading for the CPU
            raise ConversionError(f"{path}: {name} is on the device {value.device.type}, wanted a tensor with values")
        if value.dtype not in DTYPES or value.layout != torch.strided or value.is_quantized:
            raise ConversionError(f"{path}: {name} is {value.dtype}".replace("torch.", "") +
                                  ("" if value.layout == torch.strided else f", {value.layout}") +
                                  ", wanted float32, float16, bfloat16 or float64")
        wrong = torch.nonzero(~torch.isfinite(value.to(torch.float32).reshape(-1)))
        if len(wrong):
            raise ConversionError(f"{path}: {name} has {plural(len(wrong), 'value')} not finite as float32, the first "
                                  f"at index {int(wrong[0])}")
        if name.endswith(".running_var") and bool((value < 0).any()):
            raise ConversionError(f"{path}: {name} has a negative variance")


def same_weights(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def check_different(members, paths):
    """One checkpoint given twice would count twice in every score."""
    for j in range(len(members)):
        for i in range(j):
            if same_weights(members[i], members[j]):
                raise ConversionError(f"{paths[j]}: has the same weights as {paths[i]}: one member given twice")


def check_dropped(drop, used, paths):
    """A misspelt name would leave nothing out, silently."""
    idle = [part for part in drop if part not in used]
    if idle:
        others = " or in the other checkpoints" if len(paths) > 1 else ""
        raise ConversionError(f"{paths[0]}: --drop {', '.join(idle)} finds no tensor here{others}, wanted a name that "
                              "is there, or its beginning up to a dot")
