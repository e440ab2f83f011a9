"""Side by side, in one run: this library and the others on the same network, weights and input, in turn.

    compare.py [--architecture resnet3d] [--size 64] [--views 10] [--threads 2] [--rounds 9] [--all] [--patience 0]
               [--build FOLDER] [--peers KIND,...]

Prints a table in Markdown. README.md says how to read it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

OURS, WHOLE = "deeptepp", "deeptepp, whole maps"
TOLERANCE = 1e-4

# Processors busy with other things: a round with more is made again, at most so many times as many rounds.
QUIET, TRIES = 0.1, 4

# Long enough for every library's threads to give up spinning: each in turn has the processors to itself.
PAUSE = 0.05


# ---- Processors ----


def ticks_used(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def ticks_busy():
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return user + nice + system + irq + softirq + steal


class Load:
    """How many processors were busy, on average, with anything but these processes, since the last look."""

    def __init__(self, pids):
        self.pids = [*pids, os.getpid()]
        self.look()

    def look(self):
        foreign, now = ticks_busy() - sum(map(ticks_used, self.pids)), time.monotonic()
        before, began = getattr(self, "last", (foreign, now - 1))
        self.last = foreign, now
        return max(0.0, (foreign - before) / ((now - began) * os.sysconf("SC_CLK_TCK")))

    def wait(self, patience):
        """Until a second is quiet; returns the seconds of patience left."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            self.look()
            time.sleep(1)
            if self.look() <= QUIET:
                break
        self.look()
        return max(0.0, end - time.monotonic())


# ---- Contestants ----


class Contestant:
    """A process that runs the network when told to."""

    def __init__(self, name, command, environment):
        self.name = name
        start = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL, env=environment)
        self.logits = [float(word) for word in self.answer("logits")]
        self.first = time.perf_counter() - start

    def answer(self, keyword):
        """The words after the keyword; what a library prints of its own accord is passed over."""
        for line in self.process.stdout:
            word, *others = line.split() or [""]
            if word == keyword:
                return others
        raise RuntimeError(f"{self.name}: ended with {self.process.wait()}")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return float(self.answer("seconds")[0])

    def turn(self):
        """The first run only brings this process back into the caches."""
        time.sleep(PAUSE)
        self.ask("run")
        return min(self.ask("run") for _ in range(2))

    def finish(self):
        self.process.stdin.close()
        self.gflop = float(self.answer("gflop")[0]) if self.name in (OURS, WHOLE) else None
        self.peak = int(self.answer("peak")[0]) / 1024
        self.process.wait()


def start_all(arguments, model):
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads),
                   "TORCHINDUCTOR_CACHE_DIR": str(Path(model).parent / "inductor")}
    own, run = str(arguments.build / "tests" / "bench_network"), [model, str(arguments.threads)]
    commands = {OURS: [own, *run]}
    if arguments.architecture == "pmg2d":
        commands[WHOLE] = [own, *run, "whole"]
    for kind in arguments.peers:
        commands[kind] = [sys.executable, str(HERE / "peer.py"), kind, *run]
    return [Contestant(name, command, environment) for name, command in commands.items()]


def largest_difference(contestants):
    """Of any logit, relative to the largest."""
    ours = contestants[0].logits
    scale = max(map(abs, ours))
    worst = 0.0
    for other in contestants[1:]:
        difference = max(abs(a - b) for a, b in zip(ours, other.logits, strict=True)) / scale
        if not difference <= TOLERANCE:
            raise SystemExit(f"{other.name}: logits differ by {difference:.2g} of the largest")
        worst = max(worst, difference)
    return worst


# ---- Measuring ----


