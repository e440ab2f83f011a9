"""A cohort of phantoms with broken cases of ten kinds among them, and a model that scores one in a blink."""

import os
import subprocess

import nibabel
import numpy as np

import make_model

KINDS = {
    "missing file": "FILE_MISSING", "truncated": "FILE_TRUNCATED", "no NIfTI": "FILE_FORMAT",
    "empty mask": "MASK_EMPTY", "other grid": "GEOMETRY_SIZE",
    "several labels": "MASK_LABELS", "NaN": "VOLUME_NONFINITE",
    "no image": "ROW_IMAGE_MISSING", "no mask": "ROW_MASK_MISSING", "bad label": "ROW_LABEL",
}


def make_cohort(folder, count=200, broken=20):
    """A model and cohort.tsv in the folder, and by id the code that is wanted: "" for a good case."""
    make_model.make_model(folder / "model.safetensors", depth=10, width=4, size=(8, 8, 8), views=2, self_test=False)
    for seed in range(5):
        phantom(folder, seed)
    kinds = list(KINDS) * (broken // len(KINDS))
    step = count // max(broken, 1)
    rows, codes = [], {}
    for n in range(count):
        kind = kinds[n // step] if broken and n % step == 3 else None
        name = f"sub-{n:03}"
        rows.append(row(folder, name, n % 5, kind))
        codes[name] = KINDS[kind] if kind else ""
    lines = ["participant_id\timage\tmask\tlabel\tnote", *("\t".join(r) for r in rows)]
    (folder / "cohort.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return codes


def phantom(folder, seed):
    subprocess.run([os.environ["DEEPTEPP_CLI"], "phantom", "--seed", str(seed + 1), "--dims", "64,48,32", "--diameter",
                    "16", "--out-image", folder / f"image{seed}.nii", "--out-mask", folder / f"mask{seed}.nii"],
                   check=True, stdout=subprocess.DEVNULL)


def row(folder, name, seed, kind):
    image, mask, label = folder / f"{name}.nii", folder / f"{name}-mask.nii", ""
    os.link(folder / f"image{seed}.nii", image)
    os.link(folder / f"mask{seed}.nii", mask)
    if kind == "missing file":
        image.unlink()
    elif kind == "truncated":
        data = image.read_bytes()
        replace(image, data[:len(data) // 2])
    elif kind == "no NIfTI":
        replace(image, b"<!DOCTYPE html><html></html>" * 40)
    elif kind in ("empty mask", "other grid", "several labels"):
        change(mask, {"empty mask": lambda a: a * 0, "other grid": lambda a: a[:-1],
                      "several labels": lambda a: a + (np.indices(a.shape).sum(0) < 3) * 2}[kind])
    elif kind == "NaN":
        change(image, lambda a: np.where(np.indices(a.shape).sum(0) == 0, np.nan, a))
    elif kind == "bad label":
        label = "left"
    cells = "n/a" if kind == "no image" else image.name, "" if kind == "no mask" else mask.name
    return name, *cells, label, "größer"


def replace(path, data):
    path.unlink()
    path.write_bytes(data)


def change(path, how):
    file = nibabel.load(path)
    changed = nibabel.Nifti1Image(how(np.asarray(file.dataobj)).astype(np.float32), file.affine)
    path.unlink()
    nibabel.save(changed, path)

