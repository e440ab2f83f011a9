"""A made-up cohort of scores and outcomes, where treatment helps in the lowest tier alone."""

import numpy as np
import pandas

N = 300


def cohort(n=N, seed=3, **columns):
    """A score that ranks, three arms that differ in Low alone, in years; a dict of columns."""
    draw = np.random.default_rng(seed)
    score = np.round(draw.normal(size=n), 3)
    arm = draw.integers(0, 3, n)
    tier = np.searchsorted([0.2, 0.9], score)
    rate = 0.15 * np.exp(0.8 * score - 0.9 * arm * (tier == 0))
    time, end = draw.exponential(1 / rate), draw.uniform(3, 8, n)
    return {"participant_id": [f"p{i}" for i in range(n)], "score": score, "tier": np.array(["Low", "Moderate",
            "High"])[tier], "treatment": np.array(["none", "single", "dual"])[arm], "rfs_time": np.minimum(time, end),
            "rfs_event": (time < end).astype(int), "age": draw.integers(30, 80, n), "site": draw.choice(["A", "B"], n),
            "partition": ["test"] * n, **columns}


def frame(**columns):
    return pandas.DataFrame(cohort(**columns))
