"""A model's description, read from JSON or YAML and checked as far as converting needs it (docs/convert.md)."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable
from typing import Any

SCHEMA = 1
TEXTS = ("name", "version", "licence", "authors", "training_cohort", "intended_use", "limitations")
REQUIRED = (*TEXTS, "weights", "input", "score")
OPTIONAL = ("schema", "network", "covariates", "tiers", "calibration", "self_test", "provenance")
WEIGHTS = ("trained", "seeded")
ACTIVATIONS = {"relu": "relu", "leaky_relu": "leaky_relu (slope 0.01)", "elu": "elu (alpha 1)"}
NORM_EPS = 1e-5
MAX_MEMBERS = 64
MAX_PREFIX = 100
MAX_PROVENANCE = 64
MAX_SEED = 2**53
DEFAULT_SEED = 1
DEFAULT_TOLERANCE = 1e-4

# What a ResNet's shapes do not tell: what its key means in MONAI's ResNet and in MedicalNet.
UNTOLD = {
    "stem_stride": ("conv1_t_stride, by default [1, 1, 1], before 0.9 [1, 2, 2]", "[2, 2, 2]"),
    "stem_pool": ("true unless no_max_pool", "true"),
    "layer_strides": ("[1, 2, 2, 2]", "[1, 2, 1, 1]"),
    "layer_dilations": ("[1, 1, 1, 1]", "[1, 1, 2, 4]"),
    "shortcut": ('shortcut_type, by default "B"', '"A" in depth 18 and 34, else "B"'),
    "stem_activation": (f"act, which the stem alone gets, by default {', else '.join(ACTIVATIONS.values())}", '"relu"'),
    "activation": ('that of the blocks, "relu" whatever act is', '"relu"'),
    "norm_eps": ("1e-5, unless norm gives the stem another", "1e-5"),
}


class ConversionError(Exception):
    """What was found and what was wanted, in one line."""


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


# ---- Reading ----


def unique(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ConversionError(f"key {key!r} stands twice")
        result[key] = value
    return result


def no_constant(text: str) -> Any:
    raise ConversionError(f"{text} is no JSON")


def read_yaml(text: str) -> Any:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ConversionError("reading YAML needs the PyYAML package; JSON needs nothing") from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Refuses a key that stands twice, of which SafeLoader takes the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            return unique((self.construct_object(key, deep=True), self.construct_object(value, deep=True))
                          for key, value in node.value)
    # YAML 1.2's numbers without a point, such as 1e-5, are text to PyYAML.
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), "-+0123456789")
    Loader.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node))
    try:
        return yaml.load(text, Loader)
    except RecursionError:
        raise ConversionError("is not YAML of a description: nested too deeply") from None
    except yaml.YAMLError as error:
        raise ConversionError("is not YAML: " + " ".join(str(error).split())) from error


def read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except RecursionError:
        raise ConversionError("is not JSON of a description: nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ConversionError(f"is not JSON: {error}") from error


def read(path: str) -> Any:
    """The description as it stands in a .json, .yaml or .yml file."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        result = read_yaml(text) if path.endswith((".yaml", ".yml")) else read_json(text)
        json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise ConversionError(f"{path}: is not UTF-8: {error.reason} at byte {error.start}") from error
    except UnicodeEncodeError as error:
        found = error.object[error.start]
        raise ConversionError(f"{path}: holds half a character, U+{ord(found):04X}, wanted whole ones") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ConversionError(f"{path}: holds a value JSON has not: {error}") from error
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from error
    return result


# ---- Checking ----