def ratio(numerators, denominators):
    """Round by round: neighbours in time share the machine's state."""
    ratios = [a / b for a, b in zip(numerators, denominators, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def play(contestants, rounds, patience):
    """The least disturbed rounds: each its load, the convolutions' seconds and every contestant's."""
    load = Load(contestant.process.pid for contestant in contestants)
    played = []
    while len(played) < TRIES * rounds and sum(disturbed <= QUIET for disturbed, *_ in played) < rounds:
        patience = load.wait(patience)
        seconds = [contestant.turn() for contestant in contestants]
        convolutions = contestants[0].ask("convolutions")
        played.append((load.look(), convolutions, seconds))
    return sorted(played)[:rounds]


def measure(arguments, model):
    """The contestants, this library first, and what a table says besides their times."""
    contestants = start_all(arguments, model)
    difference = largest_difference(contestants)
    loads, convolutions, seconds = zip(*play(contestants, arguments.rounds, arguments.patience))
    for contestant, own in zip(contestants, zip(*seconds)):
        contestant.seconds = own
        contestant.finish()
    return contestants, {"difference": difference, "load": max(loads), "rounds": len(loads),
                         "convolutions": ratio(contestants[0].seconds, convolutions)}


def row(contestant, ours):
    theirs = "" if contestant is ours else ratio(ours.seconds, contestant.seconds)
    return (f"| {contestant.name} | {1e3 * statistics.median(contestant.seconds):.1f} | "
            f"{1e3 * min(contestant.seconds):.1f} | {theirs} | {contestant.peak:.0f} | {contestant.first:.2f} |")


def work(contestants):
    """What was computed, with and without what no pool reads."""
    counted = [f"{c.gflop:.1f} GFLOP ({c.name})" for c in contestants if c.gflop]
    return "Multiplications and additions of a run, done the direct way: " + ", ".join(counted) + "."


def show(arguments, contestants, facts):
    ours, *others = contestants
    others.sort(key=lambda contestant: statistics.median(contestant.seconds))
    views = "1 view" if arguments.views == 1 else f"{arguments.views} views"
    threads = "1 thread" if arguments.threads == 1 else f"{arguments.threads} threads"
    what = "512 x 512, the published network" if arguments.architecture == "pmg2d" else f"{arguments.size}³"
    print(f"### {views} of {what}, {threads}\n")
    print(f"| | median, ms | best, ms | {OURS} / it | peak, MiB | start to logits, s |\n|---|--:|--:|--:|--:|--:|")
    for contestant in [ours, *others]:
        print(row(contestant, ours))
    peers = [contestant for contestant in others if contestant.name != WHOLE]
    if peers:
        print(f"\n{OURS} / {peers[0].name}, the best of the others: **{ratio(ours.seconds, peers[0].seconds)}**.")
    print(work(contestants))
    print(f"The network / the sum of its convolutions, each timed alone: {facts['convolutions']}.")
    noisy = " **Noise: not to be believed.**" if facts["load"] > QUIET else ""
    print(f"Logits differ by {facts['difference']:.1e} at most; {facts['rounds']} rounds, "
          f"{facts['load']:.2f} processors busy with other things.{noisy}\n", flush=True)


def compare(arguments):
    import make_model
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model.safetensors")
        size = {} if arguments.architecture == "pmg2d" else {"size": arguments.size}
        make_model.make_model(model, architecture=arguments.architecture, **size, views=arguments.views,
                             self_test=False)
        if {"onnxruntime", "openvino"} & set(arguments.peers):
            subprocess.run([sys.executable, HERE / "peer.py", "export", model], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        show(arguments, *measure(arguments, model))


# ---- Command ----


def kinds(text):
    found = [kind for kind in text.split(",") if kind]
    unknown = set(found) - set(peer.KINDS)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(peer.KINDS)}")
    return found


def parse_arguments():
    parser = argparse.ArgumentParser(description="Time this library and others on the same network, in turn.")
    add = parser.add_argument
    add("--architecture", choices=("resnet3d", "pmg2d"), default="resnet3d")
    add("--size", type=int, default=64, help="edge of a view of resnet3d")
    add("--views", type=int, default=10)
    add("--threads", type=int, default=2)
    add("--rounds", type=int, default=9)
    add("--patience", type=float, default=0, help="seconds to wait, a case, for others to leave the processors alone")
    add("--all", action="store_true", help="resnet3d of 64 and 96, pmg2d; one view and ten, 2 threads and 1")
    add("--build", type=Path, default=HERE.parent.parent / "build" / "bench", help="folder that Meson built in")
    add("--peers", type=kinds, default=list(peer.KINDS), help="with commas between, of: " + ", ".join(peer.KINDS))
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    networks = [("resnet3d", 64), ("resnet3d", 96), ("pmg2d", 512)]
    cases = [(*network, views, threads) for network in networks for views in (10, 1) for threads in (2, 1)]
    if not arguments.all:
        cases = [(arguments.architecture, arguments.size, arguments.views, arguments.threads)]
    for arguments.architecture, arguments.size, arguments.views, arguments.threads in cases:
        compare(arguments)


if __name__ == "__main__":
    main()
