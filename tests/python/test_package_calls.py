"""Ctrl-C, exceptions of callables, progress, log lines, threads; nothing printed and no process started."""

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import deeptepp

# ---- Interrupts ----


@pytest.fixture(autouse=True)
def interruptible():
    """What a shell runs in its background is born with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Later:
    """Does something in a while, and says when it did."""

    def __init__(self, seconds, what):
        self.at = None
        self.what = what
        self.timer = threading.Timer(seconds, self.run)
        self.timer.start()

    def run(self):
        self.at = time.monotonic()
        self.what()


def control_c():
    os.kill(os.getpid(), signal.SIGINT)


def seconds_to_return(delay, call):
    later = Later(delay, control_c)
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        later.timer.cancel()
    return time.monotonic() - later.at


@pytest.mark.alone
def test_control_c_while_scoring(slow_model, paths):
    with deeptepp.open_model(slow_model, threads=1) as model:
        whole = model.score(*paths).score
        start = time.monotonic()
        model.score(*paths)
        took = time.monotonic() - start
        for part in (0.05, 0.3, 0.6):
            assert seconds_to_return(part * took, lambda: model.score(*paths)) < 0.5
        assert model.score(*paths).score == whole


@pytest.mark.alone
def test_control_c_while_preprocessing_and_testing(slow_model, paths):
    with deeptepp.open_model(slow_model, threads=1) as model:
        model.preprocess(*paths)
        start = time.monotonic()
        model.preprocess(*paths)
        took = time.monotonic() - start
        assert seconds_to_return(took / 3, lambda: [model.preprocess(*paths) for _ in range(100)]) < 0.5


@pytest.mark.alone
def test_control_c_while_opening_and_reading(slow_model, paths):
    def often():
        for _ in range(1000):
            deeptepp.open_model(slow_model, threads=1)
            deeptepp.Volume.open(paths[0])

    assert seconds_to_return(0.3, often) < 0.5


def test_a_handler_s_own_exception(slow_model, paths):
    """Whatever a signal's handler raises comes out, as from Python code."""
    class Stop(Exception):
        pass

    def handler(number, frame):
        raise Stop

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with deeptepp.open_model(slow_model, threads=1) as model, pytest.raises(Stop):
            Later(0.2, lambda: os.kill(os.getpid(), signal.SIGUSR1))
            model.score(*paths)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.alone
def test_other_threads_are_left_alone(slow_model, paths):
    """A signal is the main thread's: a score on another goes on."""
    found = []
    with deeptepp.open_model(slow_model, threads=1) as model:
        thread = threading.Thread(target=lambda: found.append(model.score(*paths).score))
        thread.start()
        assert seconds_to_return(0.2, lambda: model.score(*paths)) < 0.5
        thread.join()
        assert found == [model.score(*paths).score]


# ---- Callables ----


def test_an_exception_of_progress_ends_the_call(model, paths, expected):
    for last in (0.0, 0.1, 0.5, 0.999):
        seen = []

        def progress(fraction, last=last, seen=seen):
            seen.append(fraction)
            if fraction >= last:
                raise LookupError("enough")

        with pytest.raises(LookupError, match="enough"):
            model.score(*paths, progress=progress)
        assert seen[-1] >= last and all(fraction < last for fraction in seen[:-1])
    assert model.score(*paths).score == expected["score"]


def test_an_exception_keeps_its_traceback_and_nothing_alive(model, paths):
    class Thing(Exception):
        pass

    def progress(fraction):
        raise Thing

    with pytest.raises(Thing) as caught:
        model.score(*paths, progress=progress)
    assert caught.traceback[-1].name == "progress"
    del caught
    gc.collect()
    assert not [o for o in gc.get_objects() if isinstance(o, Thing)]


