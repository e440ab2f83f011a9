"""A run's files: Ctrl-C and what goes on after it, what is never written over, shards that do not go together."""

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

import deeptepp
import make_model
from cohort_maker import make_cohort
from deeptepp import __main__ as deeptepp_command
from deeptepp import _rows
from test_package_cohort import RUN, counted

COUNT = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    make_cohort(folder, count=COUNT, broken=0)
    return folder


@pytest.fixture(scope="module")
def model(place):
    with deeptepp.open_model(place / "model.safetensors", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(place, model):
    deeptepp.score_cohort(model, place / "cohort.tsv", out=place / "whole.tsv")
    return (place / "whole.tsv").read_bytes()


# ---- Ctrl-C, and resume ----

# What a shell runs in its background is born with SIGINT ignored.
STOPPED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)" + RUN.replace(
    "    deeptepp.score", "    try: deeptepp.score") + """\
    except KeyboardInterrupt: print("out", flush=True)
"""


@pytest.mark.alone
def test_ctrl_c_ends_a_run_at_once_and_resume_goes_on(place, slow_model, tmp_path):
    """While a score of seconds is being computed, after a first row that failed at once."""
    out, part = tmp_path / "scores.tsv", tmp_path / "scores.tsv.part"
    shutil.copy(slow_model, tmp_path / "model.safetensors")
    lines = (place / "cohort.tsv").read_text(encoding="utf-8").replace("\tsub", f"\t{place}/sub").splitlines(True)
    lines.insert(1, "lost\tlost.nii\tlost.nii\t\t\n")
    (tmp_path / "cohort.tsv").write_text("".join(lines), encoding="utf-8")
    with subprocess.Popen([sys.executable, "-c", STOPPED, tmp_path, out], stdout=subprocess.PIPE) as run:
        run.stdout.readline()
        while not part.exists() or part.read_bytes().count(b"\n") < 2:
            time.sleep(0.001)
        time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        sent = time.monotonic()
        assert run.stdout.readline() == b"out\n" and time.monotonic() - sent < 0.5
        assert run.wait(timeout=5) == 0
    assert not out.exists() and part.read_bytes().count(b"\n") == 2
    shutil.copy(place / "model.safetensors", tmp_path / "model.safetensors")
    subprocess.run([sys.executable, "-c", RUN, tmp_path, out], check=True, stdout=subprocess.DEVNULL)
    assert out.read_bytes().count(b"\tok\t") == COUNT and not part.exists()


def test_the_thread_that_reads_ahead_ends_with_the_run(place, model, monkeypatch):
    read, begun = _rows.Scorer.read, threading.Event()

    def endless(self, task, watch=None):
        while task.position == 1:
            begun.set()
            watch(0.5)
            time.sleep(0.001)
        return read(self, task, watch)

    def stop(fraction):
        assert begun.wait(10)
        raise KeyboardInterrupt
    monkeypatch.setattr(_rows.Scorer, "read", endless)
    with pytest.raises(KeyboardInterrupt):
        deeptepp.score_cohort(model, place / "cohort.tsv", progress=stop)
    readers = [thread for thread in threading.enumerate() if thread.name.startswith("deeptepp-reader")]
    for reader in readers:
        reader.join(10)
        assert not reader.is_alive()


@pytest.mark.parametrize("earlier", [None, ("", "")])
def test_reading_can_be_stopped(place, model, earlier):
    """Of volumes, and of the files of an earlier result."""
    scorer = _rows.Scorer(model, _rows.Options(str(place), False, "same", None))

    def watch(fraction):
        raise LookupError
    with pytest.raises(LookupError):
        scorer.read(_rows.Task(0, (("", "image", "image0.nii"),), "mask0.nii", None, (), earlier), watch)


