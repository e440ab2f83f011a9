"""Writes mosaics.npz beside this file: what OpenCV makes of a few cases. By hand, where cv2 is installed:

    python tests/golden/make_mosaics.py [FOLDER OF breast1_*.nii.gz]

Nothing of the C library is used: reference_mosaic.py is written from the description. OpenCV 4.10, 4.14 and 5.0 give
the same file. tests/test_mosaic_golden.py compares with NumPy alone.
"""

import sys
from pathlib import Path

import nibabel
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden_mosaic  # noqa: E402
import reference_mosaic  # noqa: E402


def main(folder):
    cases = golden_mosaic.generated()
    cases["breast1"] = [np.asarray(nibabel.load(folder / f"breast1_{kind}.nii.gz").dataobj)
                        for kind in ("image", "label")]
    stored = {}
    for name, (image, mask) in cases.items():
        mosaics = [reference_mosaic.mosaic(image, mask, degrees)[0] for degrees in golden_mosaic.ANGLES]
        stored[f"{name}_sample"] = np.stack([golden_mosaic.sample(mosaic) for mosaic in mosaics])
        stored[f"{name}_histogram"] = np.stack([golden_mosaic.histogram(mosaic) for mosaic in mosaics]).astype(np.int32)
    np.savez_compressed(HERE / "mosaics.npz", **stored)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[2] / "shared" / "data")
