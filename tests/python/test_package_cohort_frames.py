"""Tables in memory keep their kind; texts and numbers go through as they are."""

import random
import subprocess
import sys

import pytest

import deeptepp
from cohort_maker import make_cohort
from deeptepp import _plan, _table


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    make_cohort(folder, count=4, broken=0)
    (folder / "sub-002.nii").unlink()
    with deeptepp.open_model(folder / "model.safetensors", threads=1) as model:
        yield folder, model


@pytest.fixture(scope="module")
def expected(place):
    return deeptepp.score_cohort(place[1], place[0] / "cohort.tsv", out=place[0] / "scores.tsv")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_comes_back_as_what_it_was(place, expected, library, tmp_path):
    frames = pytest.importorskip(library)
    rows = deeptepp.read_cohort(place[0] / "cohort.tsv").rows
    found = deeptepp.score_cohort(place[1], frames.DataFrame(rows), folder=place[0])
    assert type(found) is frames.DataFrame and list(found.columns) == list(expected.columns)
    assert [s == s and s for s in found["score"].to_list()[:2]] == [row["score"] for row in expected.rows[:2]]
    tiers = list(place[1].tiers)
    if library == "pandas":
        assert list(found["tier"].cat.categories) == tiers and found["tier"].cat.ordered
        assert str(found["n_views"].dtype) == "Int64"
    else:
        assert found["tier"].dtype == frames.Enum(tiers) and found["n_views"].dtype == frames.Int64
    deeptepp.write_scores(found, tmp_path / "again.tsv")
    assert (tmp_path / "again.tsv").read_bytes() == (place[0] / "scores.tsv").read_bytes()


def test_polars_lazy_frames_are_refused(place):
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match="collect"):
        deeptepp.score_cohort(place[1], polars.LazyFrame({"id": ["1"]}))


def test_dicts_and_single_cases_and_what_read_cohort_gives(place, expected, tmp_path):
    cohort = deeptepp.read_cohort(place[0] / "cohort.tsv")
    assert deeptepp.score_cohort(place[1], cohort.rows, folder=place[0]) == expected.rows
    assert deeptepp.score_case(place[1], cohort.rows[2], folder=place[0]) == expected.rows[2]
    assert expected.rows[2]["error_code"] == "FILE_MISSING"
    deeptepp.write_scores(expected, tmp_path / "again.tsv")
    assert (tmp_path / "again.tsv").read_bytes() == (place[0] / "scores.tsv").read_bytes()


def test_neither_library_is_imported():
    code = "import sys, deeptepp; sys.exit(bool({'pandas', 'polars', 'distributed', 'joblib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_cells_survive_writing_and_reading(tmp_path):
    draw = random.Random(3)
    alphabet = 'a"\t,\n\r ü\u2028'
    rows = [{"id": str(n), "text": "".join(draw.choices(alphabet, k=draw.randrange(6)))} for n in range(300)]
    for suffix in ("csv", "tsv"):
        deeptepp.write_scores(rows, tmp_path / f"table.{suffix}")
        assert deeptepp.read_cohort(tmp_path / f"table.{suffix}").rows == rows


def test_a_mark_and_the_ends_of_windows_lines_are_no_cells(tmp_path):
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbfid,image\r\n1,"a,b"\r\n2,n/a')
    assert deeptepp.read_cohort(tmp_path / "t.csv").rows == [{"id": "1", "image": "a,b"}, {"id": "2", "image": "n/a"}]


@pytest.mark.parametrize("value, text", [(0.1, "0.1"), (1 / 3, "0.3333333333333333"), (3.0, "3"), (True, "true"),
                                         (7, "7"), (float("nan"), None), (None, None), ("NA", "NA"),
                                         (2**70, "1180591620717411303424")])
def test_texts_of_numbers(value, text):
    assert _table.cell_text(value) == text


def test_shards_follow_fnv_1a():
    """By the published vectors of FNV-1a 64: of "", "a", "foobar"."""
    for name, found in (("", 0xcbf29ce484222325), ("a", 0xaf63dc4c8601ec8c), ("foobar", 0x85944171f73967e8)):
        folded = (found ^ found >> 32) & 0xffffffff
        assert all(_plan.shard_of(name, n) == folded % n + 1 for n in (1, 2, 3, 7, 1000))
