"""What a user can get wrong, end to end: each mistake has its own status and says what was found and what was wanted;
after it the same session, in the same process, gives a good case the score it gave before."""

import numpy as np
import pytest

import deeptepp_c
import hazard_files as files
from deeptepp_c import DeepteppError
from hazard_bench import COVARIATES, DCE, GOOD, SQUEEZED, Bench, in_the_border

pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture(scope="module")
def bench(tmp_path_factory, library):
    return Bench(tmp_path_factory.mktemp("hazards"))


def image_of(**changes):
    return lambda bench: bench.score(files.nifti(files.image(), **changes))


def image_bytes(data):
    return lambda bench: bench.score(data)


def image_on(matrix):
    """Image and mask alike."""
    return lambda bench: bench.score(files.nifti(files.image(), matrix), files.nifti(files.mask(), matrix))


def mask_of(values, **options):
    return lambda bench: bench.score(mask=values, **options)


def mask_on(matrix):
    return lambda bench: bench.score(mask=files.nifti(files.mask(), matrix))


def covariates(**values):
    return lambda bench: bench.score(covariates={k: v for k, v in {**COVARIATES, **values}.items() if v is not None})


def path_without_its_file(name, sibling):
    def act(bench):
        bench.write(sibling, GOOD)
        return bench.score(bench.folder / name)
    return act


