"""Figures and the HTML file of an analysis: what stands in them, in which order, and that they need nothing else."""

import base64
import html.parser
import io
import re

import numpy as np
import pytest

import deeptepp
from deeptepp.survival import Calibration, Cuts, analyse, performance
from outcome_maker import frame


@pytest.fixture(scope="module")
def data():
    return frame()


@pytest.fixture(scope="module")
def found(data):
    cuts = Cuts.given([0.2, 0.9], source="A pilot of 50 <patients> & more")
    return analyse(data, horizon=4, unit="years", cuts=cuts, endpoint="recurrence-free survival")


@pytest.fixture(scope="module")
def ranked(data):
    made = Calibration("RFS", "years", "a cohort", (2.0, 4.0), (0.8, 0.6), 0.8, 0.0)
    return performance(data, times=[2, 4], risk=made, unit="years")


# ---- Figures ----


def test_kaplan_meier_curves_and_the_numbers_at_risk(found, data):
    panels = [axes for axes in found.plot().axes]
    assert [axes.get_title(loc="left") for axes in panels[:3]] == [
        f"{tier} (n = {(data.tier == tier).sum()})" for tier in ("Low", "Moderate", "High")]
    low = data[(data.tier == "Low") & (data.treatment == "dual")]
    times, steps = panels[0].get_lines()[4].get_data()
    assert panels[0].get_lines()[4].get_label() == "dual"
    at_risk = [(low.rfs_time >= t).sum() for t in times[1:-1]]
    plain = np.cumprod([1 - ((low.rfs_time == t) & (low.rfs_event == 1)).sum() / n for t, n in zip(times[1:], at_risk)])
    assert steps[1:-1] == pytest.approx(plain)
    numbers = [text.get_text() for text in panels[3].texts if text.get_position()[1] == 2]
    assert numbers == [str((low.rfs_time >= tick).sum()) for tick in panels[3].get_xticks()]


def test_the_forest_has_a_row_a_tier_and_contrast(found):
    axes = found.plot("forest").axes[0]
    squares = [line for line in axes.get_lines() if line.get_marker() == "s"]
    within = [row for row in found.contrasts if row["tier"] != "All"]
    assert sorted(line.get_xdata()[0] for line in squares) == pytest.approx(sorted(row["hr"] for row in within))
    words = [text.get_text() for text in axes.texts]
    for row in within:
        assert f"{row['hr']:.2f} ({row['hr_low']:.2f} to {row['hr_high']:.2f})   {row['n']} ({row['events']})" in words
    assert axes.get_xscale() == "log"


def test_calibration_has_a_panel_a_time(ranked):
    axes = ranked.plot().axes
    assert ["until 2 years" in one.get_title(loc="left") for one in axes] == [True, False]
    assert "observed to expected" in axes[1].get_title(loc="left")


def test_the_calibration_s_points_are_its_groups(ranked):
    for axes, time in zip(ranked.plot().axes, (2, 4)):
        rows = [row for row in ranked.groups if row["time"] == time]
        points = axes.containers[0].lines[0]
        assert points.get_xdata().tolist() == [row["expected"] for row in rows]
        assert points.get_ydata().tolist() == [row["observed"] for row in rows]
        assert axes.get_xlabel() == "expected risk"


def test_the_forest_of_an_adjusted_analysis_is_the_adjusted_one():
    found = analyse(frame(), horizon=4, adjust=["age"])
    drawn = [line.get_xdata()[0] for line in found.plot("forest").axes[0].lines if line.get_marker() in ("s", "D")]
    assert sorted(drawn) == sorted(row["adjusted_hr"] for row in found.contrasts)
    assert "adjust=['age']" in found.call and "horizon=4" in found.call


def test_every_figure_leads_with_the_interaction_and_says_research_use(found, ranked):
    for kind in ("survival", "forest"):
        figure = found.plot(kind)
        assert "tier x treatment: p " in figure._suptitle.get_text()
        assert "Research use only" in figure._supxlabel.get_text()
    assert "Research use only" in ranked.plot()._supxlabel.get_text()
    with pytest.raises(ValueError, match='kind is "roc", wanted survival or forest'):
        found.plot("roc")


# ---- The HTML file ----


