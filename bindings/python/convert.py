"""Checkpoints of PyTorch into one model file that libdeeptepp reads: docs/convert.md.

    python convert.py CHECKPOINT [CHECKPOINT ...] --description MODEL.json --out MODEL.safetensors

One checkpoint a member. Needs PyTorch, safetensors and NumPy; PyYAML only for a description in YAML.
"""

import argparse
import hashlib
import json
import os
import sys

import description
from description import ConversionError, first_line, plural

CHUNK = 1 << 20


# ---- The self-test ----


def self_test_input(seed, shape):
    """SplitMix64 from `seed`, element after element in C order, as float32 in [-1, 1)."""
    import numpy as np
    step, first, second = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
    z = np.uint64(seed) + step * np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
    z = (z ^ (z >> np.uint64(30))) * first
    z = (z ^ (z >> np.uint64(27))) * second
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).astype(np.float32).reshape(shape)


def score_of(rule, heads):
    """A view's score of its heads' logits (heads, classes)."""
    logits = heads.double().sum(dim=0)
    return float((logits.softmax(dim=0) if rule["rule"] == "softmax" else logits)[rule["class"]])


def score_self_test(given, network, members, dtype):
    """The mean over members, by PyTorch in that type."""
    import torch

    import networks
    depth, height, width = given["input"]["size"]
    seed = given.get("self_test", {}).get("seed", description.DEFAULT_SEED)
    channels = len(given["input"]["channels"])
    x = torch.from_numpy(self_test_input(seed, (1, channels, depth, height, width))).to(dtype)
    x = x[:, :, 0] if network["architecture"] == "pmg2d" else x
    shapes = {name: tuple(value.shape) for name, value in members[0].items()}
    scores = []
    with torch.no_grad():
        for tensors in members:
            module = networks.load(networks.build(network, shapes), tensors, dtype)
            scores.append(score_of(given["score"], module(x)[0]))
    return sum(scores) / len(scores)


def self_test_score(given, network, members):
    """In float64. A library that runs in float32 must be able to pass: if float32 already differs, say so now."""
    import torch
    score, single = (score_self_test(given, network, members, dtype) for dtype in (torch.float64, torch.float32))
    tolerance = given.get("self_test", {}).get("tolerance", description.DEFAULT_TOLERANCE) * max(1, abs(score))
    if not abs(single - score) <= tolerance / 2:
        raise ConversionError(f"the self-test scores {score:.9g} in float64 and {single:.9g} in float32, wanted within "
                              f"{tolerance / 2:.3g}: another self_test.seed, or a larger self_test.tolerance")
    return float(f"{score:.9g}")


# ---- Checkpoints against the network ----


def check_fit(given, network, shapes):
    """What only description and shapes together tell."""
    channels, size = given["input"]["channels"], given["input"]["size"]
    if network["architecture"] == "pmg2d":
        planes, classes = 1, shapes["classifier_concat.4.bias"][0]
        description.want(size == [1, 512, 512], "input.size", size, "[1, 512, 512], a mosaic")
    else:
        planes, classes = shapes["conv1.weight"][1], shapes["fc.bias"][0]
        description.want(min(size) >= 8, "input.size", size, "at least 8 each")
    description.want(len(channels) == planes, "input.channels", channels, plural(planes, "name"))
    description.want(given["score"]["class"] < classes, "score.class", given["score"]["class"], f"less than {classes}")


def network_of(first, path, given, count):
    """(the network section, {tensor name: shape}), by the first checkpoint of several."""
    import checkpoints
    import networks
    architecture = given.get("network", {}).get("architecture") or checkpoints.architecture_of(first, path)
    description.want(architecture in networks.ARCHITECTURES, "network.architecture", architecture,
                     " or ".join(networks.ARCHITECTURES))
    network = description.network_section(given, architecture, count)
    shapes = {name: tuple(value.shape) for name, value in first.items()}
    return network, networks.expected(networks.build(network, shapes))


def read_members(paths, given, entry, drop):
    """(the network section, each member's tensors, names that were left out)."""
    import checkpoints
    members, unused, used = [], [], set()
    first = checkpoints.read(paths[0], entry, drop, used)
    network, expected = network_of(first, paths[0], given, len(paths))
    for path in paths:
        tensors = checkpoints.read(path, entry, drop, used) if members else first
        tensors, unused = checkpoints.without_unused(tensors, network["architecture"])
        checkpoints.check_names(tensors, expected, network["architecture"], path)
        checkpoints.check_values(tensors, path)
        members.append(tensors)
    checkpoints.check_dropped(drop, used, paths)
    checkpoints.check_different(members, paths)
    check_fit(given, network, expected)
    return network, members, unused


