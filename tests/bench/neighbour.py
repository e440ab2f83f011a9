"""A network on two processors while another process keeps one of them busy, against the same undisturbed, in turn.

    neighbour.py [--rounds N] [--patience SECONDS] [--peers KIND,...] [--build FOLDER]

Prints a table in Markdown. README.md says how to read it.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import compare

NAME, ROUNDS, RUNS = "64", 10, 2
PEERS = ["torch-eager", "onnxruntime", "openvino", "openvino-streams"]
AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")


class Neighbour:
    """A process that does nothing but loop, within `with`."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        self.process.send_signal(signal.SIGSTOP)

    def __enter__(self):
        self.process.send_signal(signal.SIGCONT)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGSTOP)


def two_processors():
    """Theirs and the neighbour's: one more would be free for it."""
    processors = sorted(os.sched_getaffinity(0))[:2]
    if len(processors) < 2:
        raise SystemExit("one processor alone: two are needed")
    os.sched_setaffinity(0, processors)


def turns(contestant, neighbour):
    alone = contestant.turn(RUNS)
    with neighbour:
        return alone, contestant.turn(RUNS)


def measure(contestants, neighbour, rounds, patience):
    for contestant in contestants:
        contestant.difference(contestants[0])
    pids = [neighbour.process.pid, *(contestant.process.pid for contestant in contestants)]
    played, load = compare.least_disturbed(lambda: [turns(contestant, neighbour) for contestant in contestants], rounds,
                                           pids, patience)
    for contestant, own in zip(contestants, zip(*played)):
        contestant.alone, contestant.beside = zip(*own)
        contestant.finish()
    return compare.told(rounds, load)


def row(contestant, ours):
    alone, beside = contestant.alone, contestant.beside
    times = (1e3 * f(seconds) for seconds in (alone, beside) for f in (statistics.median, min))
    return (contestant.name, *(f"{value:.1f}" for value in times), compare.ratio(beside, alone),
            f"{min(beside) / min(alone):.2f}", "" if contestant is ours else compare.ratio(ours.beside, beside))


def show(case, contestants, told):
    print(f"### A busy neighbour: {case.views} views of {case.what}, {case.threads} threads\n")
    compare.print_head("", "alone: median, ms", "best, ms", "beside: median, ms", "best, ms", "beside / alone: median",
                       "best", "deeptepp / it, beside")
    for contestant in contestants:
        compare.print_row(*row(contestant, contestants[0]))
    autogroup = AUTOGROUP.read_text().strip() if AUTOGROUP.exists() else "absent"
    print(f"\nAll processes are of one session; `sched_autogroup_enabled`: {autogroup}. {told}\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Time this library and others beside a busy process.")
    compare.add_peers(parser.add_argument, PEERS)
    compare.add_rounds(parser.add_argument)
    arguments = parser.parse_args()
    two_processors()
    neighbour = Neighbour()
    try:
        case = compare.CASES[NAME]
        with compare.model_file(case, arguments.peers) as model:
            contestants = compare.start_all(arguments.build, model, case, arguments.peers)
            told = measure(contestants, neighbour, arguments.rounds or ROUNDS, arguments.patience)
        show(case, contestants, told)
    finally:
        neighbour.process.kill()


if __name__ == "__main__":
    main()
