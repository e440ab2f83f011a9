#!/usr/bin/env python3
"""A cohort through score_cohort and through a loop of nibabel, MONAI and PyTorch, side by side in one run; and how the
time of a large case with three phases splits. Not part of the tests.

    cohort_bench.py [--cases N] [--threads N]

Wants DEEPTEPP_CLI (the built program), the package, and requirements.txt. Both sides have one network (a ResNet-18, 10
views of 64 x 64 x 64), the same files and as many threads; the peer puts one unrotated crop in each view's place.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import deeptepp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import make_model  # noqa: E402


def phantom(folder, name, *options):
    subprocess.run([os.environ["DEEPTEPP_CLI"], "phantom", "--out-image", folder / f"{name}.nii.gz", "--out-mask",
                    folder / f"{name.partition('_')[0]}-mask.nii.gz", *options], check=True, stdout=subprocess.DEVNULL)


def case(folder, seed):
    name = f"case{seed}"
    phantom(folder, name, "--seed", str(seed))
    return {"participant_id": name, "image": f"{name}.nii.gz", "mask": f"{name}-mask.nii.gz"}


def ours(model, rows, folder, threads):
    with deeptepp.open_model(model, threads=threads) as opened:
        deeptepp.score_cohort(opened, rows[:1], folder=folder)
        began = time.perf_counter()
        found = deeptepp.score_cohort(opened, rows, folder=folder, out=folder / "scores.tsv")
        assert all(row["status"] == "ok" for row in found), found
        return time.perf_counter() - began


def theirs(model, rows, folder, threads):
    import score_monai
    import torch
    torch.set_num_threads(threads)
    network = score_monai.network_of(model)
    score_monai.scores("resampled", *network, folder / rows[0]["mask"], [folder / rows[0]["image"]])
    began = time.perf_counter()
    for row in rows:
        score_monai.scores("resampled", *network, folder / row["mask"], [folder / row["image"]])
    return time.perf_counter() - began


def split(folder, threads):
    """Seconds of reading, views and network of a case of 512 x 512 x 80 with three phases."""
    channels = ("0000", "0001", "0002")
    make_model.make_model(folder / "three.safetensors", depth=18, width=64, size=(64, 64, 64), views=10,
                          channels=channels, self_test=False)
    phantom(folder, "large_%04d", "--seed", "5", "--dims", "512,512,80", "--spacing", "0.7,0.7,2", "--phases", "3")
    with deeptepp.open_model(folder / "three.safetensors", threads=threads) as model:
        began = time.perf_counter()
        images = {c: deeptepp.Volume.open(folder / f"large_{c}.nii.gz") for c in channels}
        mask = deeptepp.Volume.open(folder / "large-mask.nii.gz")
        reading = time.perf_counter() - began
        model.score(images, mask)
        began = time.perf_counter()
        model.preprocess(images, mask)
        views = time.perf_counter() - began
        began = time.perf_counter()
        model.score(images, mask)
        return reading, views, time.perf_counter() - began - views


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.safetensors"
        make_model.make_model(model, depth=18, width=64, size=(64, 64, 64), views=10, self_test=False)
        rows = [case(folder, seed) for seed in range(1, given.cases + 1)]
        mine, peer = (side(model, rows, folder, given.threads) / len(rows) for side in (ours, theirs))
        print(f"score_cohort {mine:.3f} s a case, nibabel + MONAI + PyTorch {peer:.3f} s, ratio {peer / mine:.2f}")
        reading, views, network = split(folder, given.threads)
        print(f"512 x 512 x 80, three phases: reading {reading:.3f} s, views {views:.3f} s, network {network:.3f} s")


if __name__ == "__main__":
    main()
