"""A small cohort of phantoms with outcomes, and a training of seconds."""

import json
import os
import subprocess

import numpy as np
import pytest

DESCRIPTION = {
    "network": {"width": 4, "stem_kernel": [3, 3, 3]},
    "input": {"size": [16, 16, 16], "angles_deg": [0, 90], "region": {"rule": "fixed", "spacing_mm": [3, 3, 3]}},
    "training": {"folds": 3, "epochs": 3, "batch": 8, "validation": 0.25},
}
CASES = 30


@pytest.fixture(autouse=True, scope="module")
def no_figures():
    """For modules that import it: drawing takes longer than training does here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deeptepp.train._figures._png", lambda figure: b"")
        yield


def phantom(folder, name, seed, diameter=15.0):
    subprocess.run([os.environ["DEEPTEPP_CLI"], "phantom", "--seed", str(seed), "--dims", "36,36,20", "--diameter",
                    f"{diameter:.1f}", "--out-image", folder / f"{name}.nii", "--out-mask",
                    folder / f"{name}-mask.nii"], check=True, stdout=subprocess.DEVNULL)


def make_images(folder):
    """Larger tumours have events sooner. The rows of the cohort's table."""
    random = np.random.default_rng(1)
    rows = []
    for n in range(CASES):
        diameter = random.uniform(10, 25)
        phantom(folder, f"case{n}", n + 1, diameter)
        died, left = random.exponential(4 * np.exp((17 - diameter) / 4)), random.uniform(1, 9)
        rows.append({"participant_id": f"sub-{n:02}", "image": f"case{n}.nii", "mask": f"case{n}-mask.nii",
                     "site": "AB"[n % 2], "note": "größer", "rfs_time": f"{min(died, left):.3f}",
                     "rfs_event": str(int(died <= left))})
    return rows


def write_table(path, rows):
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def describe(path, **changes):
    """The small description with other values; sections keep what is not named."""
    changed = {key: {**DESCRIPTION[key], **value} if key in DESCRIPTION else value for key, value in changes.items()}
    path.write_text(json.dumps({**DESCRIPTION, **changed}))
    return path
