"""The R package: its own tests, each by its name; sessions, Ctrl-C, valgrind, R CMD check; its pages."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import make_model
import r_program
from r_program import PACKAGE, ROOT

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
    r_program.run(RUN_TESTS, PACKAGE / "tests" / "testthat", table)
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


def test_a_restored_session_opens_the_model_again_and_knows_a_changed_file(tiny_case, slow_model, tmp_path):
    model = tmp_path / "model.safetensors"
    shutil.copy(tiny_case[0], model)
    r_program.run(SAVE, model, *tiny_case[1:], cwd=tmp_path)
    assert r_program.run(RESTORE, slow_model, cwd=tmp_path) == "DEEPTEPP_ERR_MODEL_SHA256"


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


@pytest.mark.alone
def test_ctrl_c_ends_a_call_and_uncaught_the_script(slow_model, tiny_case):
    with subprocess.Popen(["Rscript", "--vanilla", "-e", INTERRUPTED, slow_model, *tiny_case[1:]], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=r_program.environment(),
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


# ---- valgrind ----

# Every way in and out: values, failures, jumps out of a call, handles closed while they are in use.
EVERY_WAY = """
library(deeptepp)
source(system.file("example", "files.R", package = "deeptepp"))
files <- example_files("files")
case <- example_case()
model <- tepp_open(files$model, threads = 1)
image <- tepp_volume(files$image)
mask <- tepp_volume(case$mask, affine = case$affine)
invisible(list(tepp_preprocess(model, image, mask), tepp_ras(mask), tepp_volume_count(files$image), tepp_info(model)))
mine <- function(fraction) if (fraction > 0.4) stop("mine")
failures <- list(quote(tepp_score(model, image, image)), quote(tepp_self_test(model)), quote(tepp_open("none")),
                 quote(tepp_score(model, image, mask, progress = mine)), quote(tepp_volume(files$model)),
                 quote(tepp_open(files$model, progress = mine)), quote(tepp_volume(files$image, progress = mine)))
stopifnot(vapply(failures, function(call) inherits(try(eval(call), silent = TRUE), "try-error"), TRUE))
cohort <- data.frame(id = 1:2, image = files$image, mask = c(files$mask, "none.nii"))
for (resume in c(FALSE, TRUE)) invisible(tepp_score_cohort(model, cohort, out = "scores.tsv", resume = resume))
open <- TRUE
close_all <- function(fraction) {
  if (open && fraction > 0.4) {
    open <<- FALSE
    for (each in list(model, image, mask)) close(each)
    invisible(gc())
  }
}
invisible(tepp_score(model, image, mask, progress = close_all))
cat("done")
"""


def test_valgrind(tmp_path):
    (tmp_path / "script.R").write_text(EVERY_WAY)
    checker = ("valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite "
               f"--errors-for-leak-kinds=definite --suppressions={ROOT}/tests/valgrind.supp")
    done = subprocess.run(["R", "--vanilla", "--no-echo", "-d", checker, "-f", "script.R"], cwd=tmp_path,
                          capture_output=True, text=True,
                          env=r_program.environment(R_ENABLE_JIT="0", R_DEFAULT_PACKAGES="stats"))
    assert (done.returncode, done.stdout) == (0, "done"), done.stdout + done.stderr


# ---- R CMD check ----

CHECK = {"_R_CHECK_CRAN_INCOMING_": "false", "_R_CHECK_SYSTEM_CLOCK_": "false",
         # What newer versions of R want Tidy and V8 for.
         "_R_CHECK_RD_VALIDATE_RD2HTML_": "false", "_R_CHECK_RD_MATH_RENDERING_": "false"}


def test_r_cmd_check_has_nothing_to_say(tmp_path):
    """As for CRAN; the tests have run above."""
    environment = os.environ | CHECK
    subprocess.run(["R", "CMD", "build", PACKAGE], cwd=tmp_path, env=environment, check=True,
                   capture_output=True)
    archive, = tmp_path.glob("deeptepp_*.tar.gz")
    done = subprocess.run(["R", "CMD", "check", "--as-cran", "--no-manual", "--no-tests", archive.name], cwd=tmp_path,
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.rstrip().endswith("Status: OK"), done.stdout + done.stderr


# ---- The pages ----

PAGE = (ROOT / "docs" / "r.md").read_text(encoding="utf-8")
NAMES = ("demonstration.safetensors", "phantom.nii.gz", "phantom-mask.nii.gz")  # as the quick start calls them


def blocks(text):
    return re.findall(r"^```r\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def lay(folder, names, case):
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in zip(names, case):
        (folder / name).symlink_to(path)


def test_the_page_begins_with_a_block_that_runs(tiny_case, tmp_path):
    assert PAGE.split("\n\n", 2)[1].startswith("```r\n")
    lay(tmp_path / "build" / "quickstart", NAMES, tiny_case)
    wanted = r_program.by_command_line(*tiny_case)
    printed = r_program.run(blocks(PAGE)[0], cwd=tmp_path)
    assert f"score {wanted['score']:.6f}, tier {wanted['tier']['index']} ({wanted['tier']['name']})" in printed
    assert "DEEPTEPP_WARN_SEEDED_WEIGHTS" in printed


def test_the_readme_s_block_runs(tiny_case, tmp_path):
    lay(tmp_path, ("model.safetensors", "image.nii.gz", "mask.nii.gz"), tiny_case)
    printed = r_program.run(blocks((ROOT / "README.md").read_text(encoding="utf-8"))[0], cwd=tmp_path)
    assert re.fullmatch(r"score -?\d+\.\d{6}, tier \d\n", printed)


def test_every_argument_and_element_is_on_the_page():
    names = r_program.run("library(deeptepp); cat(names(c(formals(tepp_open), formals(tepp_score))))")
    elements = re.search(r'names\[\] = \{("score".*?), ""\}', (PACKAGE / "src" / "result.c").read_text(), re.DOTALL)[1]
    wanted = {*names.split(), *re.findall(r'"(\w+)"', elements)}
    assert not [name for name in wanted if not re.search(rf"\b{name}\b", PAGE)]


def test_the_version_is_the_library_s():
    stated = re.search(r"^Version: (.*)$", (PACKAGE / "DESCRIPTION").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert r_program.run("cat(deeptepp::tepp_version())") == stated


def test_every_warning_of_the_header_has_its_name():
    header = (ROOT / "include" / "deeptepp" / "deeptepp.h").read_text(encoding="utf-8")
    known = re.findall(r"NAME\((\w+)\)", (PACKAGE / "src" / "result.c").read_text(encoding="utf-8"))
    assert sorted(set(known) - {"code"}) == sorted(re.findall(r"^    DEEPTEPP_WARN_(\w+) = ", header, re.MULTILINE))
