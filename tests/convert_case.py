"""Checkpoints and descriptions for the tests of bindings/python/convert.py, which it makes importable."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

import make_model

FOLDER = Path(__file__).resolve().parent.parent / "bindings" / "python"
sys.path.insert(0, str(FOLDER))

import convert  # noqa: E402 - the path comes first

RESNET = {"depth": 10, "width": 4, "size": 16}
MEDICALNET = {"layer_strides": (1, 2, 1, 1), "layer_dilations": (1, 1, 2, 4)}
PMG = {"architecture": "pmg2d", "width": 8}


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
    """A state dict in PyTorch's tensors."""
    options = options if "architecture" in options else {**RESNET, **options}
    return {name: torch.from_numpy(value.copy()) for name, value in make_model.state_dict(seed=seed, **options).items()}


class Case:
    """A folder with a description, to which checkpoints are added and from which they are converted."""

    def __init__(self, folder, description):
        self.folder, self.description, self.paths = folder, copy.deepcopy(description), []
        self.out = folder / "model.safetensors"

    def add(self, checkpoint, name=None, **options):
        path = self.folder / (name or f"checkpoint{len(self.paths)}.pt")
        torch.save(checkpoint, path, **options)
        self.paths.append(path)
        return self

    def arguments(self, *more):
        described_at = self.folder / "description.json"
        described_at.write_text(json.dumps(self.description))
        return [*map(str, self.paths), "--description", str(described_at), "--out", str(self.out), *more]

    def convert(self, *more):
        """The model file's tensors and description."""
        assert convert.main(self.arguments(*more)) == 0
        return make_model.read_safetensors(self.out)

    def refused(self, capsys, *more):
        """The one line it says, with nothing written."""
        before = sorted(self.folder.iterdir())
        arguments = self.arguments(*more)
        assert convert.main(arguments) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.startswith("convert.py: ") and printed.err.count("\n") == 1
        assert set(self.folder.iterdir()) - set(before) <= {self.folder / "description.json"}
        return printed.err

    def run(self, *arguments, **environment):
        """As a program."""
        return subprocess.run([sys.executable, FOLDER / "convert.py", *arguments], capture_output=True, text=True,
                              timeout=600, env={**os.environ, **environment})
