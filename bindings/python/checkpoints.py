"""Tensors out of checkpoints that may come from anywhere: no code of theirs runs, and nothing is guessed."""

import os
import re
import warnings
from collections.abc import Mapping

import torch
from safetensors import SafetensorError, safe_open

from description import ConversionError, plural

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.")
WRAPPER_DEPTH = 4
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
UNUSED = {"resnet3d": (), "pmg2d": ("features.fc.",)}  # there in checkpoints, read by no network
COUNTER = ".num_batches_tracked"


# ---- Reading ----


def format_of(path):
    """"safetensors" or "torch", by content: names lie."""
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise ConversionError(f"{path}: is a Git-LFS pointer, wanted the file itself (git lfs pull)")
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= os.path.getsize(path) - 8:
        return "safetensors"
    if start.startswith((b"PK", b"\x80")):
        return "torch"
    raise ConversionError(f"{path}: is neither a PyTorch checkpoint nor safetensors")


def read_safetensors(path):
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ConversionError(f"{path}: is not sound safetensors: {error}") from error


def read_torch(path):
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # the file is not trusted: its unpickler may raise anything
        named = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it wants to run {named[1]}" if named else str(error).strip().splitlines()[0]
        raise ConversionError(f"{path}: is not a checkpoint of tensors alone ({reason}); nothing in it was run. Wanted "
                              "what torch.save(model.state_dict(), ...) writes") from error


# ---- Finding the state dict ----


def is_network(value):
    """Both networks have a stem by that name."""
    return isinstance(value, Mapping) and any(
        isinstance(key, str) and key.endswith("conv1.weight") and isinstance(tensor, torch.Tensor)
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


def is_dropped(name, drop):
    return any(name == part or name.startswith(part.rstrip(".") + ".") for part in drop)


def plain_names(tensors, drop=()):
    """Without what is to be dropped and without prefixes that all names share; they may be stacked."""
    while True:
        tensors = {name: value for name, value in tensors.items() if not is_dropped(name, drop)}
        shared = [prefix for prefix in PREFIXES if tensors and all(name.startswith(prefix) for name in tensors)]
        if not shared:
            return tensors
        tensors = {name.removeprefix(shared[0]): value for name, value in tensors.items()}


def read(path, entry=None, drop=()):
    """{plain name: tensor} of a checkpoint of either format."""
    if format_of(path) == "torch":
        tensors = unwrap(read_torch(path), path, entry)
    else:
        tensors = read_safetensors(path)
    tensors = plain_names({str(name): value for name, value in tensors.items()}, drop)
    other = sorted(name for name, value in tensors.items() if not isinstance(value, torch.Tensor))
    if other:
        raise ConversionError(f"{path}: no tensors: {', '.join(other)} (--drop NAME leaves one out)")
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


def check_names(tensors, expected, architecture, path):
    """Every difference from the network, with shapes."""
    missing = [f"{name} {list(shape)}" for name, shape in expected.items() if name not in tensors]
    unexpected = [f"{name} {list(value.shape)}" for name, value in tensors.items() if name not in expected]
    misshaped = [f"{name} is {list(tensors[name].shape)}, wanted {list(shape)}" for name, shape in expected.items()
                 if name in tensors and tuple(tensors[name].shape) != shape]
    parts = listed("missing", missing) + listed("unexpected", unexpected) + listed("mis-shaped", misshaped)
    if not parts:
        return
    segmentation = any(text.startswith("conv_seg.") for text in unexpected)
    hint = " (conv_seg is MedicalNet's segmentation head: --drop conv_seg leaves it out)" if segmentation else ""
    raise ConversionError(f"{path}: the tensors are not those of {architecture}: {'; '.join(parts)}{hint}")


def check_values(tensors, path):
    for name, value in tensors.items():
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