def test_progress_is_the_fraction_of_rows_and_what_it_raises_ends_the_run(place, model, whole, tmp_path):
    out, seen = tmp_path / "scores.tsv", []

    def tell(fraction):
        seen.append(fraction)
        if fraction == 0.5:
            raise LookupError
    with pytest.raises(LookupError):
        deeptepp.score_cohort(model, place / "cohort.tsv", out=out, progress=tell)
    assert seen == [n / COUNT for n in range(1, COUNT // 2 + 1)]
    for _ in ("half of it kept", "all of it kept"):
        seen.clear()
        deeptepp.score_cohort(model, place / "cohort.tsv", out=out, progress=seen.append, resume=True)
        assert seen == [n / COUNT for n in range(1, COUNT + 1)] and out.read_bytes() == whole


def test_files_of_earlier_rows_are_looked_at_where_rows_are_scored(place, model, whole, tmp_path, monkeypatch):
    """On a cluster by the workers: the caller reads no file."""
    out, at, seen = tmp_path / "scores.tsv", [], []

    def engine(score, tasks):
        seen.append([task.earlier is None for task in tasks])
        worker = threading.Thread(target=lambda: seen.extend(map(score, tasks)))
        worker.start()
        worker.join()
        return seen[1:]
    digest = _rows.file_digest
    monkeypatch.setattr(_rows, "file_digest", lambda *rest: at.append(threading.current_thread()) or digest(*rest))
    out.write_bytes(b"".join(whole.splitlines(True)[:3]))
    deeptepp.score_cohort(model, place / "cohort.tsv", out=out, resume=True, map=engine)
    assert seen[0] == [False] * 2 + [True] * (COUNT - 2) and [done.cells is None for done in seen[1:3]] == [True] * 2
    assert len(at) == 4 and threading.current_thread() not in at
    assert out.read_bytes() == whole


def test_a_file_that_is_gone_is_no_earlier_result(tmp_path, model, monkeypatch):
    make_cohort(tmp_path, count=3, broken=0)
    deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "scores.tsv")
    (tmp_path / "sub-001-mask.nii").unlink()
    seen = counted(monkeypatch)
    found = deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "scores.tsv", resume=True)
    assert [row["error_code"] for row in found.rows] == [None, "FILE_MISSING", None] and not seen


# ---- What is never written over ----


@pytest.mark.parametrize("resume", [False, True])
def test_the_cohort_itself_and_a_json_of_another_kind_stay(place, model, tmp_path, resume):
    cohort = shutil.copy(place / "cohort.tsv", tmp_path / "cohort.tsv")
    (tmp_path / "cohort.json").write_text('{"note": {"Description": "a note"}}')
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for out, words in (("cohort.csv", "cohort.json exists"), ("cohort.tsv", "exists")):
        with pytest.raises(FileExistsError, match=words):
            deeptepp.score_cohort(model, cohort, out=tmp_path / out, folder=place, resume=resume)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_table_without_results_is_not_gone_on_with(place, model, tmp_path):
    cohort = shutil.copy(place / "cohort.tsv", tmp_path / "cohort.tsv")
    with pytest.raises(ValueError, match='cohort.tsv has no column ".*", wanted scores of an earlier run'):
        deeptepp.score_cohort(model, cohort, out=cohort, folder=place, resume=True)
    assert os.listdir(tmp_path) == ["cohort.tsv"]
    assert cohort.read_bytes() == (place / "cohort.tsv").read_bytes()