# What is done: the status, and what its message must say.
FILES = {
    "no such file": (lambda b: b.score(b.folder / "absent.nii"), "FILE_MISSING", ["absent.nii"]),
    "a folder": (lambda b: b.score(b.folder), "FILE_READ", ["is a folder", "dcm2niix"]),
    "only a.nii for a.nii.gz": (path_without_its_file("sib1.nii.gz", "sib1.nii"), "FILE_MISSING", ["sib1.nii.gz"]),
    "only a.nii.gz for a.nii": (path_without_its_file("sib2.nii", "sib2.nii.gz"), "FILE_MISSING", ["sib2.nii"]),
    "only a.nii for a": (path_without_its_file("sib3", "sib3.nii"), "FILE_MISSING", ["sib3"]),
    "truncated": (image_bytes(GOOD[:len(GOOD) // 2]), "FILE_TRUNCATED", [str(len(GOOD))]),
    "one byte short": (image_bytes(GOOD[:-1]), "FILE_TRUNCATED", []),
    "a header alone": (image_bytes(GOOD[:352]), "FILE_TRUNCATED", []),
    "half a header": (image_bytes(GOOD[:200]), "FILE_TRUNCATED", []),
    "empty": (image_bytes(b""), "FILE_TRUNCATED", []),
    "truncated gzip": (image_bytes(SQUEEZED[:len(SQUEEZED) // 2]), "FILE_TRUNCATED", []),
    "wrong checksum": (image_bytes(files.flipped_bit(SQUEEZED, -6)), "GZIP", []),
    "corrupt deflate data": (image_bytes(SQUEEZED[:3000] + b"\xff" * 64 + SQUEEZED[3064:]), "GZIP", []),
    "a gzip of less": (image_bytes(files.compressed(GOOD[:-400])), "FILE_TRUNCATED", []),
    "a picture": (image_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000)), "FILE_FORMAT", ["PNG picture"]),
    "another kind of file": (image_bytes(bytes(range(200, 232))), "NIFTI_MAGIC", ["sizeof_hdr"]),
    "compressed twice": (image_bytes(files.compressed(SQUEEZED)), "FILE_FORMAT", ["gzip data within gzip"]),
    "a mask as NRRD": (lambda b: b.score(mask=b"NRRD0004\ntype: uchar\n"), "FILE_FORMAT", ["NRRD", "convert"]),
    "a Git-LFS pointer": (image_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
                          "FILE_POINTER", ["git lfs pull"]),
    "a link that leads nowhere": (lambda b: b.score(files.link(b.folder / "link.nii", "gone.nii")), "FILE_MISSING",
                                  ['leads nowhere, to "gone.nii"']),
    "a link into git-annex": (lambda b: b.score(files.link(b.folder / "annexed.nii", ".git/annex/objects/a/b/c/c")),
                              "FILE_POINTER", ["git annex get"]),
    "a damaged mask": (lambda b: b.score(mask=files.flipped_bit(SQUEEZED, -6)), "GZIP", []),
}
HEADERS = {
    "half of a pair": (image_of(magic=b"ni1\0"), "NIFTI_PAIR", [".img"]),
    "ANALYZE": (image_of(magic=bytes(4)), "NIFTI_ANALYZE", ["ANALYZE"]),
    "another magic": (image_of(magic=b"n+9\0"), "NIFTI_MAGIC", []),
    "two dimensions": (image_of(dim0=2), "NIFTI_DIM", ["2"]),
    "eight dimensions": (image_of(dim0=8), "NIFTI_DIM", ["8"]),
    "a negative dimension": (image_of(dim2=-32), "NIFTI_DIM", ["-32"]),
    "a dimension of 0": (image_of(dim3=0), "NIFTI_DIM", ["0"]),
    "200 dimensions in NIfTI-2": (image_bytes(files.nifti2(files.image(), 200)), "NIFTI_DIM", ["200"]),
    "RGB voxels": (image_of(datatype=128, bitpix=24), "NIFTI_DATATYPE", ["128"]),
    "complex voxels": (image_of(datatype=32, bitpix=64), "NIFTI_DATATYPE", ["32"]),
    "another bitpix": (image_of(bitpix=16), "NIFTI_BITPIX", ["16", "32"]),
    "voxels within the header": (image_of(vox_offset=348), "NIFTI_VOX_OFFSET", ["348"]),
    "voxels at no place": (image_of(vox_offset=float("nan")), "NIFTI_VOX_OFFSET", ["nan"]),
    "voxels at half a byte": (image_of(vox_offset=352.5), "NIFTI_VOX_OFFSET", ["352.5"]),
    "a voxel size of 0": (image_of(pixdim3=0), "NIFTI_PIXDIM", ["0"]),
    "a negative voxel size": (image_of(pixdim2=-1.25), "NIFTI_PIXDIM", ["-1.25"]),
    "a voxel size of NaN": (image_of(pixdim1=float("nan")), "NIFTI_PIXDIM", ["nan"]),
    "another voxel size than the affine's": (image_of(pixdim3=2.5), "VOLUME_SPACING",
                                             ["2.5", "2 ", "image.set_qform(image.affine)"]),
    "a unit that is none": (image_of(units=5), "NIFTI_UNITS", ["5"]),
    "an infinite slope": (image_of(slope=float("inf")), "NIFTI_SCALING", ["inf"]),
    "a form code below 0": (image_of(sform_code=-1), "NIFTI_ORIENTATION", ["sform_code: -1"]),
    "no orientation": (image_of(sform_code=0), "NIFTI_ORIENTATION", []),
    "an affine of NaN": (image_of(srow_x0=float("nan")), "VOLUME_AFFINE", ["nan"]),
    "an affine that is flat": (image_of(srow_z2=0), "VOLUME_AFFINE", []),
    "a sheared affine": (image_on(files.sheared()), "VOLUME_SHEAR", ["cosine"]),
    "four dimensions and no choice": (image_bytes(files.nifti(DCE)), "NIFTI_4D", ["3"]),
    "a volume that is not there": (lambda b: b.score(deeptepp_c.volume(b.write("dce.nii", files.nifti(DCE)), number=4)),
                                   "NIFTI_4D", ["4", "3"]),
}
VOXELS = {
    "NaN": (image_bytes(files.nifti(files.with_voxel(files.image(), (5, 6, slice(7, 10)), np.nan))), "VOLUME_NONFINITE",
            ["3 of 27648", "(5, 6, 7)"]),
    "infinity": (image_bytes(files.nifti(files.with_voxel(files.image(), (35, 31, 23), -np.inf))), "VOLUME_NONFINITE",
                 ["1 of 27648", "(35, 31, 23)"]),
    "NaN in an array": (lambda b: b.score(files.with_voxel(files.image(), (5, 6, 7), np.nan)), "VOLUME_NONFINITE",
                        ["1 of 27648", "(5, 6, 7)"]),
    "NaN in the mask": (mask_of(files.with_voxel(files.mask(), (5, 6, 7), np.nan)), "VOLUME_NONFINITE", ["(5, 6, 7)"]),
    "large 64-bit integers": (lambda b: b.score(np.full(files.SHAPE, 2**53 + 1, dtype=np.int64)), "VOLUME_INEXACT",
                              ["2^53", "(0, 0, 0)"]),
    "a constant image": (lambda b: b.score(np.full(files.SHAPE, 7, dtype=np.int16)), "IMAGE_CONSTANT", ["7", "t1c"]),
    "values the network overflows on": (lambda b: b.score(files.image() * np.float32(1e35), model="raw"),
                                        "SCORE_NONFINITE", ["overflow"]),
}
GEOMETRY = {
    "another size": (mask_of(files.mask()[:, :-1]), "GEOMETRY_SIZE",
                     ["36 x 32 x 24", "36 x 31 x 24", "54 x 40 x 48 mm"]),
    "another spacing": (mask_on(files.scaled(1.05)), "GEOMETRY_SPACING", ["2 mm", "2.1 mm"]),
    "another direction": (mask_on(files.turned(1)), "GEOMETRY_DIRECTION", ["direction"]),
    "another origin": (mask_on(files.moved(y=0.5)), "GEOMETRY_ORIGIN", ["-30.0000", "-29.5000", "mm"]),
    "a mask half a millimetre off in z": (mask_on(files.moved(z=-0.5)), "GEOMETRY_ORIGIN", ["12.5000", "12.0000"]),
    "voxels beyond the hard range": (image_on(files.scaled(3.5)), "SPACING_RANGE", ["7 mm", "0.5 to 6 mm"]),
    "a region that leaves the image, where that is forbidden":
        (lambda b: b.score(mask=np.roll(files.mask(), -11, axis=0), model="strict"), "REGION_OUTSIDE", ["%"]),
    "a mask at the border, where that is forbidden": (lambda b: b.score(mask=in_the_border(), model="strict"),
                                                      "REGION_OUTSIDE", ["border"]),
    "channels on two grids": (lambda b: b.score({"pre": None, "post": files.nifti(files.image(2), files.moved(x=1))},
                                                model="two"), "GEOMETRY_ORIGIN", ['"pre"', '"post"']),
}
MASKS = {
    "empty": (mask_of(files.mask(0)), "MASK_EMPTY", []),
    "a label that is not there": (mask_of(files.mask(), label=2), "MASK_LABEL", ["2"]),
    "several labels": (mask_of(files.with_voxel(files.mask(), (2, 2, slice(2, 5)), 4)), "MASK_LABELS",
                       ["2 labels", "4 (3 voxels)"]),
    "fractions": (mask_of(files.with_voxel(files.mask(), (2, 2, 2), 0.5)), "MASK_FRACTIONAL",
                  ["0.5", "(2, 2, 2)"]),
    "a probability map": (mask_of(files.mask(0.93)), "MASK_FRACTIONAL", ["168 voxels", "0.93"]),
    "negative": (mask_of(files.with_voxel(files.mask(), (2, 2, 2), -1)), "MASK_FRACTIONAL", ["-1"]),
    "too small": (mask_of(files.with_voxel(files.mask(0), (slice(10, 19), 10, 10), 1)), "MASK_SMALL",
                  ["9 voxels", "20"]),
}
CHANNELS = {
    "one missing": (lambda b: b.score({"post": None}, model="two"), "CHANNEL_MISSING", ['"pre"']),
    "one unknown": (lambda b: b.score({"pre": None, "post": None, "late": None}, model="two"), "CHANNEL_UNKNOWN",
                    ['"late"']),
    "one without a name": (lambda b: b.score({"pre": None, None: None}, model="two"), "CHANNEL_UNKNOWN", ["name"]),
    "by another case": (lambda b: b.score({"Pre": None, "post": None}, model="two"), "CHANNEL_UNKNOWN", ['"Pre"']),
    "two for the only one": (lambda b: b.score({None: None, "t1c": None}), "CHANNEL_DUPLICATE", ['"t1c"']),
}
VALUES = {
    "one missing": (covariates(age=None), "COVARIATE_MISSING", ['"age"', "years"]),
    "one unknown": (covariates(Age=52), "COVARIATE_UNKNOWN", ['"Age"']),
    "NaN": (covariates(age=float("nan")), "COVARIATE_VALUE", ['"age"', "nan"]),
    "infinite": (covariates(age=float("inf")), "COVARIATE_VALUE", ['"age"', "inf"]),
    "R's missing integer": (covariates(age=files.INT_MIN), "COVARIATE_VALUE", ['"age"', "missing"]),
    "below its range": (covariates(age=17.9), "COVARIATE_RANGE", ['"age"', "17.9", "18 to 100"]),
    "beyond its range": (covariates(age=520), "COVARIATE_RANGE", ['"age"', "520"]),
    "no level": (covariates(grade=1), "COVARIATE_RANGE", ['"grade"', "1"]),
}
ALL = {f"{group}: {name}": row
       for group, rows in {"file": FILES, "header": HEADERS, "voxels": VOXELS, "geometry": GEOMETRY, "mask": MASKS,
                           "channel": CHANNELS, "covariate": VALUES}.items() for name, row in rows.items()}


def refused(act, bench):
    with pytest.raises(DeepteppError) as caught:
        act(bench)
    return caught.value


@pytest.mark.parametrize("act, status, texts", ALL.values(), ids=ALL)
def test_a_mistake_has_its_own_status_and_harms_nothing(bench, capfd, act, status, texts):
    error = refused(act, bench)
    assert error.status == status, error.message
    assert error.message and "\n" not in error.message
    for text in texts:
        assert text in error.message
    again = bench.score()
    assert again["view_scores"] == bench.good["view_scores"]
    assert again["warnings"] == bench.good["warnings"]
    assert capfd.readouterr() == ("", ""), "the library prints nothing"


def test_a_case_without_a_mask_is_refused(bench):
    with pytest.raises(DeepteppError) as caught:
        bench.sessions["main"].score(deeptepp_c.case(bench.image, None, covariates=COVARIATES))
    assert caught.value.status == "MASK_MISSING"


def test_what_is_given_twice_is_refused(bench):
    patient = deeptepp_c.case({"pre": bench.image}, bench.mask, covariates={"age": 50})
    for status, call in {"CHANNEL_DUPLICATE": ("case_set_image", patient.pointer, b"pre", patient.held[0].pointer),
                         "COVARIATE_DUPLICATE": ("case_set_covariate", patient.pointer, b"age", 51)}.items():
        with pytest.raises(DeepteppError) as caught:
            deeptepp_c.call(*call)
        assert caught.value.status == status
