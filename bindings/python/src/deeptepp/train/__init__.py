"""From a cohort to a model file: docs/training.md. Takes PyTorch (pip install 'deeptepp[train]').

    deeptepp.train.train("cohort.tsv", "model.safetensors", description="model.yaml")

RESEARCH USE ONLY. Not a medical device: a score means what its training cohort makes it mean.
"""

from ._cohort import CohortError
from ._command import main
from ._start import Result, TrainingError, train

__all__ = ["CohortError", "Result", "TrainingError", "main", "train"]
