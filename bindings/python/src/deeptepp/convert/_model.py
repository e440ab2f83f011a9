"""Checkpoints and a description to the finished model file, which the library has tried before it is there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import errors
from ..model import open_model
from . import _checkpoints, _description
from ._checks import check_different, check_names, check_used, read_values, without_unused
from ._description import ConversionError, plural, want
from ._forward import logits
from ._names import Wishes
from ._networks import ARCHITECTURES, Shape, expected_shapes
from ._tensors import WEIGHTS, Tensor


@dataclass
class Network:
    """What the checkpoints hold. section: the description's; unused, notes: what was left out, what was renamed."""

    section: dict[str, Any]
    members: list[dict[str, Tensor]]
    unused: list[str]
    notes: list[str]


# ---- The self-test ----


def self_test_input(seed: int, shape: tuple[int, ...]) -> Any:
    """SplitMix64 from `seed`, element after element in C order, float32 values in [-1, 1), as float64."""
    step, first, second = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + step * np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * first
        z = (z ^ (z >> np.uint64(27))) * second
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).astype(np.float32).astype(np.float64).reshape(shape)


def score_of(rule: Mapping[str, Any], values: Any) -> float:
    """A view's score of its summed logits."""
    if rule["rule"] == "softmax":
        powers = np.exp(values - values.max())
        values = powers / powers.sum()
    return float(values[rule["class"]])


def self_test_score(given: Mapping[str, Any], network: Network) -> float:
    """The mean over members, in float64, by this package's own implementation of the networks."""
    seed = given.get("self_test", {}).get("seed", _description.DEFAULT_SEED)
    view = self_test_input(seed, (len(given["input"]["channels"]), *given["input"]["size"]))
    scores = []
    with np.errstate(all="ignore"):
        for tensors in network.members:
            weights = {name: value.float32() for name, value in tensors.items()}
            scores.append(score_of(given["score"], logits(network.section, weights, view)))
    mean = sum(scores) / len(scores)
    want(np.isfinite(mean), "the self-test's score", str(mean), "a finite one: another self_test.seed")
    return float(f"{mean:.9g}")


# ---- Checkpoints against the network ----


def check_fit(given: Mapping[str, Any], network: Mapping[str, Any], shapes: Mapping[str, Shape]) -> None:
    """What only description and shapes together tell."""
    channels, size = given["input"]["channels"], given["input"]["size"]
    if network["architecture"] == "pmg2d":
        planes, classes = 1, shapes["classifier_concat.4.bias"][0]
        want(size == [1, 512, 512], "input.size", size, "[1, 512, 512], a mosaic")
    else:
        planes, classes = shapes["conv1.weight"][1], shapes["fc.bias"][0]
        want(min(size) >= 8, "input.size", size, "at least 8 each")
    want(len(channels) == planes, "input.channels", channels, plural(planes, "name"))
    want(given["score"]["class"] < classes, "score.class", given["score"]["class"], f"less than {classes}")


def section_of(first: dict[str, Tensor], path: str, given: Mapping[str, Any],
               count: int) -> tuple[dict[str, Any], dict[str, Shape]]:
    """(the network section, {tensor name: shape}), by the first checkpoint of several."""
    architecture = given.get("network", {}).get("architecture") or _checkpoints.architecture_of(first, path)
    want(architecture in ARCHITECTURES, "network.architecture", architecture, " or ".join(ARCHITECTURES))
    section = _description.network_section(dict(given), architecture, count)
    return section, expected_shapes(section, {name: value.shape for name, value in first.items()})