class Reader(html.parser.HTMLParser):
    """What a browser sees: texts in order, what it would load, and whether tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.words, self.sources, self.open, self.rows = [], [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        self.open += [tag] if tag not in ("meta", "img") else []
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)
        if "td" in self.open:
            self.rows[-1].append(data)


@pytest.fixture(scope="module")
def page(found, ranked, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "analysis.html"
    found.to_html(path, performance=ranked)
    return path.read_text(encoding="utf-8")


def test_the_page_has_its_sections_in_their_order(page):
    read = Reader(page)
    assert not read.open
    order = ["Research use only", "Patients (events)", "1. Does the effect of treatment differ", "tier x treatment",
             "2. Within tiers", "3. Differences at 4 years", "Before believing it", "Performance of the score",
             "Reporting", "TRIPOD+AI:", "CLAIM:", "METRICS:", "How it was made"]
    places = [read.text.index(words) for words in order]
    assert places == sorted(places)


def test_the_page_loads_nothing_and_runs_nothing(page):
    sources = Reader(page).sources
    assert len(sources) == 3 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"<script|https?://|@import|url\(", page)


def test_the_pictures_are_pictures(page):
    import matplotlib.image

    for source in Reader(page).sources:
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(source.split(",")[1])), format="png")
        assert min(pixels.shape[:2]) > 300 and pixels[..., 0].std() > 0.02


def test_the_numbers_are_those_of_the_page(page, found):
    text = Reader(page).text
    for row in found.contrasts:
        assert f"{row['hr']:.2f} ({row['hr_low']:.2f} to {row['hr_high']:.2f})" in text


def test_texts_of_others_are_no_markup(page):
    assert "A pilot of 50 &lt;patients&gt; &amp; more" in page and "<patients>" not in page


def answers(page):
    """The answer of each item, a list a checklist."""
    rows = [row for row in Reader(page).rows if len(row) == 3 and re.fullmatch(r"\d+[a-g]?", row[0])]
    starts = [i for i, row in enumerate(rows) if row[0] == "1"]
    return [dict((row[0], row[2]) for row in rows[a:b]) for a, b in zip(starts, [*starts[1:], len(rows)])]


def test_every_item_of_the_checklists_is_there(page):
    tripod, claim, metrics = answers(page)
    assert sorted({int(re.match(r"\d+", number)[0]) for number in tripod}) == list(range(1, 28))
    assert list(claim) == [str(k) for k in range(1, 45)] and list(metrics) == [str(k) for k in range(1, 31)]
    assert tripod["17"] == claim["44"] == metrics["7"] == "author"
    assert tripod["23a"].startswith("Harrell's C 0.") and "slope" in metrics["22"]
    assert "events" in claim["35"]


def test_what_is_not_known_is_the_authors(found, tmp_path):
    found.to_html(tmp_path / "bare.html")
    tripod, claim, metrics = answers((tmp_path / "bare.html").read_text())
    assert tripod["23a"] == claim["37"] == metrics["22"] == tripod["26"] == tripod["22"] == "author"


def test_the_model_file_fills_more(found, page, tmp_path, tiny_case):
    found.to_html(tmp_path / "model.html", model=tiny_case[0])
    text = (tmp_path / "model.html").read_text()
    with deeptepp.open_model(tiny_case[0]) as model:
        tripod, claim, metrics = answers(text)
        assert tripod["26"] == model.info["limitations"] and model.sha256 in tripod["22"]
        assert "resnet3d" in claim["22"] and "spacing_mm" in metrics["11"]
    filled = [sum(answer != "author" for answer in part.values()) for part in answers(text)]
    assert f"TRIPOD+AI: {filled[0]} of 52 filled" in text and f"METRICS: {filled[2]} of 30 filled" in text


def test_a_model_that_did_not_make_the_scores_is_refused(data, tmp_path, tiny_case):
    made = analyse(data.assign(model_sha256="ab" * 32), horizon=4)
    with pytest.raises(ValueError, match="the scores are of abababababab, wanted those of one model"):
        made.to_html(tmp_path / "page.html", model=tiny_case[0])
    assert not (tmp_path / "page.html").exists()


def test_a_frozen_models_tiers_and_survival_say_where_they_come_from(found, tmp_path, tiny_case):
    from deeptepp.freeze import freeze

    freeze(tiny_case[0], tmp_path / "frozen.safetensors", cuts=found.cuts)
    found.to_html(tmp_path / "page.html", model=tmp_path / "frozen.safetensors")
    assert "A pilot of 50" in answers((tmp_path / "page.html").read_text())[0]["15"]
