"""From nothing to the first score, whole processes in turn: `deeptepp score` on a phantom against PyTorch with MONAI on
the same files, and against the least that PyTorch can do (no images at all).

    first_score.py [--size 64] [--views 10] [--threads 2] [--rounds 7] [--build FOLDER]

Prints a table in Markdown. README.md says how to read it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

OURS, MONAI, LEAN = "deeptepp score", "PyTorch and MONAI", "PyTorch alone"
SEED = "7"
TOLERANCE = 1e-3


def run(command, environment):
    """Standard output, seconds from start to end, peak MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:2]} ended with {process.returncode}")
    return output, seconds, usage.ru_maxrss / 1024


def make_inputs(arguments, folder):
    """In processes of their own: this one's memory shows in its children's peak."""
    files = [str(folder / name) for name in ("model.safetensors", "image.nii.gz", "mask.nii.gz")]
    model, image, mask = files
    subprocess.run([sys.executable, HERE.parent / "make_model.py", model, "--size", str(arguments.size), "--views",
                    str(arguments.views), "--no-self-test"], check=True)
    subprocess.run([arguments.program, "phantom", "--seed", SEED, "--out-image", image, "--out-mask", mask], check=True,
                   stdout=subprocess.DEVNULL)
    return files


def commands(arguments, model, image, mask):
    threads = str(arguments.threads)
    return {
        OURS: [arguments.program, "score", "--model", model, "--image", image, "--mask", mask, "--threads", threads,
               "--json"],
        MONAI: [sys.executable, HERE / "score_monai.py", model, image, mask, threads],
        LEAN: [sys.executable, HERE / "score_lean.py", model, threads],
    }


def check_scores(outputs):
    """The last view is not rotated: it is the crop that MONAI makes."""
    ours, theirs = json.loads(outputs[OURS])["view_scores"][-1], float(outputs[MONAI])
    if not abs(ours - theirs) <= TOLERANCE * max(1, abs(theirs)):
        raise SystemExit(f"the unrotated view's score is {ours}, MONAI's {theirs}")
    return abs(ours - theirs)


def measure(arguments, folder):
    """{name: [(seconds, peak)] by round}. A first round, not counted, brings the files into memory."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    every = commands(arguments, *make_inputs(arguments, folder))
    difference = check_scores({name: run(command, environment)[0] for name, command in every.items()})
    samples = {name: [] for name in every}
    for _ in range(arguments.rounds):
        for name, command in every.items():
            samples[name].append(run(command, environment)[1:])
    return samples, difference


def row(name, samples, ours):
    seconds, peaks = zip(*samples)
    times, sizes = zip(*((other[0] / own[0], other[1] / own[1]) for other, own in zip(samples, ours, strict=True)))
    return (f"| {name} | {statistics.median(seconds):.3f} | {min(seconds):.3f} | {statistics.median(times):.2f} | "
            f"{statistics.median(peaks):.0f} | {statistics.median(sizes):.2f} |")


def show(arguments, samples, difference):
    print(f"### First score: {arguments.views} views of {arguments.size}³, {arguments.threads} threads\n")
    print("| whole process | median, s | best, s | times ours | peak, MiB | times ours |\n|---|--:|--:|--:|--:|--:|")
    for name, own in samples.items():
        print(row(name, own, samples[OURS]))
    print(f"\nThe unrotated view's score differs from MONAI's by {difference:.1e}; {arguments.rounds} rounds.\n",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description="Time whole processes from nothing to the first score.")
    add = parser.add_argument
    add("--size", type=int, default=64)
    add("--views", type=int, default=10)
    add("--threads", type=int, default=2)
    add("--rounds", type=int, default=7)
    add("--build", type=Path, default=HERE.parent.parent / "build" / "bench", help="folder that Meson built in")
    arguments = parser.parse_args()
    arguments.program = arguments.build / "bindings" / "cli" / "deeptepp"
    with tempfile.TemporaryDirectory() as folder:
        show(arguments, *measure(arguments, Path(folder)))


if __name__ == "__main__":
    main()
