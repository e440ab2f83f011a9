"""Cohort tables of public layouts, each trap in a tree made as it is published: rows, exclusions by reason, scores."""

import csv
import subprocess
import sys

import pytest

import deeptepp
import make_model
import public_layouts as layouts
from deeptepp.readers import read_bids, read_duke_sheet, read_mama_mia

PHASES = {"pre": 0, "early": "120s"}
NA = "n/a"
SHEET = "clinical_and_imaging_info.xlsx"
# id: pre, early (its second), rfs_time, rfs_event, os_time, os_event, treatment, partition; written by hand.
MAMA_MIA = {
    "DUKE_001": ("0000", "0001", "584", "2940", "0", "2940", "0", "any", "train"),
    "DUKE_002": ("0000", "0002", "130", "407", "1", "471", "1", "none", "test"),
    "DUKE_005": ("0000", "0001", "110", "319", "1", "1845", "0", "any", "train"),
    "DUKE_009": ("0000", "0001", "199", NA, NA, "1554", "0", "none", NA),
    "DUKE_010": ("0000", "0001", "156", NA, NA, NA, NA, "none", NA),
    "DUKE_011": ("0000", "0001", "156", NA, NA, NA, NA, NA, NA),
    "ISPY1_1001": (NA, NA, NA, "650", "1", "900", "0", "none", "train"),
    "ISPY1_1002": (NA, NA, NA, "901", "0", "901", "0", "none", NA),
    "ISPY1_1003": (NA, NA, NA, "902", "0", "902", "0", "none", NA),
    "ISPY2_100899": (NA, NA, NA, NA, NA, NA, NA, NA, NA),
    "ISPY2_100900": (NA, NA, NA, NA, NA, NA, NA, "any", NA),
    "NACT_01": (NA, NA, NA, NA, NA, NA, NA, NA, NA),
    "NACT_02": (NA, NA, NA, NA, NA, "600", "0", NA, NA),
    "NACT_04": (NA, NA, NA, NA, NA, "700", "0", NA, NA),
}
IMAGES_OUT = {
    ("images", "ISPY1", "image folder missing"): 1,
    ("images", "ISPY1", "mask missing"): 1,
    ("images", "ISPY1", "phase 1 missing"): 1,
    ("images", "ISPY2", "acquisition_times cannot be read"): 1,
    ("images", "ISPY2", "acquisition_times not as many as num_phases"): 1,
    ("images", "NACT", "acquisition_times do not grow"): 1,
    ("images", "NACT", "acquisition_times missing"): 1,
    ("images", "NACT", "folder without a row of the sheet"): 1,
    ("images", "NACT", "names that differ in letter case alone"): 1,
}
RFS_OUT = {
    ("rfs", "DUKE", "days_to_follow_up missing"): 1,
    ("rfs", "DUKE", "days_to_follow_up not above 0"): 1,
    ("rfs", "DUKE", "days_to_recurrence missing"): 1,
    ("rfs", "ISPY2", "days_to_recurrence missing"): 2,
    ("rfs", "NACT", "days_to_recurrence missing"): 2,
    ("rfs", "NACT", "days_to_recurrence or days_to_metastasis below 0"): 1,
}


@pytest.fixture(scope="module")
def volumes(paths, tmp_path_factory):
    """Five phases and their mask."""
    return layouts.phases_of(paths[0], tmp_path_factory.mktemp("phases")), paths[1]


@pytest.fixture(scope="module")
def tree(volumes, tmp_path_factory):
    pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    return layouts.mama_mia(tmp_path_factory.mktemp("MAMA-MIA"), *volumes)


def command(*arguments):
    done = subprocess.run([sys.executable, "-m", "deeptepp", "table", *map(str, arguments)], capture_output=True,
                          text=True)
    return done.returncode, done.stdout, done.stderr


def by_id(table):
    return {row["participant_id"]: row for row in table.rows}


# ---- MAMA-MIA ----


def image(name, phase):
    folder = name.lower() if name in layouts.LOWER_CASE else name
    return NA if phase == NA else f"images/{folder}/{folder}_{phase}.nii.gz"


def as_expected(name, pre, early, seconds, *outcomes):
    mask = NA if pre == NA else f"segmentations/expert/{name}.nii.gz"
    return [name, image(name, pre), image(name, early), mask, seconds, *outcomes]


