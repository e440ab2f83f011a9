"""The scripts of examples/: Dask on real workers, one of which is killed; Slurm's array, its tasks started by hand;
Snakemake."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import deeptepp
from cohort_maker import make_cohort

ROOT = Path(__file__).resolve().parents[2]
COUNT = 200


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    make_cohort(folder, count=COUNT, broken=10)
    with deeptepp.open_model(folder / "model.safetensors", threads=1) as model:
        deeptepp.score_cohort(model, folder / "cohort.tsv", out=folder / "serial.tsv")
    return folder


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)


@pytest.fixture
def cluster(tmp_path):
    """The scheduler's address and two workers, all processes of their own on loopback."""
    dask, address = Path(sys.executable).parent / "dask", tmp_path / "scheduler.json"
    started = [subprocess.Popen([dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                                 "--scheduler-file", address], stderr=subprocess.DEVNULL)]
    started += [subprocess.Popen([dask, "worker", "--scheduler-file", address, "--host", "127.0.0.1", "--no-nanny",
                                  "--nthreads", "1", "--no-dashboard", "--local-directory", tmp_path / str(k)],
                                 stderr=subprocess.DEVNULL) for k in (1, 2)]
    until(address.exists)
    yield address, started[1:]
    for process in started:
        process.kill()
        process.wait()


def test_dask_with_a_worker_killed_while_it_works(place, cluster, tmp_path):
    distributed = pytest.importorskip("distributed")
    out, part = tmp_path / "scores.tsv", tmp_path / "scores.tsv.part"
    with distributed.Client(scheduler_file=str(cluster[0])) as client:
        client.wait_for_workers(2, timeout=60)
        scheduler = client.scheduler.address
    with subprocess.Popen([sys.executable, ROOT / "examples" / "cohort_dask.py", place / "model.safetensors",
                           place / "cohort.tsv", out, scheduler], stderr=subprocess.PIPE, text=True) as run:
        until(lambda: run.poll() is not None or part.exists() and part.read_bytes().count(b"\n") > 10)
        cluster[1][0].send_signal(signal.SIGKILL)
        left = COUNT + 1 - (part.read_bytes().count(b"\n") if part.exists() else COUNT + 1)
        words = run.communicate(timeout=100)[1]
    assert run.returncode == 0, words
    assert left > 0
    assert out.read_bytes() == (place / "serial.tsv").read_bytes()


def test_snakemake_s_run(place, tmp_path):
    """In a folder with a blank, as users have them; the second run finds nothing to do."""
    snakemake = shutil.which("snakemake")
    if snakemake is None:
        pytest.skip("snakemake is not installed (pip install snakemake, into any environment on PATH)")
    folder = tmp_path / "a b"
    folder.mkdir()
    os.link(place / "model.safetensors", folder / "model.safetensors")
    words = [snakemake, "-s", ROOT / "examples" / "Snakefile", "--cores", "2", "--config", "shards=2",
             f"model={folder}/model.safetensors", f"cohort={place}/cohort.tsv"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for wanted in ("4 of 4 steps", "Nothing to be done"):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": path})
        assert done.returncode == 0 and wanted in done.stderr, done.stderr
    assert (folder / "scores.tsv").read_bytes() == (place / "serial.tsv").read_bytes()


def test_slurm_s_tasks_and_their_merge(place, tmp_path):
    """The third is sent alone."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for k, count, alone in ((1, "3", []), (2, "3", []), (3, "1", ["3"])):
        slurm = {"SLURM_ARRAY_TASK_ID": str(k), "SLURM_ARRAY_TASK_COUNT": count, "SLURM_CPUS_PER_TASK": "1"}
        subprocess.run([ROOT / "examples" / "cohort.sbatch", place / "model.safetensors", place / "cohort.tsv",
                        tmp_path / "scores", *alone], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, **slurm, "PATH": path})
    deeptepp.merge_scores((tmp_path / "scores").glob("*.tsv"), place / "cohort.tsv", tmp_path / "scores.tsv")
    serial = (place / "serial.tsv").read_bytes()
    assert (tmp_path / "scores.tsv").read_bytes() == serial