def is_integer(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_integers(value: object, count: int, low: int, high: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(is_integer(item, low, high) for item in value)


def want(condition: object, key: str, value: object, wanted: object) -> None:
    if not condition:
        raise ConversionError(f"{key} is {json.dumps(value)[:80]}, wanted {wanted}")


def want_keys(section: Any, name: str, required: Iterable[str], optional: Iterable[str]) -> None:
    """Names every missing and every unknown key at once."""
    want(isinstance(section, dict), name, section, "an object")
    missing = [key for key in required if key not in section]
    unknown = [str(key) for key in section if key not in (*required, *optional)]
    parts = ([f"lacks {', '.join(missing)}"] if missing else []) + \
        ([f"has unknown keys {', '.join(unknown)}"] if unknown else [])
    if parts:
        raise ConversionError(f"{name} {' and '.join(parts)}")


def check_texts(given: dict[str, Any]) -> None:
    for key in TEXTS:
        want(isinstance(given[key], str) and given[key].strip(), key, given[key], "text, in quotes")
    want(given["weights"] in WEIGHTS, "weights", given["weights"], '"trained" or "seeded"')
    want(given.get("schema", SCHEMA) == SCHEMA, "schema", given.get("schema"), SCHEMA)


def check_input(section: Any) -> None:
    """What the self-test needs to know; the library checks the rest of it."""
    want(isinstance(section, dict), "input", section, "an object")
    for key in ("channels", "size"):
        want(key in section, "input", sorted(section), f"a key {key}")
    channels = section["channels"]
    fits = isinstance(channels, list) and 1 <= len(channels) <= 16 and all(isinstance(c, str) and c for c in channels)
    want(fits and len(set(channels)) == len(channels), "input.channels", channels, "1 to 16 different names")
    want(is_integers(section["size"], 3, 1, 512), "input.size", section["size"], "3 integers: depth, height, width")


def check_score(section: Any) -> None:
    want_keys(section, "score", ("rule", "class"), ())
    want(section["rule"] in ("logit", "softmax"), "score.rule", section["rule"], '"logit" or "softmax"')
    want(is_integer(section["class"], 0, 2**31 - 1), "score.class", section["class"], "an integer from 0")


def check_self_test(section: Any) -> None:
    want_keys(section, "self_test", (), ("seed", "tolerance"))
    seed, tolerance = section.get("seed", DEFAULT_SEED), section.get("tolerance", DEFAULT_TOLERANCE)
    want(is_integer(seed, 0, MAX_SEED), "self_test.seed", seed, "an integer from 0 to 2^53")
    fits = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool) and 0 < tolerance <= 1
    want(fits, "self_test.tolerance", tolerance, "a number above 0, at most 1")


def check_provenance(section: Any) -> None:
    """What training recorded; a number that YAML read is easily meant as text."""
    fits = isinstance(section, dict) and len(section) <= MAX_PROVENANCE
    want(fits, "provenance", section, f"an object of at most {MAX_PROVENANCE} texts")
    for key, value in section.items():
        want(isinstance(key, str) and key, "a key of provenance", key, "text, in quotes")
        want(isinstance(value, str) and value, f"provenance.{key}", value, "text, in quotes")


def check(given: Any) -> None:
    """Everything that does not need the checkpoints."""
    want_keys(given, "the description", REQUIRED, OPTIONAL)
    check_texts(given)
    check_input(given["input"])
    check_score(given["score"])
    check_self_test(given.get("self_test", {}))
    check_provenance(given.get("provenance", {}))
    want(isinstance(given.get("network", {}), dict), "network", given.get("network"), "an object")


# ---- Completing ----


def untold(missing: Iterable[str]) -> str:
    """What to write for a key, for the two families that share these names."""
    texts = [f"{key} (MONAI: {UNTOLD[key][0]}; MedicalNet: {UNTOLD[key][1]})" for key in missing]
    return f"network lacks what shapes do not tell, and what the training code did must be said: {', '.join(texts)}"


def check_resnet3d(section: dict[str, Any]) -> None:
    missing = [key for key in UNTOLD if key not in section]
    if missing:
        raise ConversionError(untold(missing))
    for key, count, most in (("stem_stride", 3, 8), ("layer_strides", 4, 8), ("layer_dilations", 4, 16)):
        wanted = f"{count} integers, 1 to {most}"
        want(is_integers(section[key], count, 1, most), f"network.{key}", section[key], wanted)
    want(isinstance(section["stem_pool"], bool), "network.stem_pool", section["stem_pool"], "true or false")
    want(section["shortcut"] in ("A", "B"), "network.shortcut", section["shortcut"], '"A" or "B"')
    activations = " or ".join(ACTIVATIONS.values())
    for key in ("stem_activation", "activation"):
        want(section[key] in tuple(ACTIVATIONS), f"network.{key}", section[key], activations)
    want(section["norm_eps"] == NORM_EPS, "network.norm_eps", section["norm_eps"],
         "1e-5: the library's networks have 1e-5")


def members_of(section: dict[str, Any], count: int) -> list[str]:
    """The prefix of each member's tensors: none for a single one, fold0., fold1., ... for several, unless given."""
    if "members" not in section:
        return [""] if count == 1 else [f"fold{i}." for i in range(count)]
    members = section["members"]
    fits = isinstance(members, list) and all(isinstance(m, str) and len(m.encode()) <= MAX_PREFIX for m in members)
    want(fits and len(members) == len(set(members)) == count, "network.members", members,
         f"{count} different texts of at most {MAX_PREFIX} bytes, one a checkpoint")
    return list(members)


def network_section(given: dict[str, Any], architecture: str, count: int) -> dict[str, Any]:
    """The section as the model file has it: without norm_eps, which is the same in all."""
    section = {"architecture": architecture, **given.get("network", {})}
    want(section["architecture"] == architecture, "network.architecture", section["architecture"],
         f'"{architecture}", which the tensors\' names say')
    optional = ("members",) + (() if architecture == "pmg2d" else tuple(UNTOLD))
    want_keys(section, "network", ("architecture",), optional)
    if architecture == "resnet3d":
        check_resnet3d(section)
    if count > MAX_MEMBERS:
        raise ConversionError(f"{count} checkpoints, wanted at most {MAX_MEMBERS}")
    members = members_of(section, count)
    section = {key: value for key, value in section.items() if key not in ("members", "norm_eps")}
    return {**section, "members": members} if members != [""] else section


def complete(given: dict[str, Any], network: dict[str, Any], score: float) -> dict[str, Any]:
    """The model file's description. score: the self-test's."""
    test = given.get("self_test", {})
    test = {"seed": test.get("seed", DEFAULT_SEED), "score": score, **test}
    return {"schema": SCHEMA, **{key: value for key, value in given.items() if key not in ("schema", "self_test")},
            "network": network, "self_test": test}