def test_a_file_system_without_locks_is_refused(place, model, tmp_path, monkeypatch):
    def none(file, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")
    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(OSError, match="scores.tsv.part cannot be locked .Function not implemented., wanted"):
        deeptepp.score_cohort(model, place / "cohort.tsv", out=tmp_path / "scores.tsv")


# ---- Commands ----


@pytest.mark.parametrize("words", ["cohort", "cohort --shard 0/3", "cohort --res", "merge --out all.tsv", "dicom",
                                   "table", "table bids --nothing"])
def test_a_command_that_is_wrong_gets_one_line(monkeypatch, capsys, words):
    monkeypatch.setattr(sys, "argv", ["deeptepp", *words.split()])
    with pytest.raises(SystemExit) as end:
        deeptepp_command.main()
    printed = capsys.readouterr()
    assert (end.value.code, printed.out) == (2, "")
    assert printed.err.startswith("deeptepp: ") and printed.err.count("\n") == 1


@pytest.mark.parametrize("name", deeptepp_command.COMMANDS)
def test_ctrl_c_ends_a_command_with_130(monkeypatch, name):
    def main(argv):
        raise KeyboardInterrupt
    monkeypatch.setattr(deeptepp_command.importlib, "import_module", lambda module: types.SimpleNamespace(main=main))
    monkeypatch.setattr(sys, "argv", ["deeptepp", name])
    assert deeptepp_command.main() == 130


# ---- Merging ----


@pytest.fixture(scope="module")
def shards(place, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    for k in (1, 2):
        deeptepp.score_cohort(model, place / "cohort.tsv", out=folder / f"{k}.tsv", shard=(k, 2))
    return folder


def rows_of(place):
    return deeptepp.read_cohort(place / "cohort.tsv").rows


@pytest.mark.parametrize("changed, words", [
    (lambda rows: [{**row, "note": "neu"} for row in rows], 'has note "größer", wanted "neu" as the cohort has'),
    (lambda rows: [{**row, "mask": "x.nii"} for row in rows], 'has mask "sub-00.-mask.nii", wanted "x.nii"'),
    (lambda rows: rows[1:], 'has participant_id "sub-000", which is not in the cohort'),
    (lambda rows: [*rows, {**rows[0], "participant_id": "new"}], '"new" is in none of the tables'),
    (lambda rows: [*rows, rows[0]], 'participant_id "sub-000" twice'),
    (lambda rows: [{**row, "more": "1"} for row in rows], "has other columns, wanted the cohort's"),
])
def test_merging_refuses_a_cohort_that_has_changed(place, shards, tmp_path, changed, words):
    with pytest.raises(ValueError, match=words):
        deeptepp.merge_scores([shards / "1.tsv", shards / "2.tsv"], changed(rows_of(place)), tmp_path / "all.tsv")
    assert not list(tmp_path.iterdir())


def test_merging_refuses_other_models_and_options(place, shards, model, tmp_path):
    make_model.make_model(tmp_path / "other.safetensors", depth=10, width=4, size=(8, 8, 8), views=2, seed=2,
                          self_test=False)
    with deeptepp.open_model(tmp_path / "other.safetensors", threads=1) as other:
        deeptepp.score_cohort(other, place / "cohort.tsv", out=tmp_path / "2.tsv", shard=(2, 2))
    deeptepp.score_cohort(model, place / "cohort.tsv", out=tmp_path / "3.tsv", shard=(2, 2), largest_part=True)
    for name, words in (("2", f'2.tsv has model_sha256 "{other.sha256}", wanted "{model.sha256}" as .*1.tsv has'),
                        ("3", 'has options "largest_part=true;.*", wanted "largest_part=false;')):
        with pytest.raises(ValueError, match=words):
            deeptepp.merge_scores([shards / "1.tsv", tmp_path / f"{name}.tsv"], place / "cohort.tsv",
                                  tmp_path / "all.tsv")
    assert not (tmp_path / "all.tsv").exists()


@pytest.mark.parametrize("text", ["no JSON", "[1]", '{"deeptepp": 3}', "\udcff"])
def test_a_json_of_another_kind_beside_a_shard_is_passed_over(place, shards, whole, tmp_path, text):
    for k in (1, 2):
        shutil.copy(shards / f"{k}.tsv", tmp_path)
    (tmp_path / "1.json").write_text(text, errors="surrogateescape")
    shutil.copy(shards / "2.json", tmp_path)
    deeptepp.merge_scores([tmp_path / "1.tsv", tmp_path / "2.tsv"], place / "cohort.tsv", tmp_path / "all.tsv")
    assert (tmp_path / "all.tsv").read_bytes() == whole
    assert json.loads((tmp_path / "all.json").read_text())["deeptepp"]["model"]["name"]


def test_merging_writes_over_nothing_and_wants_a_list(place, shards, tmp_path):
    (tmp_path / "all.json").write_text("{}")
    tables = [shards / "1.tsv", shards / "2.tsv"]
    with pytest.raises(FileExistsError, match="all.json exists"):
        deeptepp.merge_scores(tables, place / "cohort.tsv", tmp_path / "all.tsv")
    with pytest.raises(TypeError, match="wanted a list of paths"):
        deeptepp.merge_scores(tables[0], place / "cohort.tsv", tmp_path / "other.tsv")
    assert os.listdir(tmp_path) == ["all.json"]
