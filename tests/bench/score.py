"""From files to a score, whole processes in turn: `deeptepp score` on a phantom against PyTorch with MONAI on the same
files, and against the least that PyTorch can do (no images at all).

    score.py [--cases NAME,...] [--rounds N] [--patience SECONDS] [--build FOLDER]

Prints a table in Markdown for each case. README.md says how to read it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import compare

HERE = Path(__file__).resolve().parent

THREADS, VIEWS, SIZE, SEED = 2, 10, 64, 7
TOLERANCE = 1e-3


# ---- Cases ----


@dataclass(frozen=True)
class Case:
    """phantom: options of `deeptepp phantom`."""
    what: str
    channels: tuple
    phantom: tuple = ()
    rounds: int = 5


CASES = {
    "first-score": Case("First score: one phase", ("post",), rounds=7),
    "whole-case": Case("Whole case: three phases of 512 x 512 x 80", ("pre", "post1", "post2"),
                       ("--dims", "512,512,80", "--spacing", "0.7,0.7,2", "--phases", "3")),
}


def make_inputs(case, program, folder):
    """(model, mask, images). In processes of their own: this one's memory shows in its children's peak."""
    model, mask = folder / "model.safetensors", folder / "mask.nii.gz"
    subprocess.run([sys.executable, HERE.parent / "make_model.py", model, "--size", str(SIZE), "--views", str(VIEWS),
                    "--channels", ",".join(case.channels), "--no-self-test"], check=True)
    name = "image_%d.nii.gz" if len(case.channels) > 1 else "image.nii.gz"
    subprocess.run([program, "phantom", "--seed", str(SEED), "--out-image", folder / name, "--out-mask", mask,
                    *case.phantom], check=True, stdout=subprocess.DEVNULL)
    return model, mask, [folder / name.replace("%d", str(i)) for i in range(len(case.channels))]


# ---- Contestants ----


# Of this library: options of `deeptepp score`. Not every processor has bfloat16.
OURS = "deeptepp score"
OWN = {OURS: (), "deeptepp score, bf16": ("--precision", "bf16")}

# Ways of score_monai.py.
VIEW_BY_VIEW, RESAMPLED = "PyTorch and MONAI, view by view", "PyTorch and MONAI, images resampled"
MONAI = {VIEW_BY_VIEW: "views", RESAMPLED: "resampled"}


def commands(case, program, model, mask, images):
    named = [word for name, image in zip(case.channels, images) for word in ("--image", f"{name}={image}")]
    own = [program, "score", "--model", model, *named, "--mask", mask, "--threads", str(THREADS), "--json"]
    monai = [model, str(THREADS), mask, *images]
    return {
        **{name: [*own, *options] for name, options in OWN.items()},
        **{name: [sys.executable, HERE / "score_monai.py", way, *monai] for name, way in MONAI.items()},
        "PyTorch alone, no images": [sys.executable, HERE / "score_lean.py", model, str(THREADS)],
    }


def run(command, environment):
    """Standard output; seconds from start to end, the processors' seconds, peak MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"ended with {process.returncode}")
    return output, (seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def difference(outputs):
    """Of a view's score from MONAI's. Of the images resampled only the last view is one: it is not rotated."""
    ours = json.loads(outputs[OURS])["view_scores"]
    every, last = json.loads(outputs[VIEW_BY_VIEW]), json.loads(outputs[RESAMPLED])[-1]
    found = max(*(abs(a - b) for a, b in zip(ours, every, strict=True)), abs(ours[-1] - last))
    if not found <= TOLERANCE * max(1, *map(abs, every)):
        raise SystemExit(f"a view's score differs from MONAI's by {found}")
    return found


# ---- Measuring ----


def first_round(every, environment):
    """{name: standard output}, without those that fail, which are told of."""
    outputs = {}
    for name, command in every.items():
        try:
            outputs[name] = run(command, environment)[0]
        except RuntimeError as error:
            print(f"Not in the next table: {name}: {error}.\n")
    return outputs


def measure(every, rounds, patience):
    """({name: [(seconds, processors' seconds, peak)] by round}, what the table says below). A first round, not counted,
    brings the files into memory."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
    outputs = first_round(every, environment)
    differs = difference(outputs)

    def play():
        return {name: run(every[name], environment)[1] for name in outputs}
    played, load = compare.least_disturbed(play, rounds, patience=patience)
    samples = {name: [samples[name] for samples in played] for name in outputs}
    return samples, f"Views' scores differ from MONAI's by {differs:.0e} at most; {compare.told(rounds, load)}"


def row(name, samples, ours):
    seconds, used, peaks = map(statistics.median, zip(*samples))
    times, of_used, sizes = (statistics.median(theirs / own for theirs, own in zip(*both, strict=True))
                             for both in zip(zip(*samples), zip(*ours)))
    best = min(sample[0] for sample in samples)
    return name, *(f"{value:.2f}" for value in (seconds, best, times, used, of_used)), f"{peaks:.0f}", f"{sizes:.2f}"


def show(name, case, images, samples, told):
    size = sum(image.stat().st_size for image in images) / 1e6
    print(f"### {case.what}, {size:.0f} MB; {VIEWS} views of {SIZE}³, {THREADS} threads (`{name}`)\n")
    compare.print_head("whole process", "median, s", "best, s", "times ours", "processors, s", "times ours",
                       "peak, MiB", "times ours")
    for contestant, own in samples.items():
        compare.print_row(*row(contestant, own, samples[OURS]))
    print(f"\n{told}\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Time whole processes from files to a score.")
    compare.add_cases(parser.add_argument, CASES)
    compare.add_rounds(parser.add_argument)
    arguments = parser.parse_args()
    program = arguments.build / "bindings" / "cli" / "deeptepp"
    for name in arguments.cases:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            model, mask, images = make_inputs(case, program, Path(folder))
            every = commands(case, program, model, mask, images)
            show(name, case, images, *measure(every, arguments.rounds or case.rounds, arguments.patience))


if __name__ == "__main__":
    main()
