"""One fold: its network trained until its own validation part gets no better, then the scores of what it never saw."""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from . import _batches
from ._cohort import Case
from ._folds import Fold
from ._inputs import Input
from ._losses import LOSSES
from ._networks import network
from ._settings import SCORES, Settings
from ._start import TrainingError

MOMENTUM = 0.9


class Epoch(NamedTuple):
    """Losses; validation: None without a validation part."""

    train: float
    validation: float | None


@dataclass
class State:
    """What a checkpoint holds beside the optimiser; best: 0 before the first epoch, weights: the best epoch's."""

    history: list[Epoch] = field(default_factory=list)
    best: int = 0
    weights: dict[str, Any] = field(default_factory=dict)


class Trained(NamedTuple):
    """weights: float32, by the names of docs/model-format.md; scores: of the fold's out part, in order."""

    weights: dict[str, npt.NDArray[np.float32]]
    scores: list[float]
    history: list[Epoch]
    best: int


class Trainer:
    """cases, inputs: of the whole cohort. path: of the checkpoint; say: gets lines of progress."""

    def __init__(self, settings: Settings, cases: Sequence[Case], inputs: Sequence[Input], number: int, fold: Fold,
                 device: Any, path: str, say: Callable[[str], object], start: dict[str, Any] | None = None) -> None:
        self.settings, self.training = settings, settings.training
        self.cases, self.inputs, self.number, self.fold = cases, inputs, number, fold
        self.device, self.path, self.say = device, path, say
        self.own = len(settings.description["input"]["angles_deg"])
        seed = np.random.SeedSequence([self.training.seed, number]).generate_state(1)
        self.network = network(settings, int(seed[0]))
        if start is not None:
            self.network.load_state_dict(start, strict=False)
        self.flat = settings.network["architecture"] == "pmg2d"
        # A fifth faster. In 2-D PyTorch 2.13 writes past its memory in thin networks: 8 to 16 channels, 1x1, stride 2.
        self.format = torch.contiguous_format if self.flat else torch.channels_last_3d
        self.network.to(device=device, memory_format=self.format)
        self.optimiser = self._optimiser()
        self.loss = LOSSES[self.training.loss]
        self.state = State()

    # ---- Training ----

    def run(self) -> Trained:
        self._restore()
        while len(self.state.history) < self.training.epochs and not self._stopped():
            self._epoch()
        self.network.load_state_dict(self.state.weights)
        if self.training.loss == "cox":
            self._standardise()
        weights = {name: value.detach().cpu().contiguous().numpy() for name, value in self.network.state_dict().items()
                   if not name.endswith("num_batches_tracked")}
        return Trained(weights, self.scores(self.fold.out), self.state.history, self.state.best)

    def _stopped(self) -> bool:
        return bool(self.fold.validation) and len(self.state.history) - self.state.best >= self.training.patience

    def _epoch(self) -> None:
        number = len(self.state.history)
        random = np.random.Generator(np.random.PCG64([self.training.seed, self.number, number]))
        share = (1 + math.cos(math.pi * number / self.training.epochs)) / 2
        for group in self.optimiser.param_groups:
            group["lr"] = group["initial_lr"] * share
        events = [self.cases[i].event for i in self.fold.train]
        losses = [self._batch([self.fold.train[k] for k in batch], random)
                  for batch in _batches.batches(events, self.training.batch, random)]
        self._keep(Epoch(sum(losses) / len(losses), self._validation()))

    def _batch(self, at: Sequence[int], random: np.random.Generator) -> float:
        self.network.train()
        x = _batches.drawn([self.inputs[i] for i in at], self.training.augmentation, random)
        total = 0.0
        for head, pieces, weight in self.network.steps:
            logits = self.network.head(self._tensor(_batches.shuffled(x, pieces, random)), head)
            loss = weight * self.loss(logits, *(values.to(logits.device) for values in self._outcomes(at)))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            total += loss.item()
        return total

    def _validation(self) -> float | None:
        if not self.fold.validation:
            return None
        logits = self.logits(self.fold.validation)
        return float(self.loss(logits.mean(dim=1), *self._outcomes(self.fold.validation)).item())

    def _keep(self, epoch: Epoch) -> None:
        history, state = self.state.history, self.state
        history.append(epoch)
        if not all(math.isfinite(value) for value in epoch if value is not None):
            raise TrainingError(f"fold {self.number}, epoch {len(history)}: the loss is no number, wanted a smaller "
                                f"training.rate than {self.training.rate:g}")
        if epoch.validation is None or epoch.validation < min((e.validation for e in history[:-1]
                                                               if e.validation is not None), default=math.inf):
            state.best = len(history)
            state.weights = {name: value.clone() for name, value in self.network.state_dict().items()}
        self._save()
        told = "" if epoch.validation is None else f", validation {epoch.validation:.4f} (best at {state.best})"
        self.say(f"fold {self.number} epoch {len(history)}/{self.training.epochs}: loss {epoch.train:.4f}{told}")

    def _optimiser(self) -> Any:
        heads = {id(value) for module in self.network.heads() for value in module.parameters()}
        groups = [{"params": [v for v in self.network.parameters() if (id(v) in heads) == own],
                   "lr": self.training.rate * share, "initial_lr": self.training.rate * share}
                  for own, share in ((True, 1.0), (False, self.training.backbone_rate))]
        if self.training.optimiser == "sgd":
            return torch.optim.SGD(groups, momentum=MOMENTUM, weight_decay=self.training.weight_decay)
        return torch.optim.AdamW(groups, weight_decay=self.training.weight_decay)

    # ---- Scores ----

    def logits(self, at: Sequence[int]) -> Any:
        """(cases, views, classes) of the recipe's own views, on the processor."""
        self.network.eval()
        found = []
        step = max(1, self.training.batch // self.own)
        with torch.no_grad():
            for k in range(0, len(at), step):
                x = _batches.views([self.inputs[i] for i in at[k:k + step]], self.own)
                out = self.network(self._tensor(x.reshape(-1, *x.shape[2:])))
                found.append(out.reshape(len(x), self.own, -1).cpu())
        return torch.cat(found)

    def scores(self, at: Sequence[int]) -> list[float]:
        """As the library's: the rule's value, averaged over views."""
        rule = SCORES[self.training.loss]
        values = self.logits(at)[:, :, rule["class"]].double().mean(dim=1)
        return [float(value) for value in values]

    def _standardise(self) -> None:
        """A Cox likelihood does not see a shift, and folds differ in spread: over its own training part each network
        gets mean 0 and standard deviation 1, so that scores of different folds can be put together."""
        scores = np.array(self.scores([*self.fold.train, *self.fold.validation]))
        mean, sd = float(scores.mean()), float(scores.std()) or 1.0
        layers = self.network.last()
        with torch.no_grad():
            for layer in layers:
                layer.bias.sub_(mean / len(layers)).div_(sd)
                layer.weight.div_(sd)

    def _tensor(self, x: npt.NDArray[np.float32]) -> Any:
        tensor = torch.from_numpy(x)
        if self.flat:
            tensor = tensor[:, :, 0]
        return tensor.to(device=self.device, memory_format=self.format)

    def _outcomes(self, at: Sequence[int]) -> tuple[Any, Any]:
        return (torch.tensor([self.cases[i].time for i in at], dtype=torch.float64),
                torch.tensor([self.cases[i].event for i in at], dtype=torch.float64))

    # ---- Checkpoints ----

    def _save(self) -> None:
        temporary = f"{self.path}.{os.getpid()}.tmp"
        state = {"history": [list(epoch) for epoch in self.state.history], "best": self.state.best,
                 "weights": self.state.weights}
        torch.save({"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict(), "state": state},
                   temporary)
        os.replace(temporary, self.path)

    def _restore(self) -> None:
        if not os.path.exists(self.path):
            return
        try:
            held = torch.load(self.path, map_location=self.device, weights_only=True)
        except (EOFError, RuntimeError, pickle.UnpicklingError):
            self.say(f"fold {self.number}: {self.path} cannot be read, and the fold begins anew")
            return
        self.network.load_state_dict(held["network"])
        self.optimiser.load_state_dict(held["optimiser"])
        self.state = State([Epoch(*epoch) for epoch in held["state"]["history"]], held["state"]["best"],
                           held["state"]["weights"])
        self.say(f"fold {self.number}: goes on after epoch {len(self.state.history)}")
