"""Makes the folders of public data sets as they are downloaded, traps and all, of a few patients; no data of theirs."""

import csv
import json
import re
import shutil
import zipfile

import nibabel
import numpy as np

# In the order of the data set's sheet; its column names carry blanks in some copies.
COLUMNS = """patient_id dataset bilateral_breast_cancer multifocal_cancer nac_agent endocrine_therapy
anti_her2_neu_therapy pcr mastectomy_post_nac days_to_follow_up days_to_recurrence
days_to_metastasis days_to_death hr er pr her2 mammaprint oncotype_score nottingham_grade
tumor_subtype age menopause ethnicity has_implant weight patient_size bmi_group view bilateral_mri
num_phases fat_suppressed field_strength image_rows image_columns num_slices pixel_spacing
slice_thickness site manufacturer scanner_model high_bit window_center window_width echo_time
repetition_time acquisition_times acquisition_date tcia_series_uid""".split()
OUTCOMES = ("days_to_follow_up", "days_to_recurrence", "days_to_metastasis", "days_to_death", "anti_her2_neu_therapy")

# id: outcomes as above, acquisition times, phases on the disk.
PATIENTS = {
    "DUKE_001": ((2940.0, 0.0, None, 0.0, 1.0), "[0, 584, 714, 846, 977]", range(5)),
    "DUKE_002": ((1649.0, 407.0, 0.0, 471.0, 0.0), "[0, 60, 130, 288]", range(4)),
    "DUKE_005": ((1845.0, 0.0, 319.0, 0.0, 1.0), "[0, 110, 130]", range(3)),
    "DUKE_009": ((1554.0, None, 0.0, 0.0, 0.0), "[0, 199, 314, 429]", range(4)),
    "DUKE_010": ((None, 0.0, None, None, 0.0), "[0, 156, 255, 355]", range(4)),
    "DUKE_011": ((0.0, 0.0, 0.0, 0.0, None), "[0, 156, 255]", range(3)),
    "ISPY1_1001": ((900.0, 700.0, 650.0, 0.0, 0.0), "[0, 150, 450]", range(3)),
    "ISPY1_1002": ((901.0, 0.0, None, 0.0, 0.0), "[0, 150, 450]", range(1)),
    "ISPY1_1003": ((902.0, 0.0, None, 0.0, 0.0), "[0, 150, 450]", None),
    "ISPY2_100899": ((None, None, None, None, None), "[0, 90", range(3)),
    "ISPY2_100900": ((None, None, None, None, 1.0), "[0, 90]", range(3)),
    "NACT_01": ((500.0, None, None, None, None), None, range(2)),
    "NACT_02": ((600.0, None, None, 0.0, None), "[0, 150]", range(2)),
    "NACT_04": ((700.0, -1.0, None, 0.0, None), "[0, 700, 150]", range(3)),
}
NO_MASK = ("ISPY1_1001",)
LOWER_CASE = ("DUKE_001",)
TWO_FOLDERS = ("NACT_02",)
NOT_IN_THE_SHEET = "NACT_03"


def phases_of(image, folder):
    """Five volumes on one grid that score differently, of one image."""
    source = nibabel.load(image)
    voxels = source.get_fdata(dtype=np.float32)
    paths = [folder / f"phase{k}.nii.gz" for k in range(5)]
    for k, path in enumerate(paths):
        nibabel.Nifti1Image(np.abs(voxels) ** (1 - k / 20), source.affine).to_filename(path)
    return paths


def mama_mia(root, phases, mask, sheet="xlsx", density=False):
    """The data set's folder; phases, mask: files that stand for all patients' (None: empty files)."""
    for part in ("images", "segmentations/expert", "segmentations/automatic", "patient_info_files"):
        (root / part).mkdir(parents=True)
    for name, (_, _, there) in PATIENTS.items():
        lay(root, name, there, phases, mask)
    lay(root, NOT_IN_THE_SHEET, range(2), phases, mask)
    rows = [header(density), *(sheet_row(name) + [None] * density for name in PATIENTS)]
    save(root / f"clinical_and_imaging_info.{sheet}", rows, "dataset_info")
    splits = [("train_split", "test_split"), ("DUKE_001", "duke_002"), ("DUKE_005", ""), ("ISPY1_1001", "")]
    save(root / "train_test_splits.csv", splits)
    return root


def header(density):
    names = [f" {name} " if name in ("site", "num_phases") else name for name in COLUMNS]
    return names + ["breast_density"] * density


def sheet_row(name):
    outcomes, times, there = PATIENTS[name]
    cells = dict(zip(OUTCOMES, outcomes)) | {
        "patient_id": name, "dataset": name.split("_")[0], "bilateral_breast_cancer": 0, "multifocal_cancer": 0.0,
        "age": 41.5, "view": "sagittal" if name[0] in "IN" else "axial", "scanner_model": "Skyra ",
        "weight": 90.26489311, "site": "Site AAI" if name.startswith("ISPY2") else None, "acquisition_times": times,
        "num_phases": len(there or range(3)) if name != "ISPY1_1002" else 3}
    return [cells.get(column) for column in COLUMNS]


