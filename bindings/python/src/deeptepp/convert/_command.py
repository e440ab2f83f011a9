"""The command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

from ._description import ConversionError, plural
from ._model import convert

PROGRAM = "deeptepp convert"


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConversionError(message)


def renaming(text: str) -> tuple[str, str]:
    old, sign, new = text.partition("=")
    if not (old.strip(".") and sign):
        raise argparse.ArgumentTypeError(f"{text!r}, wanted OLD=NEW")
    return old, new


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog=f"python -m {PROGRAM}", description="Make a libdeeptepp model file of PyTorch checkpoints.",
                    epilog="docs/convert.md says what the description must hold.", allow_abbrev=False)
    add = parser.add_argument
    add("checkpoints", nargs="+", metavar="CHECKPOINT", help=".pt, .pth or .safetensors; one a member of the ensemble")
    add("--description", required=True, metavar="FILE", help="JSON or YAML")
    add("--out", required=True, metavar="FILE", help="the model file to write")
    add("--entry", metavar="NAME", help="which network of a checkpoint that holds several, e.g. ema.state_dict")
    add("--drop", action="append", default=[], metavar="NAME", help="leave out tensors of that name, or under it")
    add("--rename", action="append", default=[], type=renaming, metavar="OLD=NEW",
        help="another name for a tensor, or for all under OLD; NEW may be empty")
    add("--head", action="append", default=[], metavar="FILE",
        help="a file with the last layer, for a backbone without one; one, or one a checkpoint")
    return parser.parse_args(argv)


def one_line(text: object) -> str:
    """Tensor names of a foreign file may hold anything; a terminal gets no control characters."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


def say(text: object, stream: TextIO) -> None:
    """Whatever the stream can write."""
    encoding = stream.encoding or "utf-8"
    print(one_line(text).encode(encoding, "backslashreplace").decode(encoding), file=stream)


def summary(out: str, model: dict[str, Any]) -> None:
    network, test = model["network"], model["self_test"]
    count = len(network.get("members", [""]))
    counters = sum(name.endswith("num_batches_tracked") for name in model["unused"])
    others = [name for name in model["unused"] if not name.endswith("num_batches_tracked")]
    size = f"{model['parameters'] / 1e6:.2f} M parameters"
    lines = [f"wrote {out}: {network['architecture']}, {plural(count, 'member')} of {size}"]
    left_out = others + ([f"{counters} num_batches_tracked"] if counters else [])
    lines += [f"left out, never read: {', '.join(left_out)}"] if left_out else []
    lines += model["notes"]
    lines += [f"self-test: seed {test['seed']}, score {test['score']:.9g}: passed by the library here",
              f"sha256 {model['sha256']}"]
    for line in lines:
        say(line, sys.stdout)


def refuse(text: object) -> int:
    say(f"{PROGRAM}: {one_line(text)}", sys.stderr)
    return 2


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 with one line on the standard error."""
    try:
        given = parse(argv)
        model = convert(given.checkpoints, given.description, given.out, entry=given.entry, drop=given.drop,
                        rename=given.rename, head=given.head)
        summary(given.out, model)
    except OSError as error:
        return refuse(f"{error.filename}: {error.strerror}" if error.filename else error)
    except (ConversionError, ImportError) as error:
        return refuse(error)
    except KeyboardInterrupt:
        return 130
    return 0
