"""A table of cases in, the same table with scores out: whole runs, killed ones, parts of one."""

import collections
import csv
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

import deeptepp
from cohort_maker import KINDS, change, make_cohort


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return folder, make_cohort(folder)


@pytest.fixture(scope="module")
def model(place):
    with deeptepp.open_model(place[0] / "model.safetensors", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(place, model):
    """The bytes of a run that nothing disturbed."""
    deeptepp.score_cohort(model, place[0] / "cohort.tsv", out=place[0] / "whole.tsv")
    return (place[0] / "whole.tsv").read_bytes()


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def counted(monkeypatch):
    """How often each mask is scored."""
    seen = collections.Counter()
    score = deeptepp.Model.score

    def counting(self, image, mask, **rest):
        seen[mask.sha256] += 1
        return score(self, image, mask, **rest)
    monkeypatch.setattr(deeptepp.Model, "score", counting)
    return seen


def test_every_case_has_its_row_and_good_ones_have_the_scores_of_single_runs(place, model, whole):
    folder, codes = place
    rows = rows_of(folder / "whole.tsv")
    assert [row["participant_id"] for row in rows] == list(codes)
    assert collections.Counter(row["status"] for row in rows) == {"ok": 180, "error": 20}
    for row in rows:
        code = codes[row["participant_id"]]
        assert row["error_code"] == (code or "n/a") and (row["error_message"] == "n/a") == (not code)
        assert row["note"] == "größer"
        if not code:
            alone = model.score(folder / row["image"], folder / row["mask"])
            assert float(row["score"]) == alone.score and row["score"] == f"{alone.score:.17g}"
            assert row["tier"] == (alone.tier_name or "n/a")
            assert row["image_sha256"] == deeptepp.Volume.open(folder / row["image"]).sha256
    assert set(codes.values()) == {"", *KINDS.values()}


def test_what_is_known_of_a_bad_case_stands_in_its_row(place, whole):
    rows = {row["error_code"]: row for row in rows_of(place[0] / "whole.tsv")}
    empty, absent = rows["MASK_EMPTY"], rows["FILE_MISSING"]
    assert len(empty["image_sha256"]) == len(empty["mask_sha256"]) == 64 and empty["mask_voxels"] == "n/a"
    assert absent["image_sha256"] == "n/a" and len(absent["mask_sha256"]) == 64
    assert rows["ROW_LABEL"]["error_message"] == 'label is "left", wanted a whole number above 0'
    assert absent["error_message"].startswith(f"{place[0]}/{absent['image']}")


def test_the_sidecar_counts(place, whole):
    found = json.loads((place[0] / "whole.json").read_text())
    assert found["deeptepp"]["status"] == {"error": 20, "ok": 180}
    assert found["deeptepp"]["error_code"] == {code: 2 for code in KINDS.values()}
    header = whole.decode().split("\n")[0].split("\t")
    assert [name for name in header[5:] if not found[name]["Description"]] == []
    assert not (place[0] / "whole.tsv.part").exists()


RUN = """
import sys, deeptepp
from pathlib import Path
folder = Path(sys.argv[1])
with deeptepp.open_model(folder / "model.safetensors", threads=1) as model:
    print("ready", flush=True)
    deeptepp.score_cohort(model, folder / "cohort.tsv", out=sys.argv[2], resume=True)
"""


def killed_run(folder, out, part, after):
    """True where the run was killed before its end. It has scored something by then: the wait begins with a new row."""
    before = part.stat().st_size if part.exists() else 0
    with subprocess.Popen([sys.executable, "-c", RUN, folder, out], stdout=subprocess.PIPE) as run:
        run.stdout.readline()
        while run.poll() is None and not (part.exists() and part.stat().st_size > before):
            time.sleep(0.001)
        time.sleep(after)
        run.send_signal(signal.SIGKILL)
    return run.returncode == -signal.SIGKILL


def ids_in(part):
    return [line.split("\t")[0] for line in part.read_text(encoding="utf-8").split("\n")[1:-1]]


def test_killed_at_random_moments_it_goes_on_and_scores_nothing_twice(place, whole, tmp_path):
    out, part = tmp_path / "scores.tsv", tmp_path / "scores.tsv.part"
    draw, kills, errors = random.Random(9), 0, {name for name, code in place[1].items() if code}
    for _ in range(20):
        killed = killed_run(place[0], out, part, draw.random() * 0.01)
        if not killed:
            break
        kills += 1
        twice = [name for name, n in collections.Counter(ids_in(part)).items() if n > 1]
        assert set(twice) <= errors  # those are tried again
    assert kills >= 10
    subprocess.run([sys.executable, "-c", RUN, place[0], out], check=True, stdout=subprocess.DEVNULL)
    assert out.read_bytes() == whole


@pytest.mark.parametrize("cut", [1, 7, 300])
def test_a_torn_line_is_dropped_and_only_what_is_missing_is_scored(place, model, whole, tmp_path, monkeypatch, cut):
    out, part = tmp_path / "scores.tsv", tmp_path / "scores.tsv.part"
    lines = whole.splitlines(keepends=True)
    part.write_bytes(b"".join(lines[:101])[:-cut])
    kept = sum(b"\tok\t" in line for line in part.read_bytes().splitlines(keepends=True) if line.endswith(b"\n"))
    seen = counted(monkeypatch)
    deeptepp.score_cohort(model, place[0] / "cohort.tsv", out=out, resume=True)
    assert out.read_bytes() == whole
    tried = {"MASK_EMPTY", "GEOMETRY_SIZE", "MASK_LABELS"}  # errors that come of scoring
    assert sum(seen.values()) == 180 - kept + sum(code in tried for code in place[1].values())


def test_a_changed_mask_is_scored_again_and_only_that(place, model, tmp_path, monkeypatch):
    codes = make_cohort(tmp_path, count=10, broken=0)
    deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "scores.tsv")
    before = rows_of(tmp_path / "scores.tsv")
    change(tmp_path / "sub-004-mask.nii", lambda a: a * (a.cumsum(0) > 2))
    seen = counted(monkeypatch)
    deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "scores.tsv", resume=True)
    after = rows_of(tmp_path / "scores.tsv")
    assert sum(seen.values()) == 1
    assert [row["participant_id"] for row, old in zip(after, before) if row != old] == ["sub-004"]
    assert list(codes) == [row["participant_id"] for row in after]