def test_the_table_of_mama_mia(tree):
    table = read_mama_mia(tree, phases=PHASES)
    names = ("participant_id", "image:pre", "image:early", "mask", "seconds:early", "rfs_time", "rfs_event", "os_time",
             "os_event", "treatment", "partition")
    assert [[row[name] for name in names] for row in table.rows] == \
        [as_expected(name, *cells) for name, cells in MAMA_MIA.items()]
    assert table.counts("purpose", "dataset", "reason") == IMAGES_OUT | RFS_OUT
    assert table.counts()["rfs", "days_to_recurrence missing"] == 5


def test_what_is_carried_through(tree):
    table = read_mama_mia(tree)
    assert set(table.columns) >= set(layouts.COLUMNS) - {"patient_id"} and len(set(table.columns)) == len(table.columns)
    row = by_id(table)["ISPY2_100899"]
    found = [row[name] for name in ("age", "scanner_model", "weight", "site")]
    assert found == ["41.5", "Skyra", "90.26489311", "Site AAI"]
    assert (row["view"], row["days_to_recurrence"], row["num_phases"]) == ("sagittal", NA, "3")
    assert by_id(table)["DUKE_001"]["site"] == NA and by_id(table)["DUKE_001"]["days_to_recurrence"] == "0"


def test_reasons_stand_in_the_rows(tree):
    table = read_mama_mia(tree, phases=PHASES)
    told = {(row["participant_id"], purpose, row[f"{purpose}_excluded"])
            for row in table.rows for purpose in ("images", "rfs") if row[f"{purpose}_excluded"] != NA}
    listed = {(each.participant_id, each.purpose, each.reason) for each in table.exclusions}
    assert listed - told == {("NACT_03", "images", "folder without a row of the sheet")} and told < listed
    assert all((row["mask"] == NA) == (row["images_excluded"] != NA) for row in table.rows)


@pytest.mark.parametrize("phases, chosen, lost", [
    (1, "0001", {"ISPY1_1001", "ISPY1_1002", "ISPY1_1003", "NACT_02"}),
    ("0", "0000", {"ISPY1_1001", "ISPY1_1003", "NACT_02"}),
    (-1, "0004", {"ISPY1_1001", "ISPY1_1002", "ISPY1_1003", "NACT_02"}),
    (3, "0003", set(MAMA_MIA) - {"DUKE_001", "DUKE_002", "DUKE_009", "DUKE_010"}),
])
def test_a_phase_by_its_order(tree, phases, chosen, lost):
    """Times that cannot be read matter only to phases by time."""
    table = read_mama_mia(tree, phases=phases)
    assert by_id(table)["DUKE_001"]["image"] == image("DUKE_001", chosen)
    assert {row["participant_id"] for row in table.rows if row["image"] == NA} == lost


def test_a_phase_too_far_in_time_and_one_for_two_channels(tree):
    table = read_mama_mia(tree, phases=PHASES, within=40)
    assert table.counts("dataset", "reason")["DUKE", "no phase near enough in time"] == 2  # 584 and 199
    table = read_mama_mia(tree, phases={"early": 1, "late": "300s"})
    assert table.counts("dataset", "reason")["DUKE", "two channels fall on one phase"] == 1  # 584


def test_two_files_of_one_phase(tmp_path):
    """Packed and not, or in two spellings: which was meant is not guessed."""
    root = layouts.mama_mia(tmp_path, None, None, "csv")
    for name in ("images/DUKE_009/DUKE_009_0001.nii", "images/DUKE_010/duke_010_0003.nii.gz"):
        layouts.put(None, root / name)
    assert read_mama_mia(root).counts("dataset", "reason")["DUKE", "two files of one phase"] == 2


def test_automatic_masks(tree):
    table = read_mama_mia(tree, masks="automatic")
    assert by_id(table)["ISPY1_1001"]["mask"] == "segmentations/automatic/ISPY1_1001.nii.gz"


@pytest.mark.parametrize("sheet, density", [("xlsx", True), ("csv", False), ("csv", True)])
def test_forms_of_the_sheet(tree, tmp_path, sheet, density):
    """50 columns; CSV, with a mark of byte order and 0.0 for 0."""
    other = read_mama_mia(layouts.mama_mia(tmp_path, None, None, sheet, density), phases=PHASES)
    table = read_mama_mia(tree, phases=PHASES)
    made = table.columns[:table.columns.index("dataset")]
    assert [[row[name] for name in made] for row in other.rows] == [[row[name] for name in made] for row in table.rows]
    assert ("breast_density" in other.columns) == density and other.exclusions == table.exclusions


def test_a_workbook_that_states_a_smaller_size(tree, tmp_path):
    layouts.mama_mia(tmp_path / "copy", None, None)
    layouts.understate(tree / SHEET, tmp_path / "copy" / SHEET)
    assert read_mama_mia(tmp_path / "copy").rows == read_mama_mia(tree).rows


