"""A checkpoint's tensors against the network: names, shapes, types and values, every difference by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._description import ConversionError, plural
from ._names import HEADS, Wishes
from ._networks import UNKNOWN, Shape, wrong_depth
from ._tensors import WEIGHTS, Tensor, TensorFault

UNUSED = {"resnet3d": (), "pmg2d": ("features.fc.",)}  # there in checkpoints, read by no network
STEMS = {"resnet3d": "conv1.weight", "pmg2d": "features.conv1.weight"}
CLASSIFIERS = {"resnet3d": "fc.", "pmg2d": "classifier"}
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

Tensors = Mapping[str, Tensor]


# ---- Names and shapes ----


def refuse_computed(tensors: Iterable[str], path: str) -> None:
    """The network's weights are not there by name, and what is there would not be read."""
    for end, by, instead in COMPUTED:
        found = [name for name in tensors if name.endswith(end)]
        if found:
            layer = found[0].removesuffix(end)
            raise ConversionError(f"{path}: holds {found[0]}: {layer}.weight is computed in each run ({by}; "
                                  f"{plural(len(found), 'such weight')}), wanted the weights themselves: save the "
                                  f"network after torch.nn.utils.{instead} on each such layer")


def without_unused(tensors: Tensors, architecture: str) -> tuple[dict[str, Tensor], list[str]]:
    """What the network reads, and the names of what it never does."""
    starts = UNUSED[architecture]
    unused = [name for name in tensors if name.endswith(COUNTER) or any(name.startswith(start) for start in starts)]
    return {name: value for name, value in tensors.items() if name not in set(unused)}, unused


def counted(kind: str, items: Collection[str]) -> list[str]:
    return [f"{len(items)} {kind}: {', '.join(items)}"] if items else []


def shape_text(shape: Shape) -> str:
    return "[" + ", ".join("?" if n == UNKNOWN else str(n) for n in shape) + "]"


