"""What an analysis takes, leaves out, refuses and says; its fits are compared in test_package_survival_reference.py and
tests/test_survival_r_python.py."""

import warnings

import numpy as np
import pandas
import polars
import pytest

from deeptepp.survival import Calibration, Cuts, analyse, calibrate, performance, to_sksurv
from deeptepp.survival._cox import cox
from deeptepp.survival._curves import kaplan_meier
from outcome_maker import N, cohort, frame


def same(one, other):
    pandas.testing.assert_frame_equal(pandas.DataFrame(one.tidy().to_dict("list")),
                                      pandas.DataFrame(other.tidy().to_dict("list")))


# ---- What goes in ----


def test_every_kind_of_table_gives_the_same(tmp_path):
    data = frame()
    expected = analyse(data, horizon=4)
    data.to_csv(tmp_path / "scores.tsv", sep="\t", index=False, na_rep="n/a")
    for table in (data.to_dict("records"), tmp_path / "scores.tsv"):
        same(expected, analyse(table, horizon=4))
    of_polars = analyse(polars.DataFrame(cohort()), horizon=4)
    assert isinstance(of_polars.tidy(), polars.DataFrame)
    same(expected, type("Tidy", (), {"tidy": lambda self: pandas.DataFrame(of_polars.tidy().to_dicts())})())


def test_who_is_left_out_is_counted_by_reason():
    data = frame(status=["ok"] * N, error_code=[None] * N)
    data["rfs_event"] = data["rfs_event"].astype(float)
    data.loc[[0, 1], ["status", "error_code"]] = "error", "MASK_EMPTY"
    data.loc[2, "status"] = "skipped"
    data.loc[3, "rfs_time"] = np.nan
    data.loc[4, "rfs_time"] = 0
    data.loc[5, "rfs_event"] = np.nan
    data.loc[6, "treatment"] = None
    data.loc[7, "treatment"] = "triple"
    data.loc[8, "score"] = np.nan
    data.loc[9, "tier"] = None
    data.loc[[0, 10], "age"] = np.nan  # a row that is left out for another reason too is counted once
    found = analyse(data, horizon=4, adjust=["age"])
    assert found.excluded == {
        "scoring failed: MASK_EMPTY": 2, "not scored: no image, no mask": 1, "rfs_time missing": 1,
        "rfs_time 0 or less": 1, "rfs_event missing": 1, "treatment missing": 1,
        'treatment "triple" is in no contrast': 1, "score missing": 1, "tier missing": 1, "age missing": 1}
    assert (found.rows, found.n) == (N, N - 11) and sum(cell["n"] for cell in found.cells) == found.n
    assert "  left out: scoring failed: MASK_EMPTY, 2" in str(found).splitlines()
    same(found, analyse(data[11:], horizon=4, adjust=["age"]))


def test_tiers_come_in_the_order_of_their_scores_or_of_their_own():
    assert [row["tier"] for row in analyse(frame(), horizon=4).cells[:3]] == ["Low", "Moderate", "High"]
    data = frame()
    data["tier"] = pandas.Categorical(data["tier"], ["High", "Moderate", "Low"], ordered=True)
    assert [row["tier"] for row in analyse(data, horizon=4).cells[:3]] == ["High", "Moderate", "Low"]


def test_cut_points_make_the_tiers_where_there_are_none():
    cuts = Cuts.given([0.2, 0.9], source="a pilot of 50")
    made = analyse(frame().drop(columns="tier"), horizon=4, cuts=cuts)
    same(analyse(frame(), horizon=4), made)
    assert "- Tiers: a pilot of 50." in str(made).splitlines()


