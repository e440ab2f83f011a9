"""R's cohort runs from outside: tables read by Python's csv, kill -9 and resume, shards by a plain loop."""

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

import r_program

RUN = """
library(deeptepp)
given <- commandArgs(TRUE)
model <- tepp_open(given[1], threads = 1)
shard <- if (nzchar(given[4])) as.numeric(strsplit(given[4], "/")[[1]])
found <- tepp_score_cohort(model, given[2], out = given[3], resume = given[5] == "resume", shard = shard)
cat(sum(found$status == "ok"))
"""

FORKED = """
library(deeptepp)
given <- commandArgs(TRUE)
model <- tepp_open(given[1], threads = 1)
forked <- function(X, FUN) parallel::mclapply(X, FUN, mc.cores = 2)
invisible(tepp_score_cohort(model, given[2], out = given[3], resume = TRUE, apply = forked, chunk = 4))
"""

NOTES = ["plain", "a \"quoted\" word", "a, b", "a\tb", "two\nlines", "ümlaut", "", "n/a", "NA", "1.50"]


@pytest.fixture(scope="module", params=["csv", "tsv"])
def cohort(request, tiny_case, tmp_path_factory):
    """A table of 40 rows beside links to its files, one in five of them broken, and the rows."""
    folder = tmp_path_factory.mktemp("cohort")
    for name, path in zip(("model.safetensors", "image.nii.gz", "mask.nii.gz"), tiny_case):
        shutil.copy(path, folder / name)
    (folder / "empty.nii.gz").write_bytes(b"")
    broken = [("empty.nii.gz", "mask.nii.gz"), ("image.nii.gz", "none.nii.gz"), ("", "mask.nii.gz"), ("", ""),
              ("image.nii.gz", "n/a")]
    rows = []
    for i in range(40):
        image, mask = broken[i // 5 % 5] if i % 5 == 4 else ("image.nii.gz", "mask.nii.gz")
        rows.append([f"sub-é{i}", image, mask, NOTES[i % len(NOTES)]])
    path = folder / f"cohort.{request.param}"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="," if request.param == "csv" else "\t", lineterminator="\n")
        writer.writerows([["participant_id", "image", "mask", "note"], *rows])
    return folder / "model.safetensors", path, rows


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter="," if path.suffix == ".csv" else "\t"))


@pytest.fixture(scope="module")
def whole(cohort):
    """The bytes of a run in one go."""
    out = cohort[1].with_stem("whole")
    assert r_program.run(RUN, cohort[0], cohort[1], out, "", "") == "32"
    return out


def test_the_table_is_what_csv_reads_and_the_rows_are_the_command_line_s(cohort, whole, tiny_case):
    header, *rows = read(whole)
    assert [row[:4] for row in rows] == cohort[2]
    wanted = r_program.by_command_line(*tiny_case)
    table = [dict(zip(header, row)) for row in rows]
    missing = "n/a" if whole.suffix == ".tsv" else ""
    for row in table:
        if row["status"] == "ok":
            assert (float(row["score"]), row["tier"]) == (wanted["score"], wanted["tier"]["name"])
        else:
            assert row["score"] == row["tier"] == missing
    codes = [row["error_code"] for row in table if row["status"] == "error"]
    assert set(codes) == {"FILE_TRUNCATED", "FILE_MISSING", "ROW_IMAGE_MISSING", "ROW_MASK_MISSING"}
    assert f"{cohort[1].parent}/none.nii.gz" in next(r["error_message"] for r in table if r["mask"] == "none.nii.gz")
    sidecar = json.loads(whole.with_suffix(".json").read_text(encoding="utf-8"))
    assert set(header[4:]) <= set(sidecar)
    assert sidecar["deeptepp"]["status"] == {status: sum(r["status"] == status for r in table)
                                             for status in ("error", "ok", "skipped")}


