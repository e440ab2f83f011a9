"""One cohort through every engine: the same bytes, and the model opened once a worker."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

import deeptepp
from cohort_maker import make_cohort

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    make_cohort(folder, count=30, broken=10)
    with deeptepp.open_model(folder / "model.safetensors", threads=1) as model:
        deeptepp.score_cohort(model, folder / "cohort.tsv", out=folder / "serial.tsv")
        yield folder, model


def same(place, tmp_path, engine):
    deeptepp.score_cohort(place[1], place[0] / "cohort.tsv", out=tmp_path / "scores.tsv", map=engine)
    assert (tmp_path / "scores.tsv").read_bytes() == (place[0] / "serial.tsv").read_bytes()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(place, tmp_path, method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        same(place, tmp_path, pool.imap_unordered)


class Deadly:
    """A scorer whose worker dies on the fourth row."""

    def __init__(self, scorer):
        self.scorer = scorer

    def __call__(self, task):
        return self.scorer(task) if task.position != 3 else os._exit(9)


def test_a_worker_that_dies_ends_an_executor_s_run_and_resume_goes_on(place, tmp_path):
    out = tmp_path / "scores.tsv"
    for wrap, end in ((Deadly, pytest.raises(concurrent.futures.BrokenExecutor)),
                      (lambda scorer: scorer, contextlib.nullcontext())):
        with end, concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as pool:
            deeptepp.score_cohort(place[1], place[0] / "cohort.tsv", out=out, resume=True,
                                  map=lambda scorer, tasks: pool.map(wrap(scorer), tasks))
    assert out.read_bytes() == (place[0] / "serial.tsv").read_bytes()


def test_threads(place, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        same(place, tmp_path, threads.map)


def test_joblib(place, tmp_path):
    joblib = pytest.importorskip("joblib")
    same(place, tmp_path, lambda f, rows: joblib.Parallel(2)(joblib.delayed(f)(row) for row in rows))


class Counting:
    """A scorer that also says how often its process has opened a model file."""

    def __init__(self, scorer):
        self.scorer = scorer

    def __call__(self, task):
        from deeptepp import model
        if not hasattr(model, "opened"):
            model.opened, true_open = 0, model._open

            def count(*arguments):
                model.opened += 1
                return true_open(*arguments)
            model._open = count
        return self.scorer(task), os.getpid(), model.opened


def test_each_worker_opens_the_model_once(place):
    opened = {}

    def engine(scorer, tasks):
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            for done, process, count in pool.imap_unordered(Counting(scorer), tasks):
                opened[process] = max(count, opened.get(process, 0))
                yield done
    deeptepp.score_cohort(place[1], place[0] / "cohort.tsv", map=engine)
    assert opened and set(opened.values()) == {1}