def test_adjusting_and_stratifying():
    data = frame()
    found = analyse(data, horizon=4, adjust=["age", "site"])
    low = data[(data.tier == "Low")]
    design = np.column_stack([low.treatment == "single", low.treatment == "dual", low.age, low.site == "B"])
    fit = cox(low.rfs_time, low.rfs_event, design.astype(float))
    row = next(row for row in found.contrasts if (row["tier"], row["to"]) == ("Low", "single"))
    assert np.log(row["adjusted_hr"]) == pytest.approx(fit.coef[0], abs=1e-9)
    assert row["test"] == "Wald, adjusted" and row["statistic"] == pytest.approx((fit.coef[0] / fit.se[0]) ** 2)
    assert "Adjusted for age, site; what was not measured still differs." in " ".join(str(found).split())
    plain = analyse(data, horizon=4)
    by_site = analyse(data, horizon=4, strata=["site"])
    assert by_site.interaction[0]["chisq"] != pytest.approx(plain.interaction[0]["chisq"], rel=1e-3)


# ---- What is refused ----


# When treatment started, of all but the arm "none".
LATE = [0.5 * (arm != "none") for arm in frame().treatment]


@pytest.mark.parametrize("change, arguments, said", [
    ({"partition": ["training"] * N}, {}, 'partition is "training" in 300 rows of the table'),
    ({"rfs_event": [2] * N}, {}, "rfs_event is 2 in row 1 of the table, wanted 1 for an event, 0 for none"),
    ({"participant_id": ["a"] * N}, {}, 'participant_id "a" is in the table twice'),
    ({"model_sha256": ["ab" * 32] * 9 + ["cd" * 32] * (N - 9)}, {}, "has scores of 2 models"),
    ({"model_sha256": ["ab" * 32] * N}, {"cuts": Cuts.given([0.2, 0.9], model_sha256="cd" * 32)},
     "the cut-points are of model cdcdcdcdcdcd, the scores of model abababababab"),
    ({}, {"horizon": 0}, "horizon is 0, wanted a time above 0"),
    ({}, {"p_adjust": "Holm"}, 'p_adjust is "Holm", wanted holm'),
    ({}, {"contrasts": [("none", "triple")]}, "contrasts name none, triple, the data have the arms dual, none, single"),
    ({}, {"contrasts": [("none", "none")]}, "wanted pairs of arms"),
    ({}, {"treatment_col": "arm"}, 'has no column "arm" (the treatment)'),
    ({"treatment": ["other"] * N}, {}, "contrasts name none, single, the data have the arms other"),
    ({"rfs_time": ["soon"] * N}, {}, 'rfs_time is "soon" in row 1 of the table, wanted a number'),
    ({"score": [None] * N}, {}, "no row of the table can be used (score missing 300)"),
    ({"start": LATE}, {"start_col": "start"}, f"start is after time zero in {sum(map(bool, LATE))} rows"),
    ({"start": [0.5] * N}, {"start_col": "start", "landmark": 1},
     f'start is above 0 in {N - sum(map(bool, LATE))} rows of "none", the first'),
    ({"start": LATE}, {"start_col": "start", "counting": True, "landmark": 1},
     "landmark is 1 and counting is True"),
    ({"tier": ["All"] * N}, {}, 'tier has a tier "All"'),
    ({}, {"cuts": Cuts.given([-5, 5])}, "where cuts make"),
    ({}, {"adjust": ["treatment"]}, "adjust or strata has treatment"),
    ({}, {"tier_col": "tiers", "cuts": Cuts.given([-5, 5])}, 'has no column "tiers"'),
    ({}, {"training": [{"participant_id": None}]}, "training has no ids and no image_sha256"),
    ({}, {"counting": True}, "counting is True without start_col")])
def test_refused(change, arguments, said):
    with pytest.raises(ValueError) as caught:
        analyse(frame(**change), **{"horizon": 4, **arguments})
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_cases_that_the_model_has_seen_are_refused():
    with pytest.raises(ValueError, match='2 of the data.s participant_id are in training, the first "p1", wanted'):
        analyse(frame(), horizon=4, training=pandas.DataFrame({"participant_id": ["p1", "p7", "q1"]}))
    images = [f"{i:064x}" for i in range(N)]
    with pytest.raises(ValueError, match="1 of the data's image_sha256 are in training"):
        analyse(frame(image_sha256=images), horizon=4, training=[{"participant_id": "q1", "image_sha256": images[4]}])
    found = analyse(frame(), horizon=4, training=[{"participant_id": "q1"}])
    assert " No participant_id is among the training cases." in str(found)