# ---- Writing ----


def digest(path):
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()


def write(path, tensors, text):
    """Whole or not at all: a temporary file beside it, renamed. Returns the SHA-256."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.part")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = os.stat(temporary).st_mode
    try:
        save_file(tensors, temporary, metadata={"deeptepp": text})
        os.chmod(temporary, mode)  # save_file leaves a file that only its owner may read
        sha256 = digest(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except SafetensorError as error:
        raise OSError(f"{path}: cannot be written: {error}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return sha256


def refuse_own_input(out, paths):
    for path in paths:
        if os.path.exists(out) and os.path.exists(path) and os.path.samefile(out, path):
            raise ConversionError(f"{out}: is one of the files read, wanted another name to write to")


def model_of(paths, description_path, entry, drop):
    """(the complete description, each member's tensors, names that were left out)."""
    given = description.read(description_path)
    try:
        description.check(given)
        network, members, unused = read_members(paths, given, entry, drop)
        return description.complete(given, network, self_test_score(given, network, members)), members, unused
    except ConversionError as error:
        named = str(error).startswith(tuple(f"{path}: " for path in paths))
        raise ConversionError(str(error) if named else f"{description_path}: {error}") from error
    except (RuntimeError, MemoryError) as error:
        raise ConversionError(f"{paths[0]}: PyTorch cannot build or run its network as {description_path} describes "
                              f"it: {first_line(error)}") from error


def convert(paths, description_path, out, entry=None, drop=()):
    """Writes the model file. Returns its description with "sha256", and "unused": the tensors that no network reads."""
    refuse_own_input(out, [*paths, description_path])
    complete, members, unused = model_of(paths, description_path, entry, drop)
    prefixes = complete["network"].get("members", [""])
    named = {prefix + name: value.detach().clone().contiguous()
             for prefix, tensors in zip(prefixes, members) for name, value in tensors.items()}
    sha256 = write(out, named, json.dumps(complete, ensure_ascii=False, allow_nan=False))
    parameters = sum(value.numel() for name, value in members[0].items() if ".running_" not in name)
    return {**complete, "sha256": sha256, "unused": unused, "parameters": parameters}


# ---- Command ----


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ConversionError(message)


def parse(argv):
    parser = Parser(prog="convert.py", description="Make a libdeeptepp model file of PyTorch checkpoints.",
                    epilog="docs/convert.md says what the description must hold.")
    add = parser.add_argument
    add("checkpoints", nargs="+", metavar="CHECKPOINT", help=".pt, .pth or .safetensors; one a member of the ensemble")
    add("--description", required=True, metavar="FILE", help="JSON or YAML")
    add("--out", required=True, metavar="FILE", help="the model file to write")
    add("--entry", metavar="NAME", help="which state dict of a checkpoint that holds several, e.g. ema.state_dict")
    add("--drop", action="append", default=[], metavar="NAME", help="leave out tensors of that name, or under it")
    return parser.parse_args(argv)


def summary(out, model):
    network, test = model["network"], model["self_test"]
    count = len(network.get("members", [""]))
    counters = sum(name.endswith("num_batches_tracked") for name in model["unused"])
    others = [name for name in model["unused"] if not name.endswith("num_batches_tracked")]
    size = f"{model['parameters'] / 1e6:.2f} M parameters"
    print(f"wrote {out}: {network['architecture']}, {plural(count, 'member')} of {size}")
    if model["unused"]:
        print("left out, never read: " + ", ".join(others + ([f"{counters} num_batches_tracked"] if counters else [])))
    print(f"self-test: seed {test['seed']}, score {test['score']:.9g}; deeptepp selftest --model {out}")
    print(f"sha256 {model['sha256']}")


def one_line(text):
    """Tensor names of a foreign file may hold anything; a terminal gets no control characters."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


def refuse(text):
    print(f"convert.py: {one_line(text)}", file=sys.stderr)
    return 2


def main(argv=None):
    try:
        arguments = parse(argv)
        model = convert(arguments.checkpoints, arguments.description, arguments.out, arguments.entry, arguments.drop)
        summary(arguments.out, model)
    except OSError as error:
        return refuse(f"{error.filename}: {error.strerror}" if error.filename else error)
    except (ConversionError, ImportError) as error:
        return refuse(error)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
