"""The page of a training: one file, and its numbers are those of the table. Needs PyTorch (tests/run --live)."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not here")

import deeptepp  # noqa: E402
from deeptepp.survival import concordance  # noqa: E402
from deeptepp.train import _measures, _page, train  # noqa: E402
from deeptepp.train._cohort import Case  # noqa: E402
from training_case import describe, make_images, write_table  # noqa: E402


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.cells, self.open, self.tags = [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        self.open.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    rows = [{**row, "mask": "lost<b>.nii"} if n == 4 else row for n, row in enumerate(make_images(folder))]
    result = train(write_table(folder / "cohort.tsv", rows), folder / "m.safetensors", threads=1, leave_out_faulty=True,
                   description=describe(folder / "d.json", training={"folds": 2}, name="A & B"))
    return result, deeptepp.read_cohort(result.table), (folder / "m.html").read_text(encoding="utf-8")


def test_it_is_one_file_with_three_images(found):
    page = Page(found[2])
    assert len(page.links) == 3 and not {"script", "link", "iframe"} & page.tags
    for link in page.links:
        assert base64.b64decode(link.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert "Research use only" in found[2] and "<h1>A &amp; B</h1>" in found[2]


def test_its_concordances_are_the_table_s(found):
    result, table, text = found
    cells = Page(text).cells
    good = [row for row in table.rows if row["status"] == "ok"]
    for name, rows in (("all", good), *((f"fold {k}", [row for row in good if row["fold"] == k]) for k in "01")):
        wanted = concordance(*([float(row[column]) for row in rows] for column in ("rfs_time", "rfs_event", "score")))
        at = cells.index(name)
        assert cells[at + 1:at + 4] == [str(len(rows)), str(sum(row["rfs_event"] == "1" for row in rows)), str(wanted)]
    assert str(result.concordance) in cells and result.sha256 in cells


def test_cases_that_failed_are_there(found):
    cells = Page(found[2]).cells
    at = cells.index("sub-04")
    assert cells[at + 1:at + 3] == ["error", "FILE_MISSING"] and "lost<b>.nii" in cells[at + 3]
    assert not re.search("lost<b>", found[2])


def test_it_says_how_inputs_were_made_and_that_patients_come_twice(found):
    cells = Page(found[2]).cells
    assert cells[cells.index("preprocessing options") + 1] == "largest_part False; mask_grid same"
    assert "too narrow" not in found[2]
    cases = [_measures.Scored(Case(n, f"{n}", f"patient {n // 2}", None, 1.0, 1, ""), 0, n) for n in range(6)]
    assert "6 cases of 3 patients" in _page._repeated(cases)[0]


def test_curves_are_kaplan_and_meier_s():
    """Against the product, factor by factor."""
    random = np.random.default_rng(3)
    time, event = random.integers(1, 9, 60).astype(float), random.integers(0, 2, 60)
    score = random.normal(size=60)
    cases = [_measures.Scored(Case(0, "", "", None, t, int(e), ""), 0, s) for t, e, s in zip(time, event, score)]
    order = np.argsort(score)
    for curve, part in zip(_measures.thirds(cases).values(), (order[:20], order[20:40], order[40:])):
        left, survival = 1.0, {}
        for t in np.unique(time[part]):
            left *= 1 - ((time[part] == t) & (event[part] == 1)).sum() / (time[part] >= t).sum()
            survival[t] = left
        for t, value in zip(curve.times, curve.survival):
            assert value == pytest.approx(survival.get(t, 1.0))
        assert [*curve.followed] == sorted(time[part]) and len(curve.censored) == (event[part] == 0).sum()
