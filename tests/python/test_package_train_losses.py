"""The losses against plain loops and against statsmodels. Needs PyTorch (tests/run --live)."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not here")

from deeptepp.train._losses import cox, recurrence  # noqa: E402


def efron(score, time, event):
    """As the textbook has it, one time of death after the other."""
    total = 0.0
    for t in sorted({t for t, e in zip(time, event) if e}):
        dead = [i for i in range(len(time)) if time[i] == t and event[i]]
        risk = sum(math.exp(score[i]) for i in range(len(time)) if time[i] >= t)
        tied = sum(math.exp(score[i]) for i in dead)
        total += sum(score[i] for i in dead)
        total -= sum(math.log(risk - k / len(dead) * tied) for k in range(len(dead)))
    return -total / max(1, sum(event))


def sample(seed, ties):
    random = np.random.default_rng(seed)
    time = random.integers(1, 6, 40).astype(float) if ties else random.uniform(1, 9, 40)
    return random.normal(0, 2, 40), time, random.integers(0, 2, 40)


def loss(score, time, event):
    logits = torch.tensor(score, dtype=torch.float64)[:, None].requires_grad_()
    return logits, cox(logits, torch.tensor(time), torch.tensor(event))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_cox_is_the_partial_likelihood_by_efron(seed, ties):
    score, time, event = sample(seed, ties)
    assert loss(score, time, event)[1].item() == pytest.approx(efron(score, time, event), rel=1e-12)


def test_cox_is_that_of_statsmodels():
    phreg = pytest.importorskip("statsmodels.duration.hazard_regression", reason="statsmodels is not here")
    score, time, event = sample(9, True)
    wanted = -phreg.PHReg(time, score[:, None], event, ties="efron").loglike(np.array([1.0])) / event.sum()
    assert loss(score, time, event)[1].item() == pytest.approx(wanted, rel=1e-9)


def test_cox_has_the_gradient_of_differences():
    score, time, event = sample(2, True)
    logits, value = loss(score, time, event)
    value.backward()
    for i in range(0, 40, 7):
        step = np.eye(40)[i] * 1e-5
        slope = (efron(score + step, time, event) - efron(score - step, time, event)) / 2e-5
        assert logits.grad[i, 0].item() == pytest.approx(slope, abs=1e-8)


def test_cox_holds_with_large_scores_and_without_events():
    score, time, event = sample(3, True)
    assert loss(score + 5000, time, event)[1].item() == pytest.approx(loss(score, time, event)[1].item(), rel=1e-9)
    logits, value = loss(score, time, event * 0)
    value.backward()
    assert value.item() == 0 and not logits.grad.any()


def test_recurrence_is_cross_entropy_of_two_classes():
    random = np.random.default_rng(4)
    logits, event = random.normal(size=(20, 2)), random.integers(0, 2, 20)
    wanted = np.mean([math.log(sum(math.exp(v) for v in row)) - row[e] for row, e in zip(logits, event)])
    found = recurrence(torch.tensor(logits), torch.zeros(20), torch.tensor(event))
    assert found.item() == pytest.approx(wanted, rel=1e-12)
