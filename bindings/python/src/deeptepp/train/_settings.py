"""The description of a training: the converter's, with what the network is to be and how it is trained. All of it has
defaults (docs/training.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._sidecar import RESEARCH
from ..convert import ConversionError, _description
from ..convert._description import is_integer, is_integers, want, want_keys
from ..convert._networks import ARCHITECTURES, DEPTHS

CLASSES = {"cox": 1, "recurrence": 2}
SCORES = {"cox": {"rule": "logit", "class": 0}, "recurrence": {"rule": "logit", "class": 1}}
OPTIMISERS = ("adamw", "sgd")
LATER = ("tiers", "calibration", "covariates", "score")  # what training does not decide

TEXTS = {
    "version": "1", "licence": "not stated", "authors": "not stated", "weights": "trained",
    "intended_use": f"{RESEARCH} Research on cohorts like the one it was trained on.",
    "limitations": "Not validated on other cohorts, scanners or protocols than those it was trained on.",
}
CUBE = {"axes": "RAS", "size": [32, 32, 32], "angles_deg": [72, 144, 216, 288, 360],
        "region": {"rule": "fixed", "spacing_mm": [1.5, 1.5, 1.5]}, "outside": {"rule": "warn", "fill": "edge"},
        "intensity": {"rule": "zscore", "over": "view"}}
MOSAIC = {"recipe": "mosaic", "axes": "LPS", "size": [1, 512, 512], "angles_deg": [36 * k for k in range(1, 11)],
          "slices": "first"}
RESNET3D = {"depth": 10, "width": 16, "stem_kernel": [7, 7, 7], "stem_stride": [2, 2, 2], "stem_pool": True,
            "layer_strides": [1, 2, 2, 2], "layer_dilations": [1, 1, 1, 1], "shortcut": "B", "downsample_bias": False,
            "stem_activation": "relu", "activation": "relu", "norm_eps": _description.NORM_EPS}
PMG2D = {"width": 64}
MADE_WITH = ("depth", "width", "stem_kernel", "downsample_bias")  # what the file's shapes tell


@dataclass(frozen=True)
class Augmentation:
    """Of each case each time it is seen; one of the recipe's views is drawn as well.

    angles_deg  views at these angles beside the recipe's
    flips       axes of the network's tensor that are reversed with probability 1/2
    intensity   standard deviation of a factor about 1 and of a shift about 0, in units of the tensor
    """

    angles_deg: tuple[float, ...]
    flips: tuple[str, ...]
    intensity: float


@dataclass(frozen=True)
class Training:
    """validation: the share of a fold's training part that decides when to stop; 0: all epochs are run.
    backbone_rate: the rate of all but the last layers, as a share of rate."""

    loss: str
    folds: int
    validation: float
    epochs: int
    patience: int
    batch: int
    rate: float
    backbone_rate: float
    weight_decay: float
    optimiser: str
    seed: int
    augmentation: Augmentation
    time: str
    event: str
    site: str
    patient: str


@dataclass(frozen=True)
class Settings:
    """description: the model file's so far; network: with depth and width; path: for messages."""

    description: dict[str, Any]
    network: dict[str, Any]
    training: Training
    path: str

    @property
    def classes(self) -> int:
        return CLASSES[self.training.loss]

    @property
    def angles(self) -> list[float]:
        """The recipe's, then those of training alone."""
        return [*self.description["input"]["angles_deg"], *self.training.augmentation.angles_deg]

    def plain(self) -> dict[str, Any]:
        """Everything that decides the weights, for a digest."""
        return {"input": self.description["input"], "network": self.network,
                "training": dataclasses.asdict(self.training)}


def read(path: str | None, channels: Sequence[str], name: str) -> Settings:
    """path: a .json or .yaml; None: all defaults. channels: the cohort's, where the description names none; name: the
    model's, where it has none. ConversionError: what is wrong with it."""
    given = {} if path is None else _description.read(path)
    try:
        return _settings(given, channels, name, path or "the defaults")
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}" if path else str(error)) from error


def _settings(given: Any, channels: Sequence[str], name: str, path: str) -> Settings:
    want(isinstance(given, dict), "the description", given, "an object")
    later = [key for key in LATER if key in given]
    if later:
        raise ConversionError(f"the description of a training has {', '.join(later)}, wanted none of {', '.join(LATER)}"
                              ": training decides score, and python -m deeptepp freeze adds the rest")
    network = _network(given.get("network", {}))
    training = _training(given.get("training", {}), network["architecture"])
    section = given.get("input", {})
    want(isinstance(section, dict), "input", section, "an object")
    recipe = MOSAIC if network["architecture"] == "pmg2d" or section.get("recipe", "cube") != "cube" else CUBE
    description = {"name": name, **TEXTS, **{k: v for k, v in given.items() if k not in ("network", "training")},
                   "input": {**recipe, "channels": list(channels), **section}, "score": SCORES[training.loss]}
    _description.check({"training_cohort": "-", **description})
    want(isinstance(description["input"].get("angles_deg"), list), "input.angles_deg",
         description["input"].get("angles_deg"), "an array of numbers")
    return Settings(description, network, training, path)


