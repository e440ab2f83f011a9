"""Side by side, in one run: this library and the others on the same network, weights and input, in turn.

    compare.py [--cases NAME,...] [--rounds N] [--patience SECONDS] [--peers KIND,...] [--build FOLDER]

Prints a table in Markdown for each case, and a summary. README.md says how to read it.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import peer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import make_model  # noqa: E402

TOLERANCE = 1e-4

# Processors busy with other things: a round with more is made again, at most so many times as many rounds.
QUIET, TRIES = 0.1, 2

# Long enough for every library's threads to give up spinning: each in turn has the processors to itself.
PAUSE = 0.05


# ---- Cases ----


@dataclass(frozen=True)
class Case:
    """options: make_model's. runs: of a turn; of several the first, which brings the process back into the caches, does
    not count and the shortest of the others does. A run of seconds needs no such care."""
    views: int
    threads: int
    what: str
    options: dict
    rounds: int = 9
    runs: int = 3


LONG = {"rounds": 5, "runs": 1}
PUBLISHED = "512 x 512, the published network", {"architecture": "pmg2d"}

# As MONAI makes them where nothing else is said.
MONAI = {"stem_stride": 1, "downsample_bias": True}
PHASES = ("pre", "post1", "post2", "post3", "post4")

CASES = {
    "64": Case(10, 2, "64³", {"size": 64}),
    "64-1-thread": Case(10, 1, "64³", {"size": 64}, rounds=5),
    "64-1-view": Case(1, 2, "64³", {"size": 64}),
    "64-1-view-1-thread": Case(1, 1, "64³", {"size": 64}),
    "96": Case(10, 2, "96³", {"size": 96}, **LONG),
    "96-1-thread": Case(10, 1, "96³", {"size": 96}, **LONG),
    "96-1-view": Case(1, 2, "96³", {"size": 96}),
    "96-1-view-1-thread": Case(1, 1, "96³", {"size": 96}, rounds=5),
    "published": Case(10, 2, *PUBLISHED, **LONG),
    "published-1-view": Case(1, 2, *PUBLISHED, rounds=5),
    "resnet10": Case(1, 2, "1 x 128³, MONAI's ResNet-10", {**MONAI, "depth": 10, "size": 128}, **LONG),
    "resnet34": Case(1, 2, "1 x 32 x 224 x 224, MONAI's ResNet-34",
                     {**MONAI, "depth": 34, "size": (32, 224, 224)}, **LONG),
    "resnet18": Case(1, 2, "5 x 128 x 128 x 64, MONAI's ResNet-18",
                     {**MONAI, "channels": PHASES, "size": (128, 128, 64)}, **LONG),
}


# ---- Processors ----


def ticks_used(pid):
    """Its own and those of its children that have ended."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))


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


@dataclass(frozen=True)
class Own:
    """A contestant of this library. words: bench_network's. tolerance: of its logits from those of the first."""
    words: tuple = ()
    architectures: tuple = ("resnet3d", "pmg2d")
    tolerance: float = TOLERANCE


OURS = "deeptepp"
OWN = {
    OURS: Own(),
    "deeptepp, whole maps": Own(("whole",), ("pmg2d",)),
    "deeptepp, bf16": Own(("bf16",), tolerance=0.1),
}


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

    def turn(self, runs=3):
        time.sleep(PAUSE)
        seconds = [self.ask("run") for _ in range(runs)]
        return min(seconds[1:] or seconds)

    def difference(self, other):
        """Of any logit from the other's, relative to the other's largest; refused beyond the tolerance."""
        scale = max(map(abs, other.logits))
        difference = max(abs(a - b) for a, b in zip(self.logits, other.logits, strict=True)) / scale
        tolerance = OWN[self.name].tolerance if self.name in OWN else TOLERANCE
        if not difference <= tolerance:
            raise SystemExit(f"{self.name}: logits differ by {difference:.2g} of the largest")
        return difference

    def median(self):
        return statistics.median(self.seconds)

    def finish(self):
        self.process.stdin.close()
        self.gflop = float(self.answer("gflop")[0]) if self.name in OWN else None
        self.peak = int(self.answer("peak")[0]) / 1024
        self.process.wait()


