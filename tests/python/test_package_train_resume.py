"""deeptepp.train: killed and called again, it writes what an undisturbed run writes. Needs PyTorch (tests/run
--live)."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch", reason="PyTorch is not here")

from training_case import describe, make_images, write_table  # noqa: E402

KILLS = 5
EPOCHS = 30

# PyTorch is loaded once; each run is a process of its own.
NURSERY = """
import os, sys
import torch._dynamo
from deeptepp.train import train

table, description = sys.argv[1:]
for name in map(str.strip, sys.stdin):
    pid = os.fork()
    if pid == 0:
        train(table, name, description=description, threads=1, log=lambda line: print(line, flush=True))
        os._exit(0)
    print("started", pid, flush=True)
    print("ended", os.waitpid(pid, 0)[1], flush=True)
"""


class Runs:
    def __init__(self, folder):
        self.folder = folder
        table = write_table(folder / "cohort.tsv", make_images(folder))
        description = describe(folder / "d.json", training={"epochs": EPOCHS, "patience": 1000})
        self.nursery = subprocess.Popen([sys.executable, "-c", NURSERY, table, description], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, name, kill_after=None, seconds=0.0):
        """(status, lines). kill_after: so many epochs, and seconds more."""
        self.nursery.stdin.write(f"{self.folder / name}.safetensors\n")
        lines, pid = [], None
        for line in self.nursery.stdout:
            lines.append(line)
            word, value, *_ = line.split()
            pid = int(value) if word == "started" else pid
            if word == "ended":
                return int(value), lines
            if sum(" epoch " in told for told in lines) == kill_after:
                time.sleep(seconds)
                os.kill(pid, signal.SIGKILL)
                kill_after = None
        raise AssertionError("".join(lines))

    def files(self, name):
        return [(self.folder / f"{name}.{end}").read_bytes() for end in ("safetensors", "out-of-fold.tsv")]


@pytest.fixture
def runs(tmp_path):
    found = Runs(tmp_path)
    yield found
    found.nursery.stdin.close()
    assert found.nursery.wait(60) == 0


def epochs(lines):
    return sum(" epoch " in line for line in lines)


def test_killed_five_times_and_resumed_it_writes_the_same_bytes(runs):
    status, lines = runs.run("whole")
    assert status == 0 and epochs(lines) == 3 * EPOCHS
    moments = random.Random(5)
    for _ in range(KILLS):
        status, lines = runs.run("killed", moments.randint(1, 15), moments.uniform(0, 0.02))
        assert status == signal.SIGKILL and not (runs.folder / "killed.safetensors").exists()
    status, lines = runs.run("killed")
    assert status == 0 and "goes on after epoch" in "".join(lines) and epochs(lines) < 3 * EPOCHS - KILLS
    assert runs.files("killed") == runs.files("whole")
