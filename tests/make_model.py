"""Model files with seeded weights, byte by byte, with NumPy alone: docs/model-format.md from the writer's side.

    python3 tests/make_model.py OUT [--depth 18] [--width 64] [--set input.axes='"SAR"'] ...
    python3 tests/make_model.py OUT --architecture pmg2d [--width 64] [--members 5] ...

A pmg2d of the published width, 64, takes some seconds a member with PyTorch, several times that without.
"""

import argparse
import json
import struct

import numpy as np

import numpy_resnet
import seeded_pmg
from seeded import as_float32, batch_norm, convolution, phantom, residual_block, under

# Depth: block, blocks a layer.
DEPTHS = {
    10: ("basic", (1, 1, 1, 1)),
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
    200: ("bottleneck", (3, 24, 36, 3)),
}

# Arbitrary: the 0.605 and 0.803 quantiles of the standard normal distribution, which `centre` gives the scores of its
# phantoms roughly. Seeded weights have no cohort that could have others.
CUTPOINTS = [0.27, 0.85]

PHANTOMS = 8
PHANTOM_EDGE = 32

DEFAULTS = {
    "architecture": "resnet3d", "depth": 18, "width": 64, "shortcut": "B", "stem_stride": (2, 2, 2), "pool": True,
    "layer_strides": (1, 2, 2, 2), "layer_dilations": (1, 1, 1, 1), "stem_kernel": (7, 7, 7), "downsample_bias": False,
    "activation": "relu", "stem_activation": None, "channels": ("t1c",), "classes": 2, "members": 0,
    "size": (64, 64, 64), "views": 10, "seed": 1, "dtype": "F32", "self_test": True, "overrides": {},
}


# What else a pmg2d can be asked for; its input is fixed.
PMG2D_OPTIONS = {"architecture", "width", "channels", "classes", "members", "views", "seed", "dtype", "self_test",
                 "overrides"}
PMG2D_SIZE = (1, seeded_pmg.SIZE, seeded_pmg.SIZE)


def options_with_defaults(options):
    pmg2d = options.get("architecture") == "pmg2d"
    unknown = {key for key in set(options) - (PMG2D_OPTIONS if pmg2d else set(DEFAULTS))
               if options[key] != DEFAULTS.get(key) and (key, options[key]) != ("size", PMG2D_SIZE)}
    if unknown:
        raise TypeError(f"unknown options: {sorted(unknown)}")
    full = {**DEFAULTS, **options, **({"size": PMG2D_SIZE} if pmg2d else {})}
    for key in ("stem_stride", "stem_kernel", "size"):
        full[key] = (full[key],) * 3 if isinstance(full[key], int) else tuple(full[key])
    return full


# ---- Weights ----


def state_dict(random=None, **options):
    """One member's tensors, float32 (counters int64), by MONAI's or the published network's names."""
    o = options_with_defaults(options)
    random = random or np.random.Generator(np.random.PCG64(o["seed"]))
    if o["architecture"] == "pmg2d":
        return seeded_pmg.state_dict(random, o["width"], o["classes"])
    block, layers = DEPTHS[o["depth"]]
    kernels, expansion = ((3, 3), 1) if block == "basic" else ((1, 3, 1), 4)
    # Each block adds at most this share to the second moment: activations stay of order 1 through 66 blocks.
    branch_scale = np.sqrt(min(0.25, 2 / sum(layers)))
    channels = o["width"]
    tensors = {"conv1.weight": convolution(random, channels, len(o["channels"]), o["stem_kernel"])}
    tensors.update(under("bn1", batch_norm(random, channels)))
    for layer, blocks in enumerate(layers):
        planes = o["width"] << layer
        for i in range(blocks):
            changes = i == 0 and (o["layer_strides"][layer] != 1 or channels != planes * expansion)
            downsample = o["downsample_bias"] if changes and o["shortcut"] == "B" else None
            tensors.update(residual_block(random, f"layer{layer + 1}.{i}", kernels, channels, planes, expansion,
                                          branch_scale, downsample))
            channels = planes * expansion
    tensors["fc.weight"] = random.standard_normal((o["classes"], channels)) / np.sqrt(channels)
    tensors["fc.bias"] = random.uniform(-0.2, 0.2, o["classes"])
    return as_float32(tensors)


