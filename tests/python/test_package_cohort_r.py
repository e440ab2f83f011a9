"""R's table of a cohort and Python's are the same bytes, and either goes on with the other's."""

import deeptepp
import r_program
from cohort_maker import make_cohort

SCRIPT = """
library(deeptepp)
model <- tepp_open("model.safetensors", threads = 1)
cohort <- file.path(getwd(), "cohort.tsv")
invisible(tepp_score_cohort(model, cohort, out = "r.tsv"))
invisible(tepp_score_cohort(model, cohort, out = "both.tsv", resume = TRUE))
"""


def test_the_bytes_are_the_same(tmp_path):
    make_cohort(tmp_path, count=40, broken=10)
    with deeptepp.open_model(tmp_path / "model.safetensors", threads=1) as model:
        deeptepp.score_cohort(model, tmp_path / "cohort.tsv", out=tmp_path / "python.tsv")
    whole = (tmp_path / "python.tsv").read_bytes()
    (tmp_path / "both.tsv.part").write_bytes(b"".join(whole.splitlines(keepends=True)[:20]))
    r_program.run(SCRIPT, cwd=tmp_path)
    assert (tmp_path / "r.tsv").read_bytes() == whole
    assert (tmp_path / "both.tsv").read_bytes() == whole