def start_all(build, model, case, peers):
    """The contestants, this library first; those that did not start are told of."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(case.threads),
                   "TORCHINDUCTOR_CACHE_DIR": str(Path(model).parent / "inductor")}
    run = [model, str(case.threads)]
    architecture = case.options.get("architecture", "resnet3d")
    commands = {name: [str(build / "tests" / "bench_network"), *run, *own.words]
                for name, own in OWN.items() if architecture in own.architectures}
    for kind in peers:
        if case.views > 1 or kind not in peer.ONLY_SEVERAL_VIEWS:
            commands[kind] = [sys.executable, str(HERE / "peer.py"), kind, *run]
    found = []
    for name, command in commands.items():
        try:
            found.append(Contestant(name, command, environment))
        except RuntimeError as error:
            if name == OURS:
                raise
            print(f"Not in the next table: {error}.\n")
    return found


@contextlib.contextmanager
def model_file(case, peers):
    """The case's seeded model, and beside it what the peers that read ONNX read."""
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model.safetensors")
        make_model.make_model(model, **case.options, views=case.views, self_test=False)
        if set(peers) & set(peer.ONNX):
            subprocess.run([sys.executable, HERE / "peer.py", "export", model], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        yield model


# ---- Measuring ----


def quotients(numerators, denominators):
    """Round by round: neighbours in time share the machine's state."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def ratio(numerators, denominators):
    ratios = quotients(numerators, denominators)
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def least_disturbed(play, rounds, pids=(), patience=0):
    """(what play() returned, of each of so many rounds; the highest load among them). pids: who runs in them, beside
    this process's children that end meanwhile."""
    load = Load(pids)
    played = []
    while len(played) < TRIES * rounds and sum(disturbed <= QUIET for disturbed, _ in played) < rounds:
        patience = load.wait(patience)
        result = play()
        played.append((load.look(), result))
    loads, results = zip(*sorted(played, key=lambda round: round[0])[:rounds])
    return results, max(loads)


def measure(contestants, case, rounds, patience):
    """What a table says besides the contestants' own figures."""
    for contestant in contestants:
        contestant.differs = contestant.difference(contestants[0])

    def play():
        return [contestant.turn(case.runs) for contestant in contestants], contestants[0].ask("convolutions")
    played, load = least_disturbed(play, rounds, [contestant.process.pid for contestant in contestants], patience)
    seconds, convolutions = zip(*played)
    for contestant, own in zip(contestants, zip(*seconds)):
        contestant.seconds = own
        contestant.finish()
    return {"told": told(rounds, load), "convolutions": ratio(contestants[0].seconds, convolutions)}


# ---- Tables ----


def print_head(*cells):
    print(f"| {' | '.join(cells)} |\n|---{'|--:' * (len(cells) - 1)}|")


def print_row(*cells):
    print(f"| {' | '.join(cells)} |")


def plural(count, word):
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def told(rounds, load):
    noise = " **Noise: not to be believed.**" if load > QUIET else ""
    return f"{plural(rounds, 'round')}, {load:.2f} processors busy with other things.{noise}"


def row(contestant, ours):
    first = contestant is ours
    return (contestant.name, f"{1e3 * contestant.median():.1f}",
             f"{1e3 * min(contestant.seconds):.1f}", "" if first else ratio(ours.seconds, contestant.seconds),
             f"{contestant.peak:.0f}", "" if first else f"{ours.peak / contestant.peak:.2f}",
             f"{contestant.first:.2f}", "" if first else f"{contestant.differs:.0e}")


def heading(case):
    return f"{plural(case.views, 'view')} of {case.what}, {plural(case.threads, 'thread')}"


def work(contestants):
    """What was computed, with and without what no pool reads."""
    counted = [f"{c.gflop:.1f} GFLOP ({c.name})" for c in contestants if c.gflop]
    return "Multiplications and additions of a run, done the direct way: " + ", ".join(counted) + "."


def show(name, case, contestants, facts):
    ours, *others = contestants
    print(f"### {heading(case)} (`{name}`)\n")
    print_head("", "median, ms", "best, ms", "deeptepp / it", "peak, MiB", "deeptepp / it", "start to logits, s",
               "logits differ")
    for contestant in [ours, *sorted(others, key=Contestant.median)]:
        print_row(*row(contestant, ours))
    print("\n" + work(contestants))
    print(f"The network / the sum of its convolutions, each timed alone: {facts['convolutions']}.")
    print(facts["told"] + "\n", flush=True)


def verdicts(case, contestants):
    """A row of the summary for each contestant of this library, beside the fastest of the others."""
    best = min((c for c in contestants if c.name not in OWN), key=Contestant.median, default=None)
    return [(heading(case), own.name, best.name, ratio(own.seconds, best.seconds),
             f"{statistics.median(quotients(best.seconds, own.seconds)):.2f}", f"{own.peak / best.peak:.2f}")
            for own in contestants if best and own.name in OWN]


def compare(name, arguments):
    """Prints the table; returns the summary's rows."""
    case = CASES[name]
    with model_file(case, arguments.peers) as model:
        contestants = start_all(arguments.build, model, case, arguments.peers)
        facts = measure(contestants, case, arguments.rounds or case.rounds, arguments.patience)
    show(name, case, contestants, facts)
    return verdicts(case, contestants)


def summarise(rows):
    print("### The network alone: each case beside the fastest of the others\n")
    print_head("", "", "fastest of the others", "time / its", "times as fast", "peak memory / its")
    for cells in rows:
        print_row(*cells)
    print(flush=True)


# ---- Command ----


def names_of(known):
    """An argument's type: names of these, with commas between."""
    def names(text):
        found = text.split(",")
        unknown = set(found) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        return found
    return names


def add_cases(add, cases):
    add("--cases", type=names_of(cases), default=list(cases), help="with commas between, of: " + ", ".join(cases))


def add_rounds(add):
    add("--rounds", type=int, help="instead of each case's own number")
    add("--patience", type=float, default=0, help="seconds to wait, a case, for others to leave the processors alone")
    add("--build", type=Path, default=HERE.parent.parent / "build" / "bench", help="folder that Meson built in")


def add_peers(add, default):
    add("--peers", type=names_of(peer.KINDS), default=default, help="with commas between, of: " + ", ".join(peer.KINDS))


def main():
    parser = argparse.ArgumentParser(description="Time this library and others on the same network, in turn.")
    add_cases(parser.add_argument, CASES)
    add_peers(parser.add_argument, list(peer.KINDS))
    add_rounds(parser.add_argument)
    arguments = parser.parse_args()
    summarise([row for name in arguments.cases for row in compare(name, arguments)])


if __name__ == "__main__":
    main()
