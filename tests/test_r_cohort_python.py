"""Python's and R's cohort tables: the same bytes, and each goes on where the other stopped."""

import csv
import os
import subprocess

import pytest

import deeptepp
import make_model
import r_program

RUN = """
library(deeptepp)
given <- commandArgs(TRUE)
model <- tepp_open(given[1], threads = 1)
shard <- if (nzchar(given[4])) as.numeric(strsplit(given[4], "/")[[1]])
invisible(tepp_score_cohort(model, given[2], out = given[3], resume = TRUE, shard = shard))
"""

MERGE = """
library(deeptepp)
given <- commandArgs(TRUE)
invisible(merge_scores(given[-(1:2)], given[1], given[2]))
"""

HEADER = ["id", "image:post", "age", "er", "mask", "image:pre", "label", "note"]
ROWS = [  # good ones, then rows at fault, files at fault, cases at fault
    ["a", "p1.nii", "60", "", "m.nii", "p0.nii", "", "a \"quoted\" word"],
    ["ü", "p1.nii", "52.3", "1", "m.nii", "p0.nii#1", "1", "a,b"],
    ["k", "p1.nii", "60", "0", "m.nii", "p0.nii", "7.0", "a\tb"],
    ["h", "n/a", "60", "0", "", "", "", "two\nlines"],
    ["g", "n/a", "60", "3", "m.nii", "p0.nii", "x", "NA"],
    ["i", "p1.nii", "60", "0", "", "p0.nii", "", "n/a"],
    ["j", "p1.nii", "60", "0", "m.nii", "p0.nii", "x.5", ""],
    ["d", "p1.nii", "abc", "1", "m.nii", "p0.nii", "", ""],
    ["q", "p1.nii", " 60", "0", "m.nii", "p0.nii", "", ""],
    ["l", "empty.nii", "60", "0", "m.nii", "p0.nii", "", ""],
    ["m", "p1.nii#9", "60", "0", "m.nii", "no.nii", "", ""],
    ["c", "p1.nii", "", "1", "m.nii", "p0.nii", "", ""],
    ["e", "p1.nii", "17", "1", "m.nii", "p0.nii", "", ""],
    ["f", "p1.nii", "60", "3", "m.nii", "p0.nii", "", ""],
    ["p", "p1.nii", "1e400", "0", "m.nii", "p0.nii", "", ""],
    ["o", "p1.nii", "60", "0", "p0.nii", "p0.nii", "", ""],
    ["b", "p1.nii", "60.125", "0", "m.nii", "p0.nii", "", "1.50"],
]
CODES = {"ROW_IMAGE_MISSING", "ROW_MASK_MISSING", "ROW_LABEL", "ROW_COVARIATE", "FILE_TRUNCATED", "FILE_MISSING",
         "MASK_LABEL", "MASK_LABELS", "COVARIATE_MISSING", "COVARIATE_RANGE", "COVARIATE_VALUE"}


def description():
    covariates = [{"name": "age", "unit": "years", "coefficient": 0.02, "centre": 50, "range": [18, 100]},
                  {"name": "er", "unit": "none", "missing": 1,
                   "levels": [{"value": 0, "name": "negative", "coefficient": 0},
                              {"value": 1, "name": "positive", "coefficient": 0.3}]}]
    return {"covariates": covariates,
            "calibration": {"endpoint": "recurrence-free survival", "unit": "years", "source": "made up",
                            "times": [3, 5.5], "baseline_survival": [0.9, 0.8], "slope": 1.0, "centre": 0.5}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of two channels, covariates and a calibration, and its files."""
    folder = tmp_path_factory.mktemp("cohort")
    make_model.make_model(folder / "model.safetensors", depth=10, width=8, size=(32, 32, 32), views=2, members=2,
                          channels=("pre", "post"), self_test=False, overrides=description())
    subprocess.run([os.environ["DEEPTEPP_CLI"], "phantom", "--seed", "3", "--phases", "2", "--out-image", "p%d.nii",
                    "--out-mask", "m.nii"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (folder / "empty.nii").write_bytes(b"")
    return folder


@pytest.fixture(scope="module", params=["csv", "tsv"])
def tables(request, folder):
    """Model, cohort and Python's table; a function from a name to a path."""
    def path(name):
        return folder / f"{name}-{request.param}.{request.param}"

    separator = "," if request.param == "csv" else "\t"
    with open(path("cohort"), "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator, lineterminator="\r\n").writerows([HEADER, *ROWS])
    model = deeptepp.open_model(folder / "model.safetensors", threads=1)
    deeptepp.score_cohort(model, path("cohort"), out=path("python"))
    with open(path("python"), newline="", encoding="utf-8") as file:
        assert {row["error_code"] for row in csv.DictReader(file, delimiter=separator)} >= CODES
    return model, path


def by_r(tables, out, shard=""):
    model, path = tables
    r_program.run(RUN, model.path, path("cohort"), out, shard)
    return out.read_bytes()


def test_both_write_the_same_bytes(tables):
    assert by_r(tables, tables[1]("r")) == tables[1]("python").read_bytes()


def test_each_goes_on_where_the_other_stopped(tables):
    model, path = tables
    whole = path("python").read_bytes()
    for name in ("r2", "python2"):
        path(name).with_name(path(name).name + ".part").write_bytes(whole[:len(whole) // 2])
    assert by_r(tables, path("r2")) == whole
    deeptepp.score_cohort(model, path("cohort"), out=path("python2"), resume=True)
    assert path("python2").read_bytes() == whole


def test_shards_of_both_merge_in_either(tables):
    model, path = tables
    parts = [path(f"shard{k}") for k in (1, 2, 3)]
    by_r(tables, parts[0], "1/3")
    deeptepp.score_cohort(model, path("cohort"), out=parts[1], shard=(2, 3))
    by_r(tables, parts[2], "3/3")
    r_program.run(MERGE, path("cohort"), path("merged-r"), *parts)
    deeptepp.merge_scores(parts, path("cohort"), path("merged-python"))
    assert path("merged-r").read_bytes() == path("merged-python").read_bytes() == path("python").read_bytes()
