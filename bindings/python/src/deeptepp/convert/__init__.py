"""From PyTorch checkpoints, as they are found, to a model file. PyTorch is not needed: docs/convert.md.

    deeptepp.convert.convert(["fold0.pt", "fold1.pt"], "model.yaml", "model.safetensors")

A checkpoint is read as data: nothing in it is imported, called or run.
"""

from ._command import main
from ._description import ConversionError
from ._model import convert

__all__ = ["ConversionError", "convert", "main"]