def heads_of(heads: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The file of each checkpoint's head."""
    if len(heads) > 1 and len(heads) != len(paths):
        raise ConversionError(f"{plural(len(heads), 'head')}, wanted one, or one for each of {len(paths)} checkpoints")
    return list(heads) * (len(paths) if len(heads) == 1 else 1)


def read_members(paths: Sequence[str], given: Mapping[str, Any], wishes: Wishes, heads: Sequence[str]) -> Network:
    network: Network | None = None
    expected: dict[str, Shape] = {}
    head_paths = heads_of(heads, paths)
    for i, path in enumerate(paths):
        found = _checkpoints.read(path, wishes)
        if head_paths:
            _checkpoints.with_head(found, _checkpoints.read_head(head_paths[i]), path, head_paths[i])
        if network is None:
            section, expected = section_of(found.tensors, path, given, len(paths))
            network = Network(section, [], [], found.notes)
        tensors, unused = without_unused(found.tensors, network.section["architecture"])
        network.unused = found.unused + unused
        check_names(tensors, expected, network.section["architecture"], path)
        network.members.append(read_values(tensors, path))
    assert network is not None
    check_used(wishes, paths)
    check_different(network.members, paths)
    check_fit(given, network.section, {name: value.shape for name, value in network.members[0].items()})
    return network


def model_of(paths: Sequence[str], described_at: str, wishes: Wishes,
             heads: Sequence[str]) -> tuple[dict[str, Any], Network]:
    """(the complete description, the network)."""
    given = _description.read(described_at)
    try:
        _description.check(given)
        network = read_members(paths, given, wishes, heads)
        return _description.complete(given, network.section, self_test_score(given, network)), network
    except ConversionError as error:
        named = str(error).startswith(tuple(f"{path}: " for path in (*paths, *heads)))
        raise ConversionError(str(error) if named else f"{described_at}: {error}") from error
    except MemoryError as error:
        raise ConversionError(f"{paths[0]}: memory is too short for its network as {described_at} describes "
                              "it") from error


# ---- Writing ----


def header_bytes(header: Mapping[str, Any]) -> bytes:
    """The beginning of a safetensors file: the header's length, and the header."""
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded


def container(tensors: Mapping[str, Tensor], text: str) -> Iterator[bytes]:
    """safetensors."""
    header: dict[str, Any] = {"__metadata__": {"deeptepp": text}}
    at = 0
    for name, tensor in tensors.items():
        size = tensor.raw().nbytes
        header[name] = {"dtype": WEIGHTS[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + size]}
        at += size
    yield header_bytes(header)
    for tensor in tensors.values():
        yield np.ascontiguousarray(tensor.raw()).tobytes()


def write(path: str, pieces: Iterator[bytes], accept: Callable[[str], None]) -> str:
    """Whole and accepted, or not at all: a temporary file beside it, renamed. Returns the SHA-256."""
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name[:200]}.{os.getpid()}.part")
    sha256 = hashlib.sha256()
    try:
        with open(temporary, "xb") as file:
            for piece in pieces:
                sha256.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        accept(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return sha256.hexdigest()


def try_out(path: str, described_at: str, tolerance: float) -> None:
    """The library opens the file and runs its self-test. What it computes in float32 may use half the tolerance, or
    another machine's last bits would fail."""
    try:
        with open_model(path, threads=1) as model:
            expected, found = model.self_test()
    except errors.DeepteppError as error:
        raise ConversionError(f"{described_at}: the library refuses the model: "
                              f"{error.message.removeprefix(path + ': ')}") from error
    most = tolerance * max(1, abs(expected)) / 2
    if not abs(found - expected) <= most:
        raise ConversionError(f"{described_at}: the self-test scores {expected:.9g} in float64 and {found:.9g} in the "
                              f"library, wanted within {most:.3g}: another self_test.seed, or a larger "
                              "self_test.tolerance")


def refuse_own_input(out: str, paths: Sequence[str]) -> None:
    for path in paths:
        if os.path.exists(out) and os.path.exists(path) and os.path.samefile(out, path):
            raise ConversionError(f"{out}: is one of the files read, wanted another name to write to")


Path = str | os.PathLike[str]


def convert(paths: Sequence[Path], description: Path, out: Path, *, entry: str | None = None, drop: Sequence[str] = (),
            rename: Sequence[tuple[str, str]] = (), head: Sequence[Path] = ()) -> dict[str, Any]:
    """Writes a model file that the library has opened and self-tested. Runs no code of the checkpoints'.

    paths        one checkpoint a member: PyTorch's or safetensors
    description  a .json, .yaml or .yml file: docs/convert.md
    out          the model file; it appears whole or not at all
    entry        which network of a checkpoint that holds several, such as "ema.state_dict"
    drop         tensors of these names, and all under them, are left out
    rename       (old, new): names that are old, or begin with it up to a dot, get new in its place
    head         files with the last layer, for backbones without one: one, or one for each checkpoint

    Returns the file's description and "sha256"; "unused": tensors that no network reads; "notes": what names were
    taken for; "parameters": of one member. Raises ConversionError, OSError. Any thread.
    """
    checkpoints, described_at, target = [os.fspath(path) for path in paths], os.fspath(description), os.fspath(out)
    heads = [os.fspath(path) for path in head]
    if not checkpoints:
        raise ConversionError("no checkpoint, wanted one for each member")
    refuse_own_input(target, [*checkpoints, *heads, described_at])
    complete, network = model_of(checkpoints, described_at, Wishes(entry, tuple(drop), tuple(rename)), heads)
    prefixes = complete["network"].get("members", [""])
    named = {prefix + name: value for prefix, tensors in zip(prefixes, network.members)
             for name, value in tensors.items()}
    tolerance = complete["self_test"].get("tolerance", _description.DEFAULT_TOLERANCE)
    pieces = container(named, json.dumps(complete, ensure_ascii=False, allow_nan=False))
    sha256 = write(target, pieces, lambda path: try_out(path, described_at, tolerance))
    parameters = sum(int(np.prod(value.shape)) for name, value in network.members[0].items() if ".running_" not in name)
    return {**complete, "sha256": sha256, "unused": network.unused, "notes": network.notes, "parameters": parameters}