CALLS = {
    "open_model": lambda model, paths, progress: deeptepp.open_model(model.path, progress=progress),
    "score": lambda model, paths, progress: model.score(*paths, progress=progress),
    "preprocess": lambda model, paths, progress: model.preprocess(*paths, progress=progress),
    "self_test": lambda model, paths, progress: model.self_test(progress=progress),
    "Volume.open": lambda model, paths, progress: deeptepp.Volume.open(paths[0], progress=progress),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("first", [True, False])
def test_progress_rises_to_1(model, paths, name, first):
    if first:
        model._opened()._idle.clear()  # so that a session is made
    seen = []
    CALLS[name](model, paths, seen.append)
    assert seen == sorted(seen) and 0 <= seen[0] < seen[-1] == 1


def test_a_callable_may_use_the_package(model, paths, expected):
    """Another session serves the inner call, whose progress is its own."""
    inner = []

    def progress(fraction):
        if not inner:
            inner.append(None)
            inner.append(model.score(*paths).score)

    assert model.score(*paths, progress=progress).score == expected["score"]
    assert inner[1] == expected["score"]


@pytest.mark.parametrize("progress", [1, "yes", 0.5, []])
def test_what_progress_may_be(model, paths, progress):
    with pytest.raises(TypeError, match="progress is"):
        model.score(*paths, progress=progress)


def test_progress_true_is_a_bar_of_tqdm_s(model, paths, capfd):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    model.score(*paths, progress=True)
    out, err = capfd.readouterr()
    assert not out and "scoring" in err and "%" in err


def test_progress_true_without_tqdm(model, paths, capfd, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with caplog.at_level(logging.INFO, "deeptepp"):
        model.score(*paths, progress=True)
    assert "tqdm is not installed" in caplog.text
    assert capfd.readouterr() == ("", "")


# ---- Lines ----


def test_log_lines_have_levels(tiny_case, paths, caplog, tmp_path):
    with caplog.at_level(logging.DEBUG, "deeptepp"), deeptepp.open_model(tiny_case[0]) as model:
        model._opened()._idle.clear()
        found = model.score(*paths)
    lines = [(r.name, r.levelno) for r in caplog.records]
    assert ("deeptepp", logging.INFO) in lines
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == \
        [w.message for w in found.warnings]


def test_wrong_tensors_are_logged_as_errors(tiny_case, tmp_path, caplog):
    raw = bytearray(tiny_case[0].read_bytes())
    at = raw.index(b'"bn1.weight"')
    raw[at:at + 12] = b'"bn9.weight"'
    (tmp_path / "wrong.safetensors").write_bytes(raw)
    with pytest.raises(deeptepp.errors.ModelTensorsError):
        deeptepp.open_model(tmp_path / "wrong.safetensors")
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert any("bn1.weight" in m for m in messages) and any("bn9.weight" in m for m in messages)


def test_an_exception_of_a_log_handler_ends_the_call(model, paths):
    class Handler(logging.Handler):
        def emit(self, record):
            raise LookupError("full")

    handler = Handler()
    logging.getLogger("deeptepp").addHandler(handler)
    try:
        with pytest.raises(LookupError, match="full"):
            model.score(*paths)
    finally:
        logging.getLogger("deeptepp").removeHandler(handler)


QUIET = """
import os, sys
started, imported = [], []
watched = {"subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system", "socket.connect"}
sys.addaudithook(lambda name, args: started.append(name) if name in watched else None)
import deeptepp
model = deeptepp.open_model(sys.argv[1])
model.self_test()
model.score(*sys.argv[2:])
try:
    model.score(sys.argv[2], sys.argv[2])
except deeptepp.DeepteppError:
    pass
assert not started, started
assert not {"nibabel", "SimpleITK", "tqdm", "pandas", "asyncio"} & set(sys.modules)
"""


def test_nothing_is_printed_and_no_process_started(tiny_case):
    done = subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", QUIET, *tiny_case], capture_output=True,
                          text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- Threads ----


def test_many_threads_on_one_model(model, paths, expected):
    found = []

    def work():
        found.extend(model.score(*paths).view_scores for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tuple(expected["view_scores"])] * 24
    assert len(model._opened()._idle) <= 8


@pytest.mark.alone
def test_the_interpreter_goes_on_while_the_network_runs(slow_model, paths):
    """The longest pause of this thread, while another scores."""
    with deeptepp.open_model(slow_model, threads=1) as model:
        model.score(*paths)
        thread = threading.Thread(target=model.score, args=paths)
        thread.start()
        ticks = [time.monotonic()]
        while thread.is_alive():
            ticks.append(time.monotonic())
            time.sleep(0.001)
    assert ticks[-1] - ticks[0] > 0.3, "the score was too short to tell"
    assert len(ticks) > 100 and max(b - a for a, b in zip(ticks, ticks[1:])) < 0.25


def test_a_model_closed_while_it_is_used(slow_model, paths):
    model = deeptepp.open_model(slow_model, threads=1)
    wanted = model.score(*paths).score
    found = []
    thread = threading.Thread(target=lambda: found.append(model.score(*paths).score))
    thread.start()
    time.sleep(0.2)
    model.close()
    gc.collect()
    thread.join()
    assert found == [wanted]
    for use in (lambda: model.score(*paths), lambda: model.info, model.self_test):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert "closed" in repr(model)
