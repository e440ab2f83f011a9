"""What training makes small."""

from __future__ import annotations

from collections.abc import Callable

import torch

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def cox(logits: torch.Tensor, time: torch.Tensor, event: torch.Tensor) -> torch.Tensor:
    """The negative log partial likelihood, ties by Efron, divided by the events; those at risk are the cases given.

    logits (n, 1); time, event (n). Without an event it is 0.
    """
    order = torch.argsort(time, descending=True, stable=True)
    risk, times, events = logits[order, 0].double(), time[order], event[order].double()
    highest = risk.detach().max()
    powers = torch.exp(risk - highest)
    _, tie, counts = torch.unique_consecutive(times, return_inverse=True, return_counts=True)
    at_risk = torch.cumsum(powers, 0)[torch.cumsum(counts, 0) - 1][tie]
    tied = torch.zeros(len(counts), dtype=powers.dtype, device=powers.device).index_add(0, tie, powers * events)[tie]
    deaths = torch.zeros_like(counts, dtype=powers.dtype).index_add(0, tie, events)
    before = torch.cumsum(events, 0) - events  # events sorted before this one
    first = (torch.cumsum(deaths, 0) - deaths)[tie]
    share = (before - first) / deaths[tie].clamp(min=1)
    terms = risk - highest - torch.log(at_risk - share * tied)
    return -(terms * events).sum() / events.sum().clamp(min=1)


def recurrence(logits: torch.Tensor, time: torch.Tensor, event: torch.Tensor) -> torch.Tensor:
    """The published one: cross-entropy of two classes, an event or none; time is not used. logits (n, 2)."""
    return torch.nn.functional.cross_entropy(logits, event.long())


LOSSES: dict[str, Loss] = {"cox": cox, "recurrence": recurrence}