def test_other_options_and_another_model_are_scored_again(tmp_path, model, monkeypatch):
    make_cohort(tmp_path, count=4, broken=0)
    deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "scores.tsv")
    seen = counted(monkeypatch)
    deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "scores.tsv", resume=True)
    assert not seen
    deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "scores.tsv", resume=True, largest_part=True)
    assert sum(seen.values()) == 4


def test_shards_merged_are_the_whole(place, model, whole, tmp_path):
    shards = [tmp_path / f"{k}.tsv" for k in (1, 2, 3)]
    sizes = [len(deeptepp.score_cohort(model, place[0] / "cohort.tsv", out=out, shard=(k, 3)))
             for k, out in enumerate(shards, 1)]
    assert sum(sizes) == 200 and min(sizes) > 40
    deeptepp.merge_scores(shards[::-1], place[0] / "cohort.tsv", tmp_path / "merged.tsv")
    assert (tmp_path / "merged.tsv").read_bytes() == whole
    for tables, words in ((shards[:2], "is in none of the tables"), ([*shards, shards[0]], "wanted each case in one")):
        with pytest.raises(ValueError, match=words):
            deeptepp.merge_scores(tables, place[0] / "cohort.tsv", tmp_path / "refused.tsv")
    assert not (tmp_path / "refused.tsv").exists()


def test_one_run_on_an_out_at_a_time(place, model, tmp_path):
    out, begun, go = tmp_path / "scores.tsv", threading.Event(), threading.Event()

    def waiting(score, tasks):
        begun.set()
        assert go.wait(60)
        return map(score, tasks)
    run = threading.Thread(target=deeptepp.score_cohort, args=(model, place[0] / "cohort.tsv"),
                           kwargs={"out": out, "map": waiting})
    run.start()
    try:
        assert begun.wait(60)
        for resume, words in ((True, "written by another run"), (False, "exists; resume=True")):
            with pytest.raises(FileExistsError, match=words):
                deeptepp.score_cohort(model, place[0] / "cohort.tsv", out=out, resume=resume)
    finally:
        go.set()
        run.join()
    assert len(rows_of(out)) == 200


def test_a_row_that_an_engine_loses_is_a_row(place, model, tmp_path):
    found = deeptepp.score_cohort(model, place[0] / "cohort.tsv",
                                  map=lambda score, tasks: (score(task) for task in reversed(tasks[1:])))
    assert found.rows[0]["error_code"] == "WORKER_LOST" and found.rows[1]["status"] == "ok"
    assert [row["participant_id"] for row in found.rows] == list(place[1])


@pytest.mark.parametrize("header, row, words", [
    ("image\tmask", "a\tb", "no column of ids"),
    ("id\timage\timage\tmask", "1\ta\ta\tb", 'column "image" twice'),
    ("id\timage\tImage\tmask", "1\ta\ta\tb", 'columns "image" and "Image"'),
    ("id\timage", "1\ta", 'no column "mask"'),
    ("id\timage:pre\tmask", "1\ta\tb", "image columns"),
    ("id\timage\tmask\tscore", "1\ta\tb\t1", "name of a result"),
    ("id\timage\tmask", "1\ta\tb\n1\ta\tb", 'id "1" twice'),
    ("id\timage\tmask", "n/a\ta\tb", "row 1 has no id"),
    ("id\timage\tmask", "1\ta", "row 1 has 2 cells, wanted 3"),
    ("id\timage\tmask", '1\ta"b\tc', "a quote"),
])
def test_a_table_that_does_not_fit_is_refused_before_anything_is_scored(model, tmp_path, header, row, words):
    (tmp_path / "cohort.tsv").write_text(f"{header}\n{row}\n")
    with pytest.raises(ValueError, match=words):
        deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "scores.tsv")
    assert os.listdir(tmp_path) == ["cohort.tsv"]


def test_from_a_shell(place, whole, tmp_path):
    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "deeptepp", *map(str, arguments)], capture_output=True, text=True)
    for k in (1, 2):
        done = run("cohort", "--model", place[0] / "model.safetensors", "--cohort", place[0] / "cohort.tsv",
                   "--threads", 1, "--out", tmp_path / f"{k}.tsv", "--shard", f"{k}/2")
        assert (done.returncode, done.stderr) == (0, "") and " ok, " in done.stdout
    merge = ("merge", "--cohort", place[0] / "cohort.tsv", "--out", tmp_path / "all.tsv", tmp_path / "1.tsv")
    done = run(*merge)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "in none of the tables" in done.stderr
    assert run(*merge, tmp_path / "2.tsv").returncode == 0
    assert (tmp_path / "all.tsv").read_bytes() == whole