def test_scores_of_the_tree(tree, volumes, tmp_path):
    """By way of the table on the disk: each usable row the score of the volumes that were meant."""
    make_model.make_model(tmp_path / "model.safetensors", depth=10, width=8, size=(32, 32, 32), views=2,
                          channels=("pre", "early"))
    table = read_mama_mia(tree, phases=PHASES)
    table.write(tmp_path / "cohort.csv")
    with deeptepp.open_model(tmp_path / "model.safetensors") as model:
        rows = deeptepp.score_cohort(model, tmp_path / "cohort.csv").rows
        found = {row["participant_id"]: row["score"] for row in rows if row["status"] == "ok"}
        assert [row["status"] for row in rows].count("skipped") == len(rows) - len(found)
        assert [row["score"] for row in deeptepp.score_cohort(model, table).rows] == [row["score"] for row in rows]
        phases, mask = volumes
        meant = {name: model.score({"pre": phases[0], "early": phases[int(cells[1])]}, mask).score
                 for name, cells in MAMA_MIA.items() if cells[1] != NA}
    assert found == meant and len(set(meant.values())) == 2


def test_the_command(tree, tmp_path):
    out = tree / "cohort.tsv"
    code, printed, said = command("mama-mia", tree, "--phase", "pre=0", "--phase", "early=120s", "--out", out)
    assert (code, said) == (0, "")
    lines = printed.splitlines()
    assert lines[:3] == ["14 rows", "6 with images", "6 with RFS"]
    assert sorted(lines[3:]) == sorted(f"excluded, {purpose}: {count} {dataset}: {reason}"
                                       for (purpose, dataset, reason), count in (IMAGES_OUT | RFS_OUT).items())
    table = read_mama_mia(tree, phases=PHASES)
    text = out.read_bytes().decode("utf-8")
    assert list(csv.DictReader(text.splitlines(), delimiter="\t")) == table.rows and "\r" not in text
    for wrong in (["--phase", "pre=0", "--phase", "1"], ["--phase", "pre=0", "--phase", "pre=1"], ["--phase", "=1"]):
        code, printed, said = command("mama-mia", tree, *wrong, "--out", tmp_path / "none.tsv")
        assert (code, printed, said.count("\n")) == (2, "", 1) and "wanted NAME=VALUE once a channel" in said
    code, printed, said = command("mama-mia", tmp_path, "--out", tmp_path / "none.tsv")
    assert (code, printed, said.count("\n")) == (2, "", 1) and "images" in said


@pytest.mark.parametrize("change, arguments, error, words", [
    (None, {"masks": "hand"}, ValueError, "\"hand\", wanted \"expert\""),
    (None, {"phases": "late"}, ValueError, "phase \"late\", wanted"),
    (None, {"phases": True}, ValueError, "phase \"True\", wanted"),
    (None, {"phases": {}}, ValueError, "phases is empty"),
    (lambda rows: [rows[0][:-5], *rows[1:]], {}, ValueError, "no column \"acquisition_times\""),
    (lambda rows: [[*rows[0][:-1], "treatment"], *rows[1:]], {}, ValueError, "\"treatment\", which is one that this"),
    (lambda rows: [[*rows[0][:-1], "age"], *rows[1:]], {}, ValueError, "\"age\" stands there twice"),
    (lambda rows: [*rows, ["duke_002", *rows[2][1:]]], {}, ValueError, "\"duke_002\" stands in two rows"),
])
def test_what_cannot_be_meant_is_refused(tmp_path, change, arguments, error, words):
    root = layouts.mama_mia(tmp_path, None, None, "csv")
    if change:
        rows = [layouts.header(False), *map(layouts.sheet_row, layouts.PATIENTS)]
        layouts.save(root / "clinical_and_imaging_info.csv", change(rows))
    with pytest.raises(error, match=words):
        read_mama_mia(root, **arguments)