def centre(network, tensors, size, random):
    """Scales and shifts the last layer so that logits over phantoms have mean 0 and standard deviation 1: scores
    differ between cases and fall on both sides of the cut-points. Rounded, so that every machine gets the same file."""
    if network["architecture"] == "pmg2d":
        return seeded_pmg.centre(tensors, random)
    member = numpy_resnet.Member(network, tensors)
    shape = tuple(min(n, PHANTOM_EDGE) for n in size)
    channels = tensors["conv1.weight"].shape[1]
    features = np.stack([member.features(phantom(random, channels, shape)) for _ in range(PHANTOMS)])
    spread = (features @ tensors["fc.weight"].T).std(axis=0)
    scale = np.array([float(f"{1 / value:.2g}") for value in spread])
    tensors["fc.weight"] = (tensors["fc.weight"] * scale[:, None]).astype(np.float32)
    mean = (features @ tensors["fc.weight"].T).mean(axis=0)
    tensors["fc.bias"] = np.round(-mean, 3).astype(np.float32)


# ---- Description ----


def whole(value):
    return int(value) if value == int(value) else value


def network_section(o):
    section = {"architecture": o["architecture"]} if o["architecture"] == "pmg2d" else {
        "architecture": "resnet3d", "stem_stride": list(o["stem_stride"]), "stem_pool": o["pool"],
        "layer_strides": list(o["layer_strides"]), "layer_dilations": list(o["layer_dilations"]),
        "shortcut": o["shortcut"], "activation": o["activation"],
    }
    if o["stem_activation"]:
        section["stem_activation"] = o["stem_activation"]
    if o["members"]:
        section["members"] = [f"fold{i}." for i in range(o["members"])]
    return section


def input_section(o):
    angles = [whole(360 * k / o["views"]) for k in range(1, o["views"] + 1)]
    if o["architecture"] == "pmg2d":
        return {"recipe": "mosaic", "channels": list(o["channels"]), "axes": "LPS", "size": list(o["size"]),
                "angles_deg": angles, "slices": "first"}
    return {
        "channels": list(o["channels"]), "axes": "RAS", "size": list(o["size"]), "angles_deg": angles,
        "region": {"rule": "fixed", "spacing_mm": [1, 1, 1]}, "outside": {"rule": "warn", "fill": "edge"},
        "intensity": {"rule": "zscore", "over": "view"},
    }


def override(section, path, value):
    """Sets the value at a dotted path; None takes the key away."""
    *parents, key = path.split(".")
    for parent in parents:
        section = section[parent]
    if value is None:
        section.pop(key, None)
    else:
        section[key] = value


def description(**options):
    """Everything but the self-test, whose score depends on the weights."""
    o = options_with_defaults(options)
    network = "pmg2d" if o["architecture"] == "pmg2d" else f"resnet3d-{o['depth']}"
    result = {
        "schema": 1, "name": f"seeded {network} of width {o['width']}, seed {o['seed']}", "version": "1",
        "licence": "CC0-1.0", "authors": "tests/make_model.py", "weights": "seeded",
        "training_cohort": "none: the weights are seeded random numbers",
        "intended_use": "testing software: the score means nothing",
        "limitations": "not trained on anything; not fit for any statement about a patient",
        "network": network_section(o), "input": input_section(o),
        "score": {"rule": "logit", "class": min(1, o["classes"] - 1)},
        "tiers": {"names": ["Low", "Moderate", "High"], "cutpoints": CUTPOINTS, "guidance": "deeptepp",
                  "source": "arbitrary: quantiles of a normal distribution; no cases"},
    }
    for path, value in o["overrides"].items():
        override(result, path, value)
    return result


def logits(network, tensors, view):
    """One member's, of one view (channels, depth, height, width)."""
    if network["architecture"] == "pmg2d":
        return seeded_pmg.forward(tensors)(view[0, 0]).sum(axis=0)
    return numpy_resnet.Member(network, tensors).logits(view)


def self_test(model, members, seed):
    """members: each one's tensors as the file stores them. The score is rounded for the same reason as in `centre`."""
    view = numpy_resnet.self_test_input(seed, (len(model["input"]["channels"]), *model["input"]["size"]))
    scores = [numpy_resnet.score(model["score"], logits(model["network"], tensors, view)) for tensors in members]
    return {"seed": seed, "score": float(f"{np.mean(scores):.9g}")}


# ---- The container ----


