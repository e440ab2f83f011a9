"""A Model is a recipe: pickles, copies, processes of every kind; memory stays flat."""

import copy
import multiprocessing
import os
import pickle
import resource
import shutil
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import deeptepp

pytestmark = pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")

# ---- In one process ----


def test_copies_share_memory_and_pickles_are_small(model, paths, expected):
    raw = pickle.dumps(model)
    assert len(raw) < 1000 and b"deeptepp.model" not in raw
    for other in (pickle.loads(raw), copy.copy(model), copy.deepcopy(model), deeptepp.open_model(model.path)):
        assert other is not model and other._opened() is model._opened()
        assert other.score(*paths).score == expected["score"] and other.path == model.path


def test_a_copy_lives_on_when_its_origin_is_closed(tiny_case, paths, expected):
    with deeptepp.open_model(tiny_case[0], threads=1) as first:
        second = copy.deepcopy(first)
        wanted = first.score(*paths).score
    assert second.score(*paths).score == wanted
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(first)


def test_options_travel(tiny_case, paths):
    one = deeptepp.open_model(tiny_case[0], threads=1, guidance=False, memory_limit=2**40)
    raw = pickle.dumps(one)
    assert pickle.loads(raw)._opened() is one._opened()
    assert deeptepp.open_model(tiny_case[0], threads=2)._opened() is not one._opened()
    del one
    again = pickle.loads(raw)
    assert again._core is None and again.score(*paths).to_dict()["software"]["threads"] == 1
    assert again.threads == 1


def test_relative_paths_travel(tiny_case, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_case[0].parent)
    raw = pickle.dumps(deeptepp.open_model(tiny_case[0].name))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(raw).path == str(tiny_case[0])


def test_a_changed_or_missing_file_is_an_error(tiny_case, paths, tmp_path):
    path = tmp_path / "model.safetensors"
    shutil.copy(tiny_case[0], path)
    raw = pickle.dumps(deeptepp.open_model(path, threads=3))
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    later = pickle.loads(raw)
    with pytest.raises(deeptepp.errors.ModelSha256Error):
        later.score(*paths)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        later.score(*paths)
    shutil.copy(tiny_case[0], path)
    assert later.score(*paths).view_scores


def test_volumes_do_not_pickle(paths):
    with pytest.raises(TypeError, match="hand on its path"):
        pickle.dumps(deeptepp.Volume.open(paths[0]))


# ---- Other processes ----


def score_of(model, paths):
    return model.score(*paths).score


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers(model, paths, expected, method):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(score_of, [model] * 6, [paths] * 6)) == [expected["score"]] * 6


def in_a_fork(call, seconds=60):
    """What call returns in a forked child; None where it has not in time."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writable, repr(call()).encode())
        finally:
            os._exit(0)
    os.close(writable)
    end = time.monotonic() + seconds
    while time.monotonic() < end and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.01)
    if time.monotonic() >= end:
        os.kill(child, 9)
        os.waitpid(child, 0)
    with os.fdopen(readable) as answer:
        return answer.read() or None


def test_a_fork_goes_on_with_the_parent_s_model(model, paths, expected):
    """Its file is not opened again, and both go on scoring."""
    wanted = (expected["score"], model.self_test().found)
    assert in_a_fork(lambda: (model.score(*paths).score, model.self_test().found)) == repr(wanted)
    assert model.score(*paths).score == expected["score"]


def test_a_fork_while_another_thread_scores(slow_model, paths):
    """Its session is not the child's, which makes one of its own."""
    with deeptepp.open_model(slow_model, threads=1) as model:
        wanted = model.score(*paths).score
        model.score(*paths)
        thread = threading.Thread(target=model.score, args=paths)
        thread.start()
        time.sleep(0.2)
        assert thread.is_alive(), "the score was too short to tell"
        found = in_a_fork(lambda: model.score(*paths).score)
        thread.join()
        assert found == repr(wanted)
        assert model.score(*paths).score == wanted