def fits(found: Shape, wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(n > 0 if m == UNKNOWN else n == m for n, m in zip(found, wanted))


def check_head(tensors: Tensors, expected: Mapping[str, Shape], architecture: str, path: str) -> None:
    start = CLASSIFIERS[architecture]
    if STEMS[architecture] not in tensors or any(name.startswith(start) for name in tensors):
        return
    others = sorted({name.split(".")[0] for name in tensors if name not in expected})
    beside = f" (beside the backbone there is {', '.join(others)})" if others else ""
    heads = [other for other in others if other in HEADS]
    several = f"; {heads[0]} is not one linear layer, which is all the library has" if heads else ""
    bring = ", or bring its head with --head FILE" if architecture == "resnet3d" else ""
    raise ConversionError(f"{path}: has no tensor {start}*{beside}: a backbone without its classifier cannot score; "
                          f"fine-tune it with one first, and convert the fine-tuned network{bring}{several}")


def prelu_slopes(tensors: Tensors, unexpected: Iterable[str]) -> list[str]:
    """A PReLU is the only layer here that has trained a row of weights and nothing else."""
    return [name for name in unexpected if name.endswith(".weight") and len(tensors[name].shape) == 1 and
            name.removesuffix("weight") + "bias" not in tensors and not name.startswith("conv_seg.")]


def prelu_hint(tensors: Tensors, slopes: Sequence[str]) -> str:
    if not slopes:
        return ""
    count = tensors[slopes[0]].shape[0]
    holds = "the slope" if count == 1 else f"a slope for each of {count} channels"
    return f" ({slopes[0]} holds {holds} that a PReLU has trained: the library has no PReLU, and without it this is " \
        "another network)"


def norm_hint(tensors: Tensors, missing: Iterable[str]) -> str:
    others = [name.removesuffix(".running_mean") for name in missing if name.endswith(".running_mean") and
              name.replace(".running_mean", ".weight") in tensors]
    return f" ({others[0]} has no running statistics: the library has no norm but BatchNorm, which keeps them)" \
        if others else ""


def option_hint(expected: Iterable[str], missing: Collection[str], unexpected: Iterable[str]) -> str:
    """What is beside a whole network may be left out; what lacks names may have others for them."""
    known = {name.split(".")[0] for name in expected}
    others = list(dict.fromkeys(top for top, dot, _ in (name.partition(".") for name in unexpected)
                                if dot and top not in known))
    if "conv_seg" in others:
        return " (conv_seg is MedicalNet's segmentation head: --drop conv_seg leaves it out)"
    if not others:
        return ""
    return " (--rename OLD=NEW gives a name, or the beginning of several, another)" if missing else \
        f" ({' '.join(f'--drop {top}' for top in others[:8])} leaves out what no network here has)"


def hints(tensors: Tensors, expected: Iterable[str], missing: Collection[str], unexpected: Iterable[str]) -> str:
    """Names that say what kind of network it is instead, or which option helps."""
    slopes = prelu_slopes(tensors, unexpected)
    others = [name for name in unexpected if name not in slopes]
    return prelu_hint(tensors, slopes) + norm_hint(tensors, missing) + option_hint(expected, missing, others)


def check_names(tensors: Tensors, expected: Mapping[str, Shape], architecture: str, path: str) -> None:
    """Every difference from the network, with shapes."""
    check_head(tensors, expected, architecture, path)
    depth = wrong_depth(tensors) if architecture == "resnet3d" else ""
    missing = {name: f"{name} {shape_text(shape)}" for name, shape in expected.items() if name not in tensors}
    unexpected = {name: f"{name} {list(value.shape)}" for name, value in tensors.items() if name not in expected}
    misshaped = [f"{name} is {list(tensors[name].shape)}, wanted {shape_text(shape)}"
                 for name, shape in expected.items() if name in tensors and not fits(tensors[name].shape, shape)]
    parts = [depth] * bool(depth) + counted("missing", missing.values()) + \
        counted("unexpected", unexpected.values()) + counted("mis-shaped", misshaped)
    if not parts:
        return
    raise ConversionError(f"{path}: the tensors are not those of {architecture}: {'; '.join(parts)}"
                          f"{hints(tensors, expected, missing, unexpected)}")


# ---- Values ----


def values_of(tensor: Tensor, name: str, path: str) -> npt.NDArray[Any]:
    if tensor.fault or tensor.dtype not in WEIGHTS:
        found = ", ".join(filter(None, (tensor.dtype, tensor.fault)))
        raise ConversionError(f"{path}: {name} is {found}, wanted float32, float16, bfloat16 or float64, with values")
    try:
        return tensor.raw()
    except TensorFault as error:
        raise ConversionError(f"{path}: {name} {error}") from error


def read_values(tensors: Tensors, path: str) -> dict[str, Tensor]:
    """The tensors with their values in memory, which are finite, and variances not negative."""
    return {name: _checked(tensor, name, path) for name, tensor in tensors.items()}


def _checked(tensor: Tensor, name: str, path: str) -> Tensor:
    values = values_of(tensor, name, path)
    held = Tensor(tensor.dtype, tensor.shape, lambda: values)
    single = held.float32().reshape(-1)
    wrong = np.flatnonzero(~np.isfinite(single))
    if wrong.size:
        raise ConversionError(f"{path}: {name} has {plural(wrong.size, 'value')} not finite as float32, the first at "
                              f"index {wrong[0]}")
    if name.endswith(".running_var") and (single < 0).any():
        raise ConversionError(f"{path}: {name} has a negative variance")
    return held


# ---- Several checkpoints ----


def same_weights(one: Tensors, other: Tensors) -> bool:
    return all(value.dtype == other[name].dtype and np.array_equal(value.raw(), other[name].raw())
               for name, value in one.items())


def check_different(members: Sequence[Tensors], paths: Sequence[str]) -> None:
    """One checkpoint given twice would count twice in every score."""
    for j in range(len(members)):
        for i in range(j):
            if same_weights(members[i], members[j]):
                raise ConversionError(f"{paths[j]}: has the same weights as {paths[i]}: one member given twice")


def check_used(wishes: Wishes, paths: Sequence[str]) -> None:
    """A misspelt name would leave nothing out, or rename nothing, silently."""
    asked = [f"--drop {part}" for part in wishes.drop] + [f"--rename {old}={new}" for old, new in wishes.rename]
    idle = [option for option in asked if option not in wishes.used]
    if idle:
        others = " or in the other checkpoints" if len(paths) > 1 else ""
        raise ConversionError(f"{paths[0]}: {', '.join(idle)} finds no tensor here{others}, wanted a name that is "
                              "there, or its beginning up to a dot")