def to_bf16(values):
    """Round to nearest, ties to even. For finite values."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    return (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype("<u2")


def from_bf16(raw):
    return (raw.astype(np.uint32) << 16).view(np.float32)


ENCODE = {
    "F32": lambda values: values.astype("<f4"), "F64": lambda values: values.astype("<f8"),
    "F16": lambda values: values.astype("<f2"), "BF16": to_bf16, "I64": lambda values: values.astype("<i8"),
}
RAW = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "BF16": "<u2", "I64": "<i8"}


def decode(raw, dtype):
    """As float32, or int64 for counters."""
    if dtype == "I64":
        return raw
    return from_bf16(raw) if dtype == "BF16" else raw.astype(np.float32)


def as_stored(tensors, dtype):
    """The values a reader will find."""
    return {name: value if value.dtype == np.int64 else decode(ENCODE[dtype](value), dtype)
            for name, value in tensors.items()}


def write_safetensors(path, tensors, model=None, dtype="F32"):
    """model: the description, or None for a file of weights alone."""
    header, blocks, at = {}, [], 0
    if model is not None:
        header["__metadata__"] = {"deeptepp": json.dumps(model)}
    for name, value in tensors.items():
        stored = "I64" if value.dtype == np.int64 else dtype
        block = ENCODE[stored](value).tobytes()
        header[name] = {"dtype": stored, "shape": list(value.shape), "data_offsets": [at, at + len(block)]}
        blocks.append(block)
        at += len(block)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        file.writelines(blocks)


def read_safetensors(path):
    """(tensors as float32 or int64 by name, description or None). Trusts the file."""
    with open(path, "rb") as file:
        data = file.read()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:begin])
    text = header.pop("__metadata__", {}).get("deeptepp")
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        raw = np.frombuffer(data[begin + first:begin + last], RAW[entry["dtype"]])
        tensors[name] = decode(raw, entry["dtype"]).reshape(entry["shape"])
    return tensors, text and json.loads(text)


def member_tensors(model, tensors):
    """[(name, that member's tensors without the prefix)]."""
    prefixes = model["network"].get("members", [""])
    return [(prefix, {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)})
            for prefix in prefixes]


def make_model(path, **options):
    """Writes a model file and returns its description."""
    o = options_with_defaults(options)
    random = np.random.Generator(np.random.PCG64(o["seed"]))
    model = description(**o)
    prefixes = model["network"].get("members", [""])
    members = []
    for _ in prefixes:
        tensors = state_dict(random, **o)
        centre(model["network"], tensors, model["input"]["size"], random)
        members.append(as_stored(tensors, o["dtype"]))
    if o["self_test"] and "self_test" not in model:
        model["self_test"] = self_test(model, members, o["seed"])
    named = {prefix + name: value for prefix, tensors in zip(prefixes, members) for name, value in tensors.items()}
    write_safetensors(path, named, model, o["dtype"])
    return model


# ---- Command ----


def numbers(text):
    values = tuple(int(part) for part in text.split(","))
    return values[0] if len(values) == 1 else values


def setting(text):
    key, _, value = text.partition("=")
    return key, json.loads(value)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Write a model file with seeded weights.")
    add = parser.add_argument
    add("out")
    add("--architecture", choices=("resnet3d", "pmg2d"))
    add("--depth", type=int, choices=DEPTHS)
    for key in ("width", "classes", "members", "views", "seed"):
        add(f"--{key}", type=int)
    for key in ("stem-stride", "stem-kernel", "layer-strides", "layer-dilations", "size"):
        add(f"--{key}", type=numbers, help="one number or several with commas")
    add("--shortcut", choices="AB")
    add("--activation", choices=numpy_resnet.ACTIVATIONS)
    add("--stem-activation", choices=numpy_resnet.ACTIVATIONS)
    add("--dtype", choices=[name for name in ENCODE if name != "I64"])
    add("--channels", type=lambda text: tuple(text.split(",")))
    add("--no-pool", dest="pool", action="store_const", const=False)
    add("--no-self-test", dest="self_test", action="store_const", const=False)
    add("--downsample-bias", action="store_const", const=True)
    add("--set", dest="overrides", type=setting, action="append", metavar="PATH=JSON",
        help="a value of the description, e.g. input.axes='\"SAR\"'; null takes the key away")
    given = {key: value for key, value in vars(parser.parse_args()).items() if value is not None}
    given["overrides"] = dict(given.get("overrides", ()))
    return given


if __name__ == "__main__":
    arguments = parse_arguments()
    make_model(arguments.pop("out"), **arguments)
