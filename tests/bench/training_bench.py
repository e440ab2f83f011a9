#!/usr/bin/env python3
"""Cases a second in training: deeptepp.train, whose inputs are made once, and MONAI's DataLoader with transforms on the
fly, in turn, in one run. Not part of the tests.

    training_bench.py [--cases N] [--threads N] [--rounds N] [--size N] [--width N]

Wants DEEPTEPP_CLI (the built program), the package with its extra `train`, and requirements.txt. Both train the same
module (a ResNet-10) with the same loss, optimiser, batches and threads, on crops of one size and step, turned, flipped
and scaled; MONAI is given the better of no workers and two.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from monai.data import DataLoader, Dataset
from monai.transforms import (Compose, CropForegroundd, LoadImaged, NormalizeIntensityd, Orientationd, RandFlipd,
                              RandRotated, RandScaleIntensityd, RandShiftIntensityd, ResizeWithPadOrCropd, SelectItemsd,
                              Spacingd)

import deeptepp
from deeptepp import _rows
from deeptepp.train import _settings
from deeptepp.train._cohort import Case
from deeptepp.train._fold import Trainer
from deeptepp.train._folds import Fold
from deeptepp.train._inputs import Cache
from deeptepp.train._losses import cox
from deeptepp.train._networks import network
from deeptepp.train._recipe import recipe_model

STEP = 1.5  # mm
BATCH = 8


def phantom(folder, n):
    image, mask = folder / f"case{n}.nii.gz", folder / f"case{n}-mask.nii.gz"
    subprocess.run([os.environ["DEEPTEPP_CLI"], "phantom", "--seed", str(n + 1), "--out-image", image, "--out-mask",
                    mask], check=True, stdout=subprocess.DEVNULL)
    task = _rows.Task(n, (("t1c", "image", str(image)),), str(mask), None, ())
    return Case(n, f"case{n}", f"case{n}", task, 1.0 + n, n % 2, "")


class Ours:
    def __init__(self, folder, cases, settings):
        began = time.perf_counter()
        with recipe_model(settings, str(folder)) as model:
            cache = Cache(str(folder / "inputs"), model, settings, _rows.Options(str(folder), False, "same", None))
            inputs = cache.inputs(cases, lambda count: None)
        self.inputs_seconds = time.perf_counter() - began
        fold = Fold(list(range(len(cases))), [], [])
        self.trainer = Trainer(settings, cases, list(inputs.values()), 0, fold, torch.device("cpu"),
                               str(folder / "fold.pt"), lambda line: None)

    def epoch(self):
        """With its checkpoint, as every epoch has one."""
        self.trainer._epoch()


class Monai:
    def __init__(self, cases, settings, workers):
        size, both = settings.description["input"]["size"], ["image", "mask"]
        transforms = Compose([
            LoadImaged(both, ensure_channel_first=True), Orientationd(both, "RAS", labels=None),
            Spacingd(both, (STEP,) * 3, mode=("bilinear", "nearest")),
            CropForegroundd(both, source_key="mask", margin=size[0] // 2), RandRotated("image", 0, 3.14, 0, prob=1),
            ResizeWithPadOrCropd("image", size), NormalizeIntensityd("image"),
            *(RandFlipd("image", prob=0.5, spatial_axis=axis) for axis in range(3)),
            RandScaleIntensityd("image", 0.1, prob=1), RandShiftIntensityd("image", 0.1, prob=1),
            SelectItemsd(["image", "time", "event"])])
        rows = [{"image": case.task.images[0][2], "mask": case.task.mask, "time": case.time, "event": case.event}
                for case in cases]
        self.loader = DataLoader(Dataset(rows, transforms), batch_size=BATCH, shuffle=True, num_workers=workers)
        self.network = network(settings, 1).to(memory_format=torch.channels_last_3d)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), 1e-3)

    def epoch(self):
        self.network.train()
        for batch in self.loader:
            x = batch["image"].as_tensor().contiguous(memory_format=torch.channels_last_3d)
            loss = cox(self.network(x), batch["time"], batch["event"])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()


def seconds(contestant):
    began = time.perf_counter()
    contestant.epoch()
    return time.perf_counter() - began


def arguments():
    parser = argparse.ArgumentParser(description="Training throughput beside MONAI's.")
    for name, default in (("cases", 32), ("threads", 2), ("rounds", 5), ("size", 32), ("width", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def main():
    given = arguments()
    torch.set_num_threads(given.threads)
    settings = _settings._settings({"network": {"width": given.width}, "training": {"batch": BATCH}, "input": {
        "size": [given.size] * 3, "region": {"rule": "fixed", "spacing_mm": [STEP] * 3}}}, ["t1c"], "bench", "bench")
    with tempfile.TemporaryDirectory() as folder:
        cases = [phantom(Path(folder), n) for n in range(given.cases)]
        ours = Ours(Path(folder), cases, settings)
        peers = [Monai(cases, settings, workers) for workers in (0, 2)]
        peer = min(peers, key=seconds)
        ours.epoch()
        rounds = [(seconds(ours), seconds(peer)) for _ in range(given.rounds)]
    report(given, rounds, ours.inputs_seconds, peer.loader.num_workers)


def report(given, rounds, once, workers):
    mine, theirs = (statistics.median(times) for times in zip(*rounds))
    print(f"{given.cases} cases, crops of {given.size}^3, ResNet-10 of width {given.width}, {given.threads} threads; "
          f"deeptepp {deeptepp.__version__}, PyTorch {torch.__version__}")
    print(f"deeptepp: {given.cases / mine:.1f} cases a second, inputs once {once:.2f} s")
    print(f"MONAI, {workers} workers: {given.cases / theirs:.2f} cases a second")
    ratios = sorted(b / a for a, b in rounds)
    print(f"ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f} over {len(ratios)} rounds)")
    for epochs in (1, 10, 60):
        print(f"  {epochs} epochs with the inputs made: {epochs * theirs / (once + epochs * mine):.1f} times")


if __name__ == "__main__":
    main()
