"""The R package gives the command line's numbers to the last bit."""

import json
import os
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest

import make_model
import r_program

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
    r_program.run(SCORE, folder / "jobs.json")
    return {key: (job, json.loads(Path(job["out"]).read_text(encoding="utf-8"))) for key, job in jobs.items()}


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
    wanted = r_program.by_command_line(job["model"], job["image"]["path"], job["mask"]["path"])
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
    subprocess.run([program, "phantom", "--seed", "3", "--phases", "2", "--out-image", "p%d.nii", "--out-mask",
                    "m.nii"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([program, "score", "--json", "--model", "m.safetensors", "--image", "pre=p0.nii", "--image",
                           "post=p1.nii", "--mask", "m.nii", "--covariate", "age=60"], cwd=tmp_path, check=True,
                          stdout=subprocess.PIPE)
    wanted = json.loads(done.stdout)
    found = json.loads(r_program.run(RICH, "m.safetensors", "p0.nii", "p1.nii", "m.nii", cwd=tmp_path))
    numbers = {key: [float(text) for text in found[key]] for key in ("time", "probability", "value", "term", "members")}
    assert numbers["time"] == wanted["survival"]["times"]
    assert numbers["probability"] == wanted["survival"]["probability"]
    assert numbers["members"] == wanted["member_scores"]
    for i, covariate in enumerate(wanted["covariates"]):
        assert [found[key][i] for key in ("name", "unit")] == [covariate["name"], covariate["unit"]]
        assert [numbers[key][i] for key in ("value", "term")] == [covariate["value"], covariate["term"]]
        assert found["filled"][i] == str(covariate["filled"]).upper()
    assert [int(code) for code in found["codes"]] == [warning["code"] for warning in wanted["warnings"]]
