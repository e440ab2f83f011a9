"""The R package: its own tests, each by its name; its scores against the command line's, to the last bit; R CMD
check."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

import make_model

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bindings" / "R"
LIBRARY = os.environ.get("DEEPTEPP_R_LIBRARY")


@pytest.fixture(scope="module", autouse=True)
def r_library():
    if not LIBRARY:
        pytest.fail("DEEPTEPP_R_LIBRARY is not set: wanted the R library that holds the package", pytrace=False)


def run_r(script, *arguments, cwd=None, **environment):
    """Text of an R script, run with the package's library; what it prints."""
    done = subprocess.run(["Rscript", "--vanilla", "-e", script, *map(str, arguments)], cwd=cwd, capture_output=True,
                          text=True, env={**os.environ, "R_LIBS": LIBRARY, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- The package's own tests ----

RUN_TESTS = """
folder <- commandArgs(TRUE)
found <- testthat::test_dir(folder[1], package = "deeptepp", load_package = "installed", reporter = "silent",
                            stop_on_failure = FALSE)
wrong <- function(result) inherits(result, c("expectation_failure", "expectation_error", "expectation_skip"))
said <- vapply(found, function(test) {
  paste(vapply(Filter(wrong, test$results), conditionMessage, ""), collapse = "\\n")
}, "")
table <- as.data.frame(found)[c("file", "test", "nb", "failed", "skipped", "error", "warning")]
write.csv(cbind(table, said), folder[2], row.names = FALSE)
"""


def written_tests():
    """(file, name) of each test in the package's sources."""
    return [(path.name, json.loads(name)) for path in sorted((PACKAGE / "tests" / "testthat").glob("test-*.R"))
            for name in re.findall(r"^test_that\((\".*\"), \{$", path.read_text(encoding="utf-8"), re.MULTILINE)]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The row of each test by file and name, of one run."""
    table = tmp_path_factory.mktemp("testthat") / "results.csv"
    run_r(RUN_TESTS, PACKAGE / "tests" / "testthat", table)
    with open(table, newline="", encoding="utf-8") as file:
        return {(row["file"], row["test"]): row for row in csv.DictReader(file)}


def test_every_r_test_is_known(results):
    assert set(results) == set(written_tests())


@pytest.mark.parametrize("file, name", written_tests(), ids=lambda text: text)
def test_testthat(results, file, name):
    row = results[file, name]
    if row["skipped"] == "TRUE":
        pytest.skip(row["said"])
    assert (row["failed"], row["error"], row["warning"]) == ("0", "FALSE", "0"), row["said"]
    assert int(row["nb"]) > 0


# ---- The command line's numbers ----

SCORE = """
library(deeptepp)
jobs <- jsonlite::fromJSON(commandArgs(TRUE)[1], simplifyDataFrame = FALSE)
voxels <- function(volume, type) {
  array(readBin(volume$raw, type, prod(volume$dim), size = volume$size), volume$dim)
}
given <- function(volume, type) {
  if (is.null(volume$raw)) volume$path else tepp_volume(voxels(volume, type), affine = volume$affine)
}
jobs <- lapply(jobs, function(job) {
  score <- tepp_score(tepp_open(job$model), given(job$image, job$type), given(job$mask, job$type))
  writeLines(score$json, job$out)
  getters <- score[c("score", "view_scores", "member_scores", "tier", "cutpoint_distance")]
  writeLines(sprintf("%.17g", unlist(getters)), paste0(job$out, ".getters"))
})
"""

TYPES = {"path": None, "double": (np.float64, 8), "integer": (np.int32, 4)}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    paths = {name: folder / f"{name}.safetensors" for name in ("resnet3d", "pmg2d")}
    make_model.make_model(paths["resnet3d"], depth=10, width=8, size=(32, 32, 32), views=3, self_test=False)
    make_model.make_model(paths["pmg2d"], architecture="pmg2d", width=4, views=1, self_test=False)
    return paths


@pytest.fixture(scope="module")
def cases(tiny_case, request):
    """Image and mask by name; the data folder's own where it is there."""
    found = {"phantom": tiny_case[1:]}
    try:
        data = request.getfixturevalue("data")
    except pytest.skip.Exception:
        return found
    return found | {name: (data / f"{name}_image.nii.gz", data / f"{name}_label.nii.gz")
                    for name in ("breast1", "brain1")}


def as_stored(path, dtype, folder):
    """The same volume stored as dtype: a file of it, and what R needs to read its voxels."""
    file = nibabel.load(path)
    values = np.asarray(file.dataobj)
    assert np.array_equal(values.astype(dtype), values), "no value changes"
    header = file.header.copy()
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    name = f"{path.name.removesuffix('.nii.gz')}-{np.dtype(dtype).name}"
    nibabel.save(nibabel.Nifti1Image(values.astype(dtype), file.affine, header), folder / f"{name}.nii")
    (folder / f"{name}.raw").write_bytes(values.astype(dtype).tobytes(order="F"))
    return {"path": str(folder / f"{name}.nii"), "raw": str(folder / f"{name}.raw"), "dim": list(values.shape),
            "size": np.dtype(dtype).itemsize, "affine": file.affine.tolist()}


@pytest.fixture(scope="module")
def scored(models, cases, tmp_path_factory):
    """(paths, R's JSON) by model, case and way in: all in one R process, so that its cache is used too."""
    folder = tmp_path_factory.mktemp("scored")
    jobs = {}
    for case, volumes in cases.items():
        for way, kind in TYPES.items():
            given = [{"path": str(path)} if kind is None else as_stored(path, kind[0], folder) for path in volumes]
            for model, path in models.items():
                jobs[model, case, way] = {"model": str(path), "image": given[0], "mask": given[1], "type": way,
                                          "out": str(folder / f"{model}-{case}-{way}.json")}
    (folder / "jobs.json").write_text(json.dumps(list(jobs.values())))
    run_r(SCORE, folder / "jobs.json")
    return {key: (job, json.loads(Path(job["out"]).read_text(encoding="utf-8"))) for key, job in jobs.items()}


def by_command_line(job):
    done = subprocess.run([os.environ["DEEPTEPP_CLI"], "score", "--json", "--model", job["model"], "--image",
                           job["image"]["path"], "--mask", job["mask"]["path"]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def without_digests(result):
    """An array's digest is not its file's."""
    for volume in (*result["images"], result["mask"]):
        volume.pop("sha256")
    return result


@pytest.mark.parametrize("way", TYPES)
@pytest.mark.parametrize("case", ["phantom", "breast1", "brain1"])
@pytest.mark.parametrize("model", ["resnet3d", "pmg2d"])
def test_the_command_line_s_score_to_the_last_bit(scored, model, case, way):
    """Arrays against files of the same voxel type: mosaics are rounded by it (docs/model-format.md)."""
    if (model, case, way) not in scored:
        pytest.skip("no test data: set DEEPTEPP_TEST_DATA")
    job, found = scored[model, case, way]
    wanted = by_command_line(job)
    if way != "path":
        found, wanted = without_digests(found), without_digests(wanted)
    assert found == wanted
    getters = [float(line) for line in Path(job["out"] + ".getters").read_text().split()]
    assert getters == [found["score"], *found["view_scores"], *found["member_scores"], found["tier"]["index"],
                       found["tier"]["distance_to_nearest"]]


RICH = """
library(deeptepp)
files <- commandArgs(TRUE)
model <- tepp_open(files[1])
found <- tepp_score(model, list(post = files[3], pre = files[2]), files[4], covariates = list(er = NA, age = 60))
info <- tepp_info(model)
stopifnot(identical(info$channels, c("pre", "post")), identical(info$covariates$high, c(100, NA)),
          identical(info$covariates$levels[[2]], c(negative = 0, positive = 1)),
          identical(info$covariates$substitute, c(NA, 1)),
          identical(info$survival_times, c(3, 5)), identical(info$members, c("fold0.", "fold1.")))
stopifnot(identical(names(as.data.frame(found))[6:7], c("survival:3", "survival:5")))
text <- function(x) if (is.numeric(x)) sprintf("%.17g", x) else as.character(x)
rest <- list(members = found$member_scores, codes = found$warnings$code)
cat(jsonlite::toJSON(lapply(c(found$survival, found$covariates, rest), text)))
"""


def test_channels_covariates_members_and_a_calibration(tmp_path):
    """Each getter against the command line's JSON."""
    covariates = [{"name": "age", "unit": "years", "coefficient": 0.02, "centre": 50, "range": [18, 100]},
                  {"name": "er", "unit": "none", "missing": 1,
                   "levels": [{"value": 0, "name": "negative", "coefficient": 0},
                              {"value": 1, "name": "positive", "coefficient": 0.3}]}]
    calibration = {"endpoint": "recurrence-free survival", "unit": "years", "source": "made up", "times": [3, 5],
                   "baseline_survival": [0.9, 0.8], "slope": 1.0, "centre": 0.5}
    make_model.make_model(tmp_path / "m.safetensors", depth=10, width=8, size=(32, 32, 32), views=2, members=2,
                          channels=("pre", "post"), self_test=False,
                          overrides={"covariates": covariates, "calibration": calibration})
    program = os.environ["DEEPTEPP_CLI"]
    subprocess.run([program, "phantom", "--seed", "3", "--phases", "2", "--out-image", "p%d.nii", "--out-mask", "m.nii"],
                   cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([program, "score", "--json", "--model", "m.safetensors", "--image", "pre=p0.nii", "--image",
                           "post=p1.nii", "--mask", "m.nii", "--covariate", "age=60"], cwd=tmp_path, check=True,
                          stdout=subprocess.PIPE)
    wanted = json.loads(done.stdout)
    found = json.loads(run_r(RICH, "m.safetensors", "p0.nii", "p1.nii", "m.nii", cwd=tmp_path))
    numbers = {key: [float(text) for text in found[key]] for key in ("time", "probability", "value", "term", "members")}
    assert numbers["time"] == wanted["survival"]["times"]
    assert numbers["probability"] == wanted["survival"]["probability"]
    assert numbers["members"] == wanted["member_scores"]
    for i, covariate in enumerate(wanted["covariates"]):
        assert [found[key][i] for key in ("name", "unit")] == [covariate["name"], covariate["unit"]]
        assert [numbers[key][i] for key in ("value", "term")] == [covariate["value"], covariate["term"]]
        assert found["filled"][i] == str(covariate["filled"]).upper()
    assert [int(code) for code in found["codes"]] == [warning["code"] for warning in wanted["warnings"]]


# ---- A session that is saved and restored; Ctrl-C ----

SAVE = """
library(deeptepp)
files <- commandArgs(TRUE)
model <- tepp_open(files[1])
volume <- tepp_volume(files[2])
score <- tepp_score(model, volume, files[3])$score
save(list = ls(), file = "session.RData")
"""

RESTORE = """
load("session.RData")
library(deeptepp)
stopifnot(identical(tepp_score(model, files[2], files[3])$score, score))
closed <- tryCatch(tepp_score(model, volume, files[3]), deeptepp_argument = conditionMessage)
stopifnot(grepl("restored from a file", closed))
close(model)
invisible(file.copy(commandArgs(TRUE), files[1], overwrite = TRUE))
tryCatch(tepp_score(model, files[2], files[3]), deeptepp_model_sha256 = function(e) cat(e$name))
"""


def test_a_restored_session_opens_the_model_again_and_knows_a_changed_file(tiny_case, models, tmp_path):
    model = tmp_path / "model.safetensors"
    shutil.copy(tiny_case[0], model)
    run_r(SAVE, model, *tiny_case[1:], cwd=tmp_path)
    assert run_r(RESTORE, models["resnet3d"], cwd=tmp_path) == "DEEPTEPP_ERR_MODEL_SHA256"


INTERRUPTED = """
library(deeptepp)
files <- commandArgs(TRUE)
model <- tepp_open(files[1], threads = 1)
told <- FALSE
ready <- function(fraction) if (fraction > 0.3 && !told) { told <<- TRUE; cat("ready\\n"); flush(stdout()) }
tryCatch(tepp_score(model, files[2], files[3], progress = ready), interrupt = function(e) cat(class(e), "\\n"))
tepp_score(model, files[2], files[3])
cat("not reached\\n")
"""


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory):
    """Takes seconds a score on one thread."""
    path = tmp_path_factory.mktemp("slow") / "model.safetensors"
    make_model.make_model(path, depth=18, width=32, size=(64, 64, 64), views=60, self_test=False)
    return path


def test_ctrl_c_ends_a_call_and_uncaught_the_script(slow_model, tiny_case):
    with subprocess.Popen(["Rscript", "--vanilla", "-e", INTERRUPTED, slow_model, *tiny_case[1:]], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "R_LIBS": LIBRARY},
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        assert process.stdout.readline() == "deeptepp_cancelled interrupt condition \n"
        assert time.monotonic() - started < 0.5
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=5)
    assert rest == "" and process.returncode != 0 and "interrupted" in said


# ---- The pages ----

PAGE = (ROOT / "docs" / "r.md").read_text(encoding="utf-8")
NAMES = ("seeded-model.safetensors", "phantom.nii.gz", "phantom-mask.nii.gz")  # as the quick start calls them


def blocks(text):
    return re.findall(r"^```r\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def lay(folder, names, case):
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in zip(names, case):
        (folder / name).symlink_to(path)


def test_the_page_begins_with_a_block_that_runs(tiny_case, tmp_path):
    assert PAGE.split("\n\n", 2)[1].startswith("```r\n")
    lay(tmp_path / "build" / "quickstart", NAMES, tiny_case)
    model, image, mask = tiny_case
    wanted = by_command_line({"model": model, "image": {"path": image}, "mask": {"path": mask}})
    printed = run_r(blocks(PAGE)[0], cwd=tmp_path)
    assert f"score {wanted['score']:.6f}, tier {wanted['tier']['index']} ({wanted['tier']['name']})" in printed
    assert "DEEPTEPP_WARN_SEEDED_WEIGHTS" in printed


def test_the_readme_s_block_runs(tiny_case, tmp_path):
    lay(tmp_path, ("model.safetensors", "image.nii.gz", "mask.nii.gz"), tiny_case)
    printed = run_r(blocks((ROOT / "README.md").read_text(encoding="utf-8"))[0], cwd=tmp_path)
    assert re.fullmatch(r"score -?\d+\.\d{6}, tier \d\n", printed)


def test_every_argument_and_element_is_on_the_page():
    names = run_r("library(deeptepp); cat(names(c(formals(tepp_open), formals(tepp_score))))")
    elements = re.search(r'names\[\] = \{("score".*?), ""\}', (PACKAGE / "src" / "result.c").read_text(), re.DOTALL)[1]
    wanted = {*names.split(), *re.findall(r'"(\w+)"', elements)}
    assert not [name for name in wanted if not re.search(rf"\b{name}\b", PAGE)]


def test_the_version_is_the_library_s():
    stated = re.search(r"^Version: (.*)$", (PACKAGE / "DESCRIPTION").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert run_r("cat(deeptepp::tepp_version())") == stated


def test_every_warning_of_the_header_has_its_name():
    header = (ROOT / "include" / "deeptepp" / "deeptepp.h").read_text(encoding="utf-8")
    known = re.findall(r"NAME\((\w+)\)", (PACKAGE / "src" / "result.c").read_text(encoding="utf-8"))
    assert sorted(set(known) - {"code"}) == sorted(re.findall(r"^    DEEPTEPP_WARN_(\w+) = ", header, re.MULTILINE))


# ---- R CMD check ----

CHECK = {"_R_CHECK_CRAN_INCOMING_": "false", "_R_CHECK_SYSTEM_CLOCK_": "false",
         # What newer versions of R want Tidy and V8 for.
         "_R_CHECK_RD_VALIDATE_RD2HTML_": "false", "_R_CHECK_RD_MATH_RENDERING_": "false"}


def test_r_cmd_check_has_nothing_to_say(tmp_path):
    """As for CRAN; the tests have run above."""
    environment = {**os.environ, **CHECK}
    subprocess.run(["R", "CMD", "build", PACKAGE], cwd=tmp_path, env=environment, check=True, capture_output=True)
    archive, = tmp_path.glob("deeptepp_*.tar.gz")
    done = subprocess.run(["R", "CMD", "check", "--as-cran", "--no-manual", "--no-tests", archive.name], cwd=tmp_path,
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.rstrip().endswith("Status: OK"), done.stdout + done.stderr