def test_a_fork_while_a_model_is_being_reopened(model, paths, expected):
    """The lock of the parent's other thread is not the child's."""
    raw = pickle.dumps(model)
    held, done = threading.Event(), threading.Event()

    def hold():
        with deeptepp.model._opening:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def reopen():
        other = pickle.loads(raw)
        other._core = None
        return other.score(*paths).score

    try:
        assert in_a_fork(reopen) == repr(expected["score"])
    finally:
        done.set()
        thread.join()


# ---- Memory ----


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


GROWTH = """
import gc, os, sys
import numpy as np
import deeptepp
import test_package_processes as here

def once():
    with deeptepp.open_model(sys.argv[1], threads=1) as model:
        for name in sys.argv[4].split(","):
            if name == "score": model.score(sys.argv[2], sys.argv[3])
            if name == "fail":
                try: model.score(sys.argv[2], "none")
                except deeptepp.DeepteppError: pass
            if name == "array": deeptepp.Volume.from_array(np.zeros((64, 64, 64)), np.diag([1, 1, 2, 1]))

for _ in range(20): once()
before = here.resident()
for _ in range(int(sys.argv[5])): once()
gc.collect()
print(here.resident() - before)
"""


@pytest.mark.parametrize("what, times", [("open", 1000), ("score,fail,array", 30)])
def test_memory_stays_flat(tiny_case, what, times):
    done = subprocess.run([sys.executable, "-c", GROWTH, *tiny_case, what, str(times)], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": os.path.dirname(__file__), "MALLOC_ARENA_MAX": "1"})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8 * 2**20, f"{int(done.stdout)} bytes more"


def test_preprocess_makes_no_second_tensor(slow_model, paths):
    """numpy tells tracemalloc of what it allocates: the tensor, once."""
    with deeptepp.open_model(slow_model, threads=1) as model:
        model.preprocess(*paths)
        tracemalloc.start()
        try:
            tensor = model.preprocess(*paths)
            assert tracemalloc.get_traced_memory()[1] < tensor.nbytes + 2**20
        finally:
            tracemalloc.stop()
    assert np.isfinite(tensor).all()


def opens(model, paths):
    """Scores; how often this process has opened a model so far."""
    module = sys.modules["deeptepp.model"]
    if not hasattr(module, "opens"):
        module.opens, once = [], module._open
        module._open = lambda *arguments: module.opens.append(1) or once(*arguments)
    model.score(*paths)
    return len(module.opens)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_opens_a_model_once(model, paths, method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert [pool.apply(opens, (model, paths)) for _ in range(3)] == [1, 1, 1]


def test_a_copy_closed_while_it_opens_stays_closed(model, monkeypatch):
    taken = pickle.loads(pickle.dumps(model))
    taken._core = None
    monkeypatch.setattr("deeptepp.model._cores", {})
    module, once = sys.modules["deeptepp.model"], sys.modules["deeptepp.model"]._open
    monkeypatch.setattr(module, "_open", lambda *arguments: (once(*arguments), taken.close())[0])
    for _ in range(2):
        with pytest.raises(ValueError, match="closed"):
            taken.name


def test_a_path_through_a_link_is_the_system_s(tiny_case, tmp_path):
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/sub")
    shutil.copy(tiny_case[0], tmp_path / "real" / "model.safetensors")
    with deeptepp.open_model(tmp_path / "link" / ".." / "model.safetensors") as opened:
        assert opened.path.endswith("link/../model.safetensors")
    with pytest.raises(deeptepp.errors.FileMissingError):
        deeptepp.open_model("")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")
def test_threads_by_default_are_those_of_the_moment(tiny_case, paths):
    allowed = os.sched_getaffinity(0)
    with deeptepp.open_model(tiny_case[0]) as first:
        wanted = first.score(*paths).to_dict()["software"]["threads"]
        try:
            os.sched_setaffinity(0, {min(allowed)})
            with deeptepp.open_model(tiny_case[0]) as second:
                assert second.score(*paths).to_dict()["software"]["threads"] == 1 < wanted
        finally:
            os.sched_setaffinity(0, allowed)