def fnv(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return (value ^ value >> 32) & 0xffffffff


def test_shards_hold_the_rows_of_their_hash(cohort, whole):
    for k in (1, 2, 3):
        out = cohort[1].with_stem(f"shard{k}")
        r_program.run(RUN, cohort[0], cohort[1], out, f"{k}/3", "")
        assert read(out)[1:] == [row for row in read(whole)[1:] if fnv(row[0]) % 3 == k - 1]


@pytest.mark.parametrize("script", [RUN, FORKED], ids=["lapply", "mclapply"])
def test_killed_at_random_moments_a_run_goes_on_to_the_same_bytes(cohort, whole, script):
    out = cohort[1].with_stem("killed")
    part = out.with_name(out.name + ".part")
    out.unlink(missing_ok=True)
    kills = random.Random(3)
    for _ in range(3):
        before = part.stat().st_size if part.exists() else 0
        process = subprocess.Popen(["Rscript", "--vanilla", "-e", script, cohort[0], cohort[1], out, "", "resume"],
                                   env=r_program.environment(), start_new_session=True, stdout=subprocess.DEVNULL)
        while process.poll() is None and (not part.exists() or part.stat().st_size == before):
            time.sleep(0.005)
        time.sleep(kills.random() * 0.1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode in (0, -signal.SIGKILL)
    r_program.run(RUN, cohort[0], cohort[1], out, "", "resume")
    assert out.read_bytes() == whole.read_bytes() and not part.exists()


# ---- Letters that the locale has not ----

FRAME = """
library(deeptepp)
given <- commandArgs(TRUE)
model <- tepp_open(given[1], threads = 1)
frame <- read.delim(given[2], check.names = FALSE)
found <- tepp_score_cohort(model, frame, out = given[3], folder = dirname(given[2]))
setwd(dirname(given[2]))
named <- tepp_score(model, "bild \\u00e9.nii.gz", frame$mask[1])
stopifnot(identical(named$score, found$score[1]), identical(tepp_volume_count("bild \\u00e9.nii.gz"), 1L))
"""


@pytest.mark.parametrize("script", [RUN, FRAME], ids=["file", "frame"])
def test_any_locale_gives_the_same_bytes(tiny_case, tmp_path, script):
    folder = tmp_path / "Müller 日"
    folder.mkdir()
    for name, path in zip(("modèle.safetensors", "bild é.nii.gz", "mask.nii.gz"), tiny_case):
        shutil.copy(path, folder / name)
    cohort = folder / "köhort.tsv"
    cohort.write_text("participant_id\timage\tmask\tgröße\n"
                      "sub-é\tbild é.nii.gz\tmask.nii.gz\tß\nsub-2\tnone é.nii.gz\tmask.nii.gz\tx\n",
                      encoding="utf-8")
    tables = []
    for locale in ("C.UTF-8", "C"):
        out = folder / f"öut-{locale}.tsv"
        r_program.run(script, folder / "modèle.safetensors", cohort, out, "", "", LC_ALL=locale)
        tables.append(out.read_bytes())
    assert tables[0] == tables[1]
    rows = read(out)
    assert [row[0] for row in rows[1:]] == ["sub-é", "sub-2"] and rows[0][3] == "größe"
    assert [row[rows[0].index("error_code")] for row in rows[1:]] == ["n/a", "FILE_MISSING"]
    assert f"{folder}/none é.nii.gz" in rows[2][rows[0].index("error_message")]


# ---- The page, the example ----


def test_the_page_s_block_runs(tiny_case, tmp_path):
    page = (r_program.ROOT / "docs" / "cohorts.md").read_text(encoding="utf-8").split("## From R\n", 1)[1]
    folder = tmp_path / "build" / "quickstart"
    folder.mkdir(parents=True)
    for name, path in zip(("demonstration.safetensors", "phantom.nii.gz", "phantom-mask.nii.gz"), tiny_case):
        (folder / name).symlink_to(path)
    printed = r_program.run(page.split("```r\n", 1)[1].split("```", 1)[0], cwd=tmp_path)
    assert "FILE_MISSING" in printed and "error 1, ok 1" in printed


def test_the_example_gives_the_same_bytes_by_future_workers(cohort, whole):
    out = cohort[1].with_stem("future")
    example = r_program.ROOT / "examples" / "cohort_future.R"
    done = subprocess.run(["Rscript", "--vanilla", example, cohort[0], cohort[1], out, "2"], capture_output=True,
                          text=True, env=r_program.environment())
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == whole.read_bytes()
