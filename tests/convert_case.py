"""Checkpoints and descriptions for the tests of deeptepp.convert."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import deeptepp.convert
import make_model
from checkpoint_maker import write_legacy, write_zip

FOLDER = Path(__file__).resolve().parent.parent / "bindings" / "python" / "src" / "deeptepp" / "convert"
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "convert.md"
PROGRAM = "deeptepp convert: "

RESNET = {"depth": 10, "width": 4, "size": 16}
MEDICALNET = {"layer_strides": (1, 2, 1, 1), "layer_dilations": (1, 1, 2, 4)}
PMG = {"architecture": "pmg2d", "width": 8, "views": 1}


def described(drop=(), **options):
    """What its author writes: without what converting derives, and with what the model file does not hold."""
    model = make_model.description(**{**RESNET, **options} if "architecture" not in options else options)
    if "architecture" not in options:
        model["network"].setdefault("stem_activation", model["network"]["activation"])
        model["network"]["norm_eps"] = 1e-5
    for key in ("architecture", "members"):
        model["network"].pop(key, None)
    return {key: value for key, value in model.items() if key not in ("schema", *drop)}


def weights(seed=1, **options):
    """A state dict in NumPy's arrays."""
    options = {**({} if "architecture" in options else RESNET), **options}
    return {name: value.copy() for name, value in make_model.state_dict(seed=seed, **options).items()}


class Case:
    """A folder with a description, to which checkpoints are added and from which they are converted."""

    def __init__(self, folder, description):
        self.folder, self.description, self.paths = folder, copy.deepcopy(description), []
        self.out = folder / "model.safetensors"

    def at(self, name=None):
        self.paths.append(self.folder / (name or f"checkpoint{len(self.paths)}.pt"))
        return self.paths[-1]

    def add(self, checkpoint, name=None, legacy=False, **options):
        """Made by hand: arrays of NumPy are tensors."""
        (write_legacy if legacy else write_zip)(self.at(name), checkpoint, **options)
        return self

    def save(self, checkpoint, name=None, **options):
        """By PyTorch."""
        import torch

        torch.save(checkpoint, self.at(name), **options)
        return self

    def arguments(self, *more):
        described_at = self.folder / "description.json"
        described_at.write_text(json.dumps(self.description))
        return [*map(str, self.paths), "--description", str(described_at), "--out", str(self.out), *map(str, more)]

    def convert(self, *more):
        """The model file's tensors and description."""
        assert deeptepp.convert.main(self.arguments(*more)) == 0
        return make_model.read_safetensors(self.out)

    def refused(self, capsys, *more):
        """The one line it says, with nothing written."""
        before = sorted(self.folder.iterdir())
        assert deeptepp.convert.main(self.arguments(*more)) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.startswith(PROGRAM) and printed.err.count("\n") == 1
        assert ".part" not in printed.err
        assert set(self.folder.iterdir()) - set(before) <= {self.folder / "description.json"}
        return printed.err

    def run(self, *arguments, **environment):
        """As a program."""
        return subprocess.run([sys.executable, "-m", "deeptepp", "convert", *arguments], capture_output=True, text=True,
                              timeout=600, env={**os.environ, **environment})