# ---- Network ----


def _network(given: Any) -> dict[str, Any]:
    want(isinstance(given, dict), "network", given, "an object")
    architecture = given.get("architecture", "resnet3d")
    want(architecture in ARCHITECTURES, "network.architecture", architecture, " or ".join(ARCHITECTURES))
    defaults: Mapping[str, Any] = RESNET3D if architecture == "resnet3d" else PMG2D
    want_keys(given, "network", (), ("architecture", *defaults))
    network = {"architecture": architecture, **defaults, **given}
    want(is_integer(network["width"], 1, 4096), "network.width", network["width"], "an integer from 1 to 4096")
    if architecture == "resnet3d":
        _check_resnet3d(network)
    return network


def _check_resnet3d(network: dict[str, Any]) -> None:
    depths = sorted(depth for own in DEPTHS.values() for depth in own)
    want(network["depth"] in depths, "network.depth", network["depth"], f"one of {', '.join(map(str, depths))}")
    kernel = network["stem_kernel"]
    fits = is_integers(kernel, 3, 1, 15) and all(side % 2 for side in kernel)
    want(fits, "network.stem_kernel", kernel, "3 odd integers, 1 to 15")
    want(isinstance(network["downsample_bias"], bool), "network.downsample_bias", network["downsample_bias"],
         "true or false")
    section(network, 1)


def section(network: Mapping[str, Any], members: int) -> dict[str, Any]:
    """As the model file has it."""
    own = {key: value for key, value in network.items() if key not in MADE_WITH}
    return _description.network_section({"network": own}, network["architecture"], members)


# ---- Training ----


def _defaults(architecture: str) -> dict[str, Any]:
    published = architecture == "pmg2d"
    return {
        "loss": "recurrence" if published else "cox", "folds": 5, "validation": 0.2, "epochs": 200 if published else 60,
        "patience": 20 if published else 15, "batch": 16, "rate": 2e-3, "backbone_rate": 0.1 if published else 1.0,
        "weight_decay": 5e-4 if published else 1e-2, "optimiser": "sgd" if published else "adamw", "seed": 1,
        "augmentation": {}, "time": "rfs_time", "event": "rfs_event", "site": "site", "patient": "patient_id",
    }


def _augmentation(given: Any, architecture: str) -> Augmentation:
    want_keys(given, "training.augmentation", (), ("angles_deg", "flips", "intensity"))
    axes = ("height", "width") if architecture == "pmg2d" else ("depth", "height", "width")
    flips, angles = given.get("flips", list(axes)), given.get("angles_deg", [])
    intensity = given.get("intensity", 0.1)
    want(isinstance(flips, list) and all(axis in axes for axis in flips) and len(set(flips)) == len(flips),
         "training.augmentation.flips", flips, f"an array of {', '.join(axes)}")
    want(isinstance(angles, list) and all(_is_number(angle, -3600, 3600) for angle in angles),
         "training.augmentation.angles_deg", angles, "an array of numbers from -3600 to 3600")
    want(_is_number(intensity, 0, 1), "training.augmentation.intensity", intensity, "a number from 0 to 1")
    return Augmentation(tuple(angles), tuple(flips), float(intensity))


def _training(given: Any, architecture: str) -> Training:
    defaults = _defaults(architecture)
    want_keys(given, "training", (), defaults)
    found = {**defaults, **given}
    want(found["loss"] in list(CLASSES), "training.loss", found["loss"], " or ".join(CLASSES))
    want(found["optimiser"] in OPTIMISERS, "training.optimiser", found["optimiser"], " or ".join(OPTIMISERS))
    for key, low, high in (("folds", 2, _description.MAX_MEMBERS), ("epochs", 1, 100000), ("patience", 1, 100000),
                           ("batch", 2, 4096), ("seed", 0, _description.MAX_SEED)):
        want(is_integer(found[key], low, high), f"training.{key}", found[key], f"an integer from {low} to {high}")
    for key, most in (("rate", 10), ("backbone_rate", 1), ("weight_decay", 1), ("validation", 0.5)):
        least = 0 if key in ("weight_decay", "validation") else 1e-9
        want(key != "validation" or not found[key] or _is_number(found[key], 0.01, most), f"training.{key}", found[key],
             "0, or a number from 0.01 to 0.5")
        want(_is_number(found[key], least, most), f"training.{key}", found[key], f"a number from {least} to {most}")
    for key in ("time", "event", "site", "patient"):
        want(isinstance(found[key], str) and found[key], f"training.{key}", found[key], "the name of a column")
    return Training(**{**found, "augmentation": _augmentation(found["augmentation"], architecture)})


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