def lay(root, name, there, phases, mask):
    spelt = name.lower() if name in LOWER_CASE else name
    if there is not None:
        put(phases and phases[0], root / "images" / spelt / f"._{spelt}_0000.nii.gz")
        for k in there:
            put(phases and phases[k], root / "images" / spelt / f"{spelt}_{k:04}.nii.gz")
    if name in TWO_FOLDERS:
        (root / "images" / name.lower()).mkdir()
    for kind in ("expert", "automatic"):
        if name not in NO_MASK or kind == "automatic":
            put(mask, root / "segmentations" / kind / f"{name}.nii.gz")
    put(None, root / "patient_info_files" / f"{name.lower()}.json")


def put(source, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path) if source else path.touch()


def save(path, rows, title="Sheet1"):
    """A sheet, of the kind that the suffix names."""
    if path.suffix == ".xlsx":
        import openpyxl
        book = openpyxl.Workbook()
        book.active.title = title
        for row in rows:
            book.active.append(list(row))
        book.create_sheet("notes").append(["other"])
        return book.save(path)
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows(rows)


def understate(book, copy):
    """A workbook whose sheets say that they are one cell, as some programs write them."""
    with zipfile.ZipFile(book) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            text, count = re.subn(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', old.read(name))
            assert count == name.startswith("xl/worksheets/sheet")
            new.writestr(name, text)


# Names as they are spelt, and blanks and line ends, in Duke's sheet; one name stands there for each breast.
DUKE_COLUMNS = (
    "Patient ID", "Date of Birth (Days)", "Mol Subtype", "Nottingham grade", "Number of Ovaries In Situ \n",
    "Nottingham grade", "Recurrence event(s)", "Days to local recurrence (from the date of diagnosis) ",
    "Days to distant recurrence(from the date of diagnosis) ", "Days to death (from the date of diagnosis) ",
    "Days to last local recurrence free assessment (from the date of diagnosis) ",
    "Days to last distant recurrence free assemssment(from the date of diagnosis) ",
    "Neoadjuvant Anti-Her2 Neu Therapy", "Adjuvant Anti-Her2 Neu Therapy ")
DUKE_GROUPS = ("Patient Information", "Demographics", "Tumor Characteristics")
DUKE_CODES = (None, None, "{luminal-like,  ER/PR pos, HER2 pos,her2,trip neg} = {0,1,2,3}", "1,2,3", None, "1,2,3",
              "{no,yes} = {0,1}")
# From the event on.
DUKE_PATIENTS = (
    (0, "NP", "NP", "NP", 2000, 2100, 1, 0),
    (1, 400, "NP", 900, 390, "NC", 0, 0),
    (1, 700, 300, "NC", 690, 290, "NP", "NP"),
    (0, "NP", "NP", "NP", "NC", "NC", 0, 1),
    ("NC", "NP", "NP", "NA", 100, 100, 2, 0),
    (1, "NP", "NP", "NP", 100, 100, 0, "NC"),
    (0, "NP", "NP", "NP", 0, -5, 0, 0),
    (0, 100, "NP", "NP", 200, 200, 0, 0),
)


def duke_sheet(path, plain=False):
    """The clinical sheet; plain: without the rows of groups and codes, as programs save it again."""
    rows = [(f"Breast_MRI_{i:03}", -15000 - i, 1, "NA", "NC", 3, *cells) for i, cells in enumerate(DUKE_PATIENTS, 1)]
    save(path, [DUKE_COLUMNS, *rows] if plain else [DUKE_GROUPS, DUKE_COLUMNS, DUKE_CODES, *rows], "Data")
    return path


# id: names of images and masks below the subject's folder and that of the derivative.
BIDS_SUBJECTS = {
    "sub-01": (("anat/sub-01_ses-a_acq-post_T1w", "anat/sub-01_ses-a_acq-post_desc-n4_T1w"), ("desc-tumour_mask",)),
    "sub-02": (("anat/sub-02_ses-a_acq-post_T1w", "perf/sub-02_ses-a_acq-post_T1w"), ("desc-tumour_mask",)),
    "sub-03": (("anat/sub-03_ses-a_acq-post_run-1_T1w",), ("desc-tumour_mask",)),
    "sub-04": (("anat/sub-04_ses-a_acq-post_T1w",), ("desc-breast_mask",)),
    "sub-05": (("anat/sub-05_ses-b_acq-post_T1w",), ()),
}


def bids(root, image, mask):
    """A data set with sessions a and b, masks in derivatives/tumour."""
    for subject, (images, masks) in BIDS_SUBJECTS.items():
        for name in images:
            session = name.split("_")[1]
            put(image, root / subject / session / f"{name}.nii.gz")
        for name in masks:
            put(mask, root / "derivatives" / "tumour" / subject / "ses-a" / "anat" / f"{subject}_ses-a_{name}.nii.gz")
        save(root / subject / f"{subject}_sessions.tsv", [("session_id", "weight"), ("ses-a", 71.5), ("ses-b", "n/a")])
    (root / "sub-99" / "ses-a").mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "made up", "BIDSVersion": "1.9.0"}))
    rows = [("participant_id", "age", "rfs_time", "rfs_event"), *((s, 50, 400 if s != "sub-04" else "n/a", 0)
                                                                  for s in BIDS_SUBJECTS)]
    save(root / "participants.tsv", rows)
    return root