@pytest.mark.parametrize("change, arguments, said", [
    ({"partition": ["training"] * N}, {}, 'partition is "training" in 300 rows'),
    ({}, {"training": [{"participant_id": "p7"}]}, "1 of the data's participant_id are in training"),
    ({"participant_id": ["p1"] * N}, {}, 'participant_id "p1" is in the table twice'),
    ({"model_sha256": ["a", "b"] * (N // 2)}, {}, "has scores of 2 models"),
    ({}, {"times": [2], "risk": [[0.5]] * 3}, "wanted a row for each of the 300 rows")])
def test_a_performance_is_refused(change, arguments, said):
    with pytest.raises(ValueError) as caught:
        performance(frame(**change), **arguments)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_report_takes_no_other_performance(tmp_path):
    found = analyse(frame(model_sha256=["a" * 64] * N), horizon=4)
    with pytest.raises(ValueError, match="performance is of model none stated, the analysis of model aaaaaaaaaaaa"):
        found.to_html(tmp_path / "page.html", performance=performance(frame()))
    with pytest.raises(TypeError, match="performance is of type int"):
        found.to_html(tmp_path / "page.html", performance=3)
    assert not list(tmp_path.iterdir())


def test_two_arms_without_an_event_have_no_interval():
    data = frame()
    data.loc[data.tier == "Low", "rfs_event"] = 0
    row = next(row for row in analyse(data, horizon=2).contrasts if row["tier"] == "Low")
    assert row["d_survival"] == 0 and np.isnan([row["d_survival_low"], row["d_rmst_high"]]).all()


def test_warned_of():
    data = frame(partition=["test"] * 200 + ["calibration"] * 100)
    with pytest.warns(UserWarning, match=r"partitions are mixed \(calibration 100, test 200\)") as warned:
        assert "calibration 100, test 200 (mixed)" in str(analyse(data, horizon=4))
        performance(data)
        calibrate(data, [2], unit="years", endpoint="RFS")
    assert [warning.filename for warning in warned] == [__file__] * 3
    searched = Cuts((0.2, 0.9), ("Low", "Moderate", "High"), "maxstat", "a search", p_value=0.03)
    with pytest.warns(UserWarning, match="every p-value is too small"):
        assert "every p-value above is too small" in " ".join(str(analyse(frame(), horizon=4, cuts=searched)).split())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analyse(frame(), horizon=4)


# ---- Arms without patients or events ----


def test_an_arm_without_events_has_no_hazard_ratio_and_the_rest_is_there():
    data = frame()
    data.loc[(data.tier == "High") & (data.treatment == "dual"), "rfs_event"] = 0
    found = analyse(data, horizon=4)
    row = next(row for row in found.contrasts if (row["tier"], row["to"]) == ("High", "dual"))
    assert np.isnan(row["hr"]) and 0 < row["p"] < 1 and 0 <= found.interaction[0]["p"] <= 1
    assert "High, dual v single: no hazard ratio, an arm has no event." in " ".join(str(found).split())
    assert "tier x treatment: a coefficient may be infinite" in str(found)


def test_an_arm_without_patients_is_told():
    data = frame()
    found = analyse(data[~((data.tier == "High") & (data.treatment == "dual"))], horizon=4)
    row = next(row for row in found.contrasts if (row["tier"], row["to"]) == ("High", "dual"))
    assert np.isnan([row["hr"], row["p"], row["p_adjusted"], row["d_rmst"]]).all() and found.interaction[0]["df"] == 3
    assert "not compared, an arm has no patient" in str(found)
    found.plot(), found.plot("forest")


# ---- Time zero ----


def late_starts(n=1500):
    """No effect at all: treatment starts some time after zero, for those who are free of the event until then."""
    draw = np.random.default_rng(11)
    time, start = draw.exponential(4, n), draw.uniform(0, 3, n)
    treated = time > start
    return pandas.DataFrame({"rfs_time": np.minimum(time, 6), "rfs_event": (time < 6).astype(int), "tier": "one",
                             "treatment": np.where(treated, "single", "none"), "start": np.where(treated, start, 0)})


def hazard_ratio(found):
    return found.contrasts[0]["hr_low"], found.contrasts[0]["hr"], found.contrasts[0]["hr_high"]


def test_a_late_start_looks_like_a_benefit_and_neither_landmark_nor_counting_process_does():
    data, asked = late_starts(), {"horizon": 3, "score_col": None}
    assert hazard_ratio(analyse(data, **asked))[2] < 0.8
    for more in ({"landmark": 1}, {"counting": True}):
        low, middle, high = hazard_ratio(analyse(data, start_col="start", **asked, **more))
        assert low < 1 < high and abs(np.log(middle)) < 0.2, more


def test_the_landmark_is_what_it_says():
    data = late_starts()
    found = analyse(data, horizon=2, score_col=None, start_col="start", landmark=1)
    later = data[data.rfs_time > 1]
    arm = (later.treatment == "single") & (later.start <= 1)
    assert found.excluded == {"followed up no longer than the landmark": len(data) - len(later)}
    assert [cell["n"] for cell in found.cells] == [(~arm).sum(), arm.sum()]
    fit = cox(later.rfs_time - 1, later.rfs_event, arm.to_numpy(float))
    assert np.log(found.contrasts[0]["hr"]) == pytest.approx(fit.coef[0], abs=1e-9)


def test_the_counting_process_splits_a_case_in_two():
    data = late_starts(400)
    found = analyse(data, horizon=2, score_col=None, start_col="start", counting=True)
    rows = []
    for case in data.itertuples():
        if case.start > 0:
            rows += [(0, case.start, 0, 0), (case.start, case.rfs_time, case.rfs_event, 1)]
        else:
            rows.append((0, case.rfs_time, case.rfs_event, 0))
    entry, time, event, arm = map(np.array, zip(*rows))
    fit = cox(time, event, arm.astype(float), entry=entry.astype(float))
    row = found.contrasts[0]
    assert np.log(row["hr"]) == pytest.approx(fit.coef[0], abs=1e-9)
    assert (row["test"], row["statistic"]) == ("score test", pytest.approx(fit.score))
    assert np.isnan(row["d_survival"]) and "not given for a counting process" in str(found)
    with pytest.raises(ValueError, match="counting process has no Kaplan-Meier"):
        found.plot()


# ---- Against loops ----


def test_restricted_means_are_areas():
    draw = np.random.default_rng(1)
    time, event = np.round(draw.exponential(3, 60), 1) + 0.1, draw.integers(0, 2, 60)
    at, survival, area = 0.0, 1.0, 0.0
    for t in sorted({*time[event == 1], 2.5}):
        if t > 2.5:
            break
        area += survival * (t - at)
        at, survival = t, survival * (1 - ((time == t) & (event == 1)).sum() / (time >= t).sum())
    assert kaplan_meier(time, event).restricted_mean(2.5)[0] == pytest.approx(area, abs=1e-12)


def test_risk_beyond_the_last_event_and_without_events():
    curve = kaplan_meier(np.array([1.0, 2, 3]), np.array([0, 0, 0]))
    assert curve.at(2.5) == (1, 0) and curve.restricted_mean(2) == (2, 0) and np.isnan(curve.median()[0])
    assert [curve.at_risk_at(t) for t in (0, 1, 1.5, 3, 4)] == [3, 3, 2, 1, 0]


# ---- Performance ----


def test_net_benefit_and_observed_to_expected_without_censoring_are_plain_counts():
    draw = np.random.default_rng(8)
    risk = draw.uniform(0.05, 0.95, 500)
    event = draw.uniform(size=500) < risk
    table = pandas.DataFrame({"rfs_time": np.where(event, 1.0, 3.0), "rfs_event": 1, "score": risk, "risk": risk,
                              "survival:2": 1 - risk})
    found = performance(table, times=[2], risk=["risk"], thresholds=[0.2, 0.6])
    assert found.calibration[0]["oe"] == pytest.approx(event.mean() / risk.mean())
    for row in found.decision:
        acted, odds = risk > row["threshold"], row["threshold"] / (1 - row["threshold"])
        plain = ((acted & event).sum() - odds * (acted & ~event).sum()) / 500
        assert row["by_risk"] == pytest.approx(plain)
        assert row["treat_all"] == pytest.approx(event.mean() - odds * (1 - event.mean()))
    assert sum(row["n"] for row in found.groups) == 500
    assert performance(table, times=[2], risk=["survival:2"]).calibration[0] == pytest.approx(found.calibration[0])


def test_a_calibration_of_another_cohort_gives_the_risks():
    made = Calibration("RFS", "years", "a cohort", (2.0, 4.0), (0.8, 0.6), 0.8, 0.0)
    found = performance(frame(), times=[4], risk=made)
    expected = 1 - 0.6 ** np.exp(0.8 * cohort()["score"])
    assert found.calibration[0]["expected"] == pytest.approx(expected.mean())
    assert found.concordance.c > 0.6 and "observed to expected" in str(found)
    assert list(found.tidy()["term"]) == ["Harrell's C", "observed to expected", "calibration slope"]


def test_a_calibration_is_judged_by_other_rows_of_its_model():
    made = calibrate(frame().assign(partition="calibration", model_sha256="a" * 64), [2.0, 4.0], unit="years",
                     endpoint="RFS")
    with pytest.warns(UserWarning, match="the calibration was made of these very rows") as told:
        performance(frame(), times=[4], risk=made)
    assert told[0].filename == __file__
    performance(frame()[:250], times=[4], risk=made)
    with pytest.raises(ValueError, match="the calibration is of model aaaaaaaaaaaa, the scores of model bbbbbbbbbbbb"):
        performance(frame()[:250].assign(model_sha256="b" * 64), times=[4], risk=made)


def test_without_risks_nothing_is_calibrated():
    found = performance(frame())
    assert not (found.calibration or found.groups or found.decision)
    assert "A score is no probability" in " ".join(str(found).split())
    with pytest.raises(ValueError, match="a score is no probability"):
        found.plot()


@pytest.mark.parametrize("arguments, said", [
    ({"times": [99], "risk": ["age"]}, "risk has values that are missing or outside 0 to 1"),
    ({"times": [2], "risk": np.zeros(7)}, "risk has the shape (7,), wanted a row for each of the 300 rows"),
    ({"times": [2, 3], "risk": ["rfs_event"]}, "risk has 1 columns for 2 times"),
    ({"times": [99], "risk": ["rfs_event"]}, "times end at 99, the follow-up at"),
    ({"times": [3], "risk": Calibration("a", "b", "c", (2.0,), (0.9,), 1.0, 0.0)}, "times has 3, the calibration 2"),
    ({"thresholds": [1.0], "times": [2], "risk": ["rfs_event"]}, "thresholds are [1.0]"),
    ({"training": [{"participant_id": "p3"}]}, "are in training")])
def test_performance_refused(arguments, said):
    with pytest.raises(ValueError) as caught:
        performance(frame(), **arguments)
    assert said in str(caught.value)


def test_scikit_survivals_array():
    made = to_sksurv(frame())
    assert made.dtype.names == ("event", "time") and made["event"].dtype == bool
    assert made["time"].tolist() == frame()["rfs_time"].tolist()
    with pytest.raises(ValueError, match="row 2 of the table: rfs_time 0 or less"):
        to_sksurv(frame().assign(rfs_time=[1.0, 0.0] + [1.0] * (N - 2)))