@pytest.mark.parametrize("name, content, words", [
    ("sheet.xlsx", b"version https://git-lfs.github.com/spec/v1\n", "no workbook .*, wanted .xlsx"),
    ("sheet.xls", b"", "the suffix is \".xls\", wanted .xlsx, .csv or .tsv"),
    ("sheet.csv", b"Patient ID,caf\xe9\n", "byte 14 is not UTF-8"),
    ("sheet.csv", b"Patient ID\n" + b"x" * 200000, "field larger than field limit"),
    ("sheet.csv", b"", "no \"Patient ID\""),
], ids=["pointer", "xls", "latin-1", "long", "empty"])
def test_what_is_no_sheet(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_duke_sheet(tmp_path / name)
    code, printed, said = command("duke", tmp_path / name, "--out", tmp_path / "out.tsv")
    assert (code, printed, said.count("\n")) == (2, "", 1) and not (tmp_path / "out.tsv").exists()


def test_a_workbook_without_the_sheet(tree, tmp_path):
    layouts.mama_mia(tmp_path, None, None)
    layouts.save(tmp_path / SHEET, [layouts.header(False)], "Sheet1")
    with pytest.raises(ValueError, match="sheets Sheet1, notes, wanted \"dataset_info\""):
        read_mama_mia(tmp_path)


def test_a_sheet_with_semicolons(tmp_path):
    """As spreadsheets save CSV where the comma is the decimal sign; numbers keep their point here."""
    layouts.duke_sheet(tmp_path / "comma.csv", plain=True)
    text = (tmp_path / "comma.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(text.splitlines(keepends=True)))
    with open(tmp_path / "semicolon.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    assert read_duke_sheet(tmp_path / "semicolon.csv").rows == read_duke_sheet(tmp_path / "comma.csv").rows


def test_without_openpyxl_the_error_says_what_to_do(tree, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportError, match=r"pip install 'deeptepp\[sheets\]', or save the sheet as CSV"):
        read_mama_mia(tree)
    assert read_mama_mia(layouts.mama_mia(tmp_path, None, None, "csv")).rows


def test_a_command_that_is_none():
    done = subprocess.run([sys.executable, "-m", "deeptepp", "tables"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "command \"tables\", wanted " in done.stderr and " table," in done.stderr


# ---- Duke ----

# rfs_time, rfs_event, os_time, os_event, treatment
DUKE = (
    ("2100", "0", "2100", "0", "any"),
    ("400", "1", "900", "1", "none"),
    ("300", "1", NA, NA, NA),
    (NA, NA, NA, NA, "any"),
    (NA, NA, NA, NA, "none"),
    (NA, NA, "100", "0", NA),
    (NA, NA, NA, NA, "none"),
    (NA, NA, "200", "0", "none"),
)
DUKE_OUT = {
    ("rfs", "DUKE", "Recurrence event(s) missing"): 1,
    ("rfs", "DUKE", "last assessment missing"): 1,
    ("rfs", "DUKE", "last assessment not above 0"): 1,
    ("rfs", "DUKE", "time of recurrence missing"): 1,
    ("rfs", "DUKE", "time of recurrence without an event"): 1,
}


@pytest.mark.parametrize("name, plain", [("sheet.xlsx", False), ("sheet.csv", False), ("sheet.tsv", True)])
def test_duke_s_own_sheet(tmp_path, name, plain):
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    table = read_duke_sheet(layouts.duke_sheet(tmp_path / name, plain))
    outcomes = ("rfs_time", "rfs_event", "os_time", "os_event", "treatment")
    assert [tuple(row[name] for name in outcomes) for row in table.rows] == list(DUKE)
    assert table.counts("purpose", "dataset", "reason") == DUKE_OUT
    row = table.rows[0]
    assert (row["participant_id"], row["Mol Subtype"], row["Date of Birth (Days)"]) == ("Breast_MRI_001", "1", "-15001")
    assert (row["Nottingham grade"], row["Nottingham grade.1"], row["Number of Ovaries In Situ"]) == (NA, "3", NA)


def test_duke_s_sheet_with_images_and_the_other_ids(volumes, model, tmp_path):
    sheet = layouts.duke_sheet(tmp_path / "sheet.csv")
    for name in ("DUKE_001", "DUKE_002"):
        layouts.put(volumes[0][3], tmp_path / "nifti" / name / "post.nii.gz")
    layouts.put(volumes[1], tmp_path / "nifti" / "DUKE_001" / "mask.nii.gz")
    table = read_duke_sheet(sheet, images={"post": "{id}/post.nii.gz"}, mask="{id}/mask.nii.gz",
                            folder=tmp_path / "nifti", ids="mama-mia")
    assert [row["image:post"] for row in table.rows] == ["DUKE_001/post.nii.gz", *[NA] * 7]
    assert table.counts("purpose", "reason")["images", "mask missing"] == 1
    assert table.counts("purpose", "reason")["images", "image:post missing"] == 6
    table.write(tmp_path / "nifti" / "cohort.tsv")
    with open(tmp_path / "nifti" / "cohort.tsv", encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"))
    assert row["image:post"] == "DUKE_001/post.nii.gz"
    scored = model.score(tmp_path / "nifti" / row["image:post"], tmp_path / "nifti" / row["mask"])
    assert scored.score == model.score(volumes[0][3], volumes[1]).score


def test_columns_of_duke_s_sheet_that_cannot_be_meant(tmp_path):
    """A decisive name that comes again or not at all, an id that comes again, a row without one."""
    names, rows = layouts.DUKE_COLUMNS, [("Breast_MRI_001", *range(13)), ("Breast_MRI_002", *range(13))]
    for sheet, words in [([(*names[:3], names[7], *names[4:]), *rows], "local recurrence.*stands there twice"),
                         ([(*names[:7], "Days", *names[8:]), *rows], "no column \"Days to local recurrence"),
                         ([names, *rows, rows[0]], "\"Breast_MRI_001\" stands in two rows"),
                         ([names, *rows, ("", *rows[0][1:])], "row 4 has no \"Patient ID\""),
                         (rows, "no \"Patient ID\" in the first 5 rows")]:
        layouts.save(tmp_path / "sheet.csv", sheet)
        with pytest.raises(ValueError, match=words):
            read_duke_sheet(tmp_path / "sheet.csv")


@pytest.mark.parametrize("arguments, words", [
    ({"ids": "tcia"}, "\"tcia\", wanted"), ({"mask": "{id}.nii"}, "images and mask go together"),
    ({"images": "a.nii", "mask": "{id}.nii"}, "image is \"a.nii\", wanted {id}"),
])
def test_arguments_for_duke_that_cannot_be_meant(tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        read_duke_sheet(layouts.duke_sheet(tmp_path / "sheet.csv"), **arguments)


# ---- BIDS ----

ASKED = {"image": "acq-post_T1w", "mask": "desc-tumour_mask", "derivative": "derivatives/tumour"}


def test_a_bids_folder(paths, model, tmp_path):
    root = layouts.bids(tmp_path / "bids", *paths)
    table = read_bids(root, session="a", **ASKED)
    assert table.counts("purpose", "dataset", "reason") == {
        ("images", "made up", "folder without a row of participants.tsv"): 1,
        ("images", "made up", "image missing"): 2,
        ("images", "made up", "image stands in two files"): 1,
        ("images", "made up", "mask missing"): 1,
        ("rfs", "made up", "rfs_time missing"): 1,
    }
    row = table.rows[0]
    assert row["image"] == "sub-01/ses-a/anat/sub-01_ses-a_acq-post_T1w.nii.gz"
    assert (row["age"], row["weight"], row["session_id"], row["rfs_time"]) == ("50", "71.5", "ses-a", "400")
    assert [each["mask"] == NA for each in table.rows] == [False, True, True, True, True]
    assert model.score(root / row["image"], root / row["mask"]).score == model.score(*paths).score
    run = read_bids(root, session="ses-a", **ASKED | {"image": {"t1c": "run-1_acq-post_T1w"}})
    assert [each["image:t1c"] == NA for each in run.rows] == [True, True, False, True, True]


def test_what_is_not_said_of_a_bids_folder_is_refused(tmp_path):
    root = layouts.bids(tmp_path, None, None)
    with pytest.raises(ValueError, match="has sessions, and none is named"):
        read_bids(root, **ASKED)
    with pytest.raises(ValueError, match="\"post\\*\", wanted entities and a suffix"):
        read_bids(root, session="a", **ASKED | {"image": "post*"})
    with pytest.raises(FileNotFoundError, match="no folder \"derivatives/other\""):
        read_bids(root, session="a", **ASKED | {"derivative": "derivatives/other"})
    code, printed, said = command("bids", root, "--image", "acq-post_T1w", "--mask", "desc-tumour_mask",
                                  "--derivative", "derivatives/tumour", "--session", "a", "--out", root / "cohort.tsv")
    assert (code, said, printed.splitlines()[:2]) == (0, "", ["5 rows", "1 with images"])
    (root / "dataset_description.json").write_text("{")
    with pytest.raises(ValueError, match="dataset_description.json: no JSON"):
        read_bids(root, session="a", **ASKED)


def test_the_command_does_not_write_over_the_source(tmp_path):
    root = layouts.bids(tmp_path, None, None)
    before = (root / "participants.tsv").read_bytes()
    code, printed, said = command("bids", root, "--image", "acq-post_T1w", "--mask", "desc-tumour_mask", "--derivative",
                                  "derivatives/tumour", "--session", "a", "--out", root / "participants.tsv")
    assert (code, printed, said.count("\n")) == (2, "", 1) and "participants.tsv exists" in said
    assert (root / "participants.tsv").read_bytes() == before
