"""The phantom and the picture of the command line program."""

import hashlib
import itertools
import os
import pathlib
import re
import struct
import zlib

import numpy as np
import pytest

from cli_program import (SMALL, answer, copy_of, inflate, needs_program, phantom, read_affine, read_nifti, refusal,
                         run, write_nifti)

pytestmark = needs_program

DATA = pathlib.Path(os.environ.get("DEEPTEPP_TEST_DATA") or pathlib.Path(__file__).parents[2] / "shared" / "data")


# ---- Phantom ----

# SHA-256 of the voxels after the header: the same on every machine and for ever.
GOLDEN = {
    "small": (
        (1, *SMALL),
        "f5af44032027a042fe5935891c860c911eea427dee8028565e01edd279bd727b",
        "0da540677c3d6da47901d7297b95e8819b1bb89e5418454bc0b3e368699ee172"),
    "all parameters": (
        (18446744073709551615, "--dims", "40,44,24", "--spacing", "1.5,1.25,2", "--diameter", "17.5", "--rim", "0.9",
         "--heterogeneity", "1", "--spiculation", "0.8"),
        "be702ec33af66845487889c285093d741654b6e70df54b4d7cbc7f3059b6d185",
        "a0d2196adf7b7c2c0b6f5f4c9c32b6f72b648a7dec012be6521ea7f232b4fd45"),
}


def voxel_digest(path):
    return hashlib.sha256(inflate(path)[352:]).hexdigest()


@pytest.mark.parametrize("arguments, image_digest, mask_digest", GOLDEN.values(), ids=GOLDEN.keys())
def test_a_seed_gives_the_same_voxels_on_every_machine(tmp_path, arguments, image_digest, mask_digest):
    image, mask = phantom(tmp_path, *arguments[1:], seed=arguments[0])
    assert (voxel_digest(image), voxel_digest(mask)) == (image_digest, mask_digest)


def test_another_seed_gives_another_phantom(tmp_path):
    digests = {voxel_digest(path) for seed in (1, 2) for path in phantom(tmp_path, seed=seed, name=seed)}
    assert len(digests) == 4


def test_geometry_is_as_asked(tmp_path):
    for path in phantom(tmp_path, "--dims", "30,20,10", "--spacing", "2.5,2,4", "--diameter", "12"):
        affine, dims = read_affine(path), struct.unpack_from("<8h", inflate(path), 40)
        assert dims[:4] == (3, 30, 20, 10)
        assert np.array_equal(affine[:3, :3], np.diag([2.5, 2, 4]))


def test_nibabel_reads_one_geometry_from_sform_and_qform(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    image, mask = (nibabel.load(path) for path in phantom(tmp_path))
    for volume in (image, mask):
        assert volume.header["sform_code"] == volume.header["qform_code"] == 1
        assert np.allclose(volume.header.get_sform(), volume.header.get_qform())
        assert volume.header.get_xyzt_units()[0] == "mm"
        assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert np.array_equal(image.affine, mask.affine)
    assert (image.get_data_dtype(), mask.get_data_dtype()) == (np.int16, np.uint8)
    assert set(np.unique(mask.dataobj)) == {0, 1}


@pytest.mark.parametrize("spiculation", (0, 1))
def test_the_tumour_has_the_volume_of_the_ball(tmp_path, spiculation):
    dims, spacing = ("--dims", "70,70,70"), ("--spacing", "1,1,1")
    _, mask = phantom(tmp_path, *dims, *spacing, "--diameter", 24, "--spiculation", spiculation)
    assert read_nifti(mask).sum() == pytest.approx(np.pi / 6 * 24**3, rel=0.04)


def test_the_anatomy_does_not_depend_on_the_grid(tmp_path):
    centres = []
    for name, spacing in (("fine", "1,1,1"), ("coarse", "2,2,2")):
        _, mask = phantom(tmp_path, "--spacing", spacing, "--dims", "60,60,60", name=name)
        centres.append(np.mean(np.argwhere(read_nifti(mask)), axis=0) @ read_affine(mask)[:3, :3] +
                       read_affine(mask)[:3, 3])
    assert np.abs(centres[0] - centres[1]).max() < 0.25


def test_a_centred_field_of_view_has_the_tumour_in_its_middle(tmp_path):
    for diameter in (8, 30):
        options = ("--dims", "50,50,40", "--spacing", "1.5,1.5,2", "--diameter", diameter, "--spiculation", 0)
        middles = [np.argwhere(read_nifti(phantom(tmp_path, *options, *more, name=len(more))[1])).mean(axis=0)
                   for more in ((), ("--centred",))]
        assert np.abs(middles[1] - (24.5, 24.5, 19.5)).max() < 1.5
        assert np.abs(middles[0] - (24.5, 24.5, 19.5)).max() > 3


def mean_radius_ratio(mask):
    """Root mean square distance from the centre against a ball's of that volume: 1 for a ball, more with spicules."""
    at = np.argwhere(mask)
    ball = (3 * len(at) / (4 * np.pi)) ** (1 / 3) * np.sqrt(0.6)
    return np.sqrt(((at - at.mean(axis=0)) ** 2).sum(axis=1).mean()) / ball


CUBE = ("--dims", "56,56,56", "--spacing", "1,1,1", "--diameter", "26")


def test_spiculation_makes_it_spiky(tmp_path):
    ratios = [mean_radius_ratio(read_nifti(phantom(tmp_path, *CUBE, "--spiculation", f, name=f)[1])) for f in (0, 1)]
    assert ratios[1] > ratios[0] + 0.05


def depth_in(mask):
    """How many voxels of the mask must be peeled off, 6-connected, before this one is at the surface."""
    depth, left = np.zeros(mask.shape, int), mask.astype(bool)
    while left.any():
        depth += left
        padded = np.pad(left, 1)
        left = left & padded[2:, 1:-1, 1:-1] & padded[:-2, 1:-1, 1:-1] & padded[1:-1, 2:, 1:-1] & \
            padded[1:-1, :-2, 1:-1] & padded[1:-1, 1:-1, 2:] & padded[1:-1, 1:-1, :-2]
    return depth


def test_rim_makes_the_rim_brighter_than_the_core(tmp_path):
    ratios = []
    for rim in (0, 1):
        paths = phantom(tmp_path, *CUBE, "--heterogeneity", 0, "--spiculation", 0, "--rim", rim, name=rim)
        image, depth = read_nifti(paths[0]), depth_in(read_nifti(paths[1]))
        ratios.append(image[(depth > 1) & (depth < 4)].mean() / image[depth > 8].mean())
    assert ratios[0] == pytest.approx(1, abs=0.05)
    assert ratios[1] > 2


def test_heterogeneity_makes_it_uneven(tmp_path):
    spread = []
    for amount in (0, 1):
        paths = phantom(tmp_path, *CUBE, "--rim", 0, "--spiculation", 0, "--heterogeneity", amount, name=amount)
        inside = read_nifti(paths[0])[depth_in(read_nifti(paths[1])) > 2]
        spread.append(inside.std() / inside.mean())
    assert spread[1] > 3 * spread[0]


def test_time_points_rise_in_the_tumour_and_wash_out(tmp_path):
    image, mask = tmp_path / "P_%04d.nii.gz", tmp_path / "P.nii.gz"
    answer("phantom", "--seed", 3, *SMALL, "--phases", 4, "--out-image", image, "--out-mask", mask)
    inside = read_nifti(mask) > 0
    means = [read_nifti(tmp_path / f"P_{n:04d}.nii.gz")[inside].mean() for n in range(4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["P.nii.gz", *(f"P_{n:04d}.nii.gz" for n in range(4))]
    assert means[1] > 1.8 * means[0] and means[1] > means[2] > means[3] > means[0]


# ---- Picture ----


def png_size(path):
    """Width and height of an RGB PNG all of whose chunks and scanlines are sound."""
    data, at, parts = path.read_bytes(), 8, []
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + body)
        parts.append((kind, body))
        at += size + 12
    width, height, bits, colour = struct.unpack_from(">IIBB", parts[0][1])
    rows = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    assert (parts[0][0], parts[-1][0], bits, colour) == (b"IHDR", b"IEND", 8, 2)
    assert len(rows) == height * (1 + 3 * width)
    return width, height


def picture(folder, image, mask, *more, name="p"):
    out = folder / f"{name}.png"
    said = answer("picture", "--image", image, "--mask", mask, "--out", out, *more)
    assert re.fullmatch(r"mask    \d+ voxels?.*\n", said)
    return out


def test_the_picture_is_a_sound_png(tmp_path):
    width, height = png_size(picture(tmp_path, *phantom(tmp_path)))
    assert width > 1000 and height > 600


@pytest.mark.parametrize("name", ("breast1", "brain1"))
def test_real_images_are_drawn(tmp_path, name):
    if not DATA.is_dir():
        pytest.skip(f"there is no folder {DATA}")
    png_size(picture(tmp_path, DATA / f"{name}_image.nii.gz", DATA / f"{name}_label.nii.gz"))


def stored_otherwise(voxels, affine, order, flips):
    """The same volume with its axes in another order and direction."""
    matrix = np.array(affine, float)
    matrix[:3, :3] = affine[:3, list(order)]
    voxels = voxels.transpose(order)
    for axis in flips:
        matrix[:3, 3] += matrix[:3, axis] * (voxels.shape[axis] - 1)
        matrix[:3, axis] *= -1
    return voxels[tuple(slice(None, None, -1 if axis in flips else 1) for axis in range(3))], matrix


def test_the_picture_does_not_depend_on_the_order_of_storage(tmp_path):
    image, mask = phantom(tmp_path, "--dims", "24,28,12", "--spacing", "2,2,4", "--diameter", 16)
    pictures = set()
    flips = ((), (0,), (1, 2), (0, 1, 2), (2,), (0, 2), (1,), (0, 1), (2,), (0,), (), (1, 2))
    for order, flip in zip(list(itertools.permutations(range(3))) * 2, flips):
        files = []
        for path in (image, mask):
            voxels, affine = stored_otherwise(read_nifti(path), read_affine(path), order, flip)
            files.append(write_nifti(tmp_path / f"stored{len(files)}.nii", voxels, affine))
        pictures.add(picture(tmp_path, *files).read_bytes())
    assert len(pictures) == 1


def test_right_is_left_and_front_is_up(tmp_path):
    cv2 = pytest.importorskip("cv2")
    voxels, mask, affine = np.zeros((40, 40, 20)), np.zeros((40, 40, 20)), np.diag([2.0, 2, 4, 1])
    voxels[30:, 30:, :] = 1000  # to the patient's right and front
    mask[18:22, 18:22, 9:11] = 1
    files = write_nifti(tmp_path / "i.nii", voxels, affine), write_nifti(tmp_path / "m.nii", mask, affine)
    out = picture(tmp_path, *files)
    grey = cv2.imread(str(out))[60:350, 16:388].mean(axis=2)
    half = grey.shape[0] // 2
    corners = [grey[:half, :186].mean(), grey[:half, 186:].mean(), grey[half:, :186].mean(), grey[half:, 186:].mean()]
    assert corners[0] > 3 * max(corners[1:])


def outline(path):
    """Which pixels have something of the outline's colour, the only one that is much redder than blue; and the grey."""
    cv2 = pytest.importorskip("cv2")
    blue, _, red = np.moveaxis(cv2.imread(str(path)).astype(int), 2, 0)
    return red - blue > 60, blue


def test_the_outline_is_thin_and_leaves_the_tumour_free(tmp_path):
    cv2 = pytest.importorskip("cv2")
    affine, mask = np.diag([1.0, 1, 3, 1]), np.zeros((64, 64, 12))
    mask[24:40, 24:40, 4:8] = 1
    image = write_nifti(tmp_path / "i.nii", mask * 1000 + np.arange(64)[:, None, None], affine)
    drawn, grey = outline(picture(tmp_path, image, write_nifti(tmp_path / "m.nii", mask, affine)))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(drawn.astype(np.uint8))
    assert len(boxes) - 1 == 3 + 4  # whole slice, coronal, sagittal; the 4 slices of the tumour
    for left, top, width, height, area in boxes[1:]:
        assert width > 20 and height > 20
        assert area < 3 * 2 * (width + height)
        assert not drawn[top + 4:top + height - 4, left + 4:left + width - 4].any()
        middle = top + height // 2
        first_free = left + np.argmin(drawn[middle, left:])
        assert grey[middle, first_free] < 200  # on the slope from dark to white: the outline hides no more than that


def test_a_tumour_of_one_voxel_can_be_seen(tmp_path):
    image, mask = phantom(tmp_path)
    one = np.zeros(read_nifti(mask).shape)
    one[20, 20, 10] = 1
    assert outline(picture(tmp_path, image, write_nifti(tmp_path / "m.nii", one, read_affine(mask))))[0].sum() > 40


def test_an_image_of_one_slice_or_one_value_is_drawn(tmp_path):
    mask = np.zeros((20, 20, 1))
    mask[5:9, 5:9] = 1
    files = [write_nifti(tmp_path / f"{n}.nii", v, np.eye(4)) for n, v in enumerate((np.ones(mask.shape), mask))]
    png_size(picture(tmp_path, *files))


FONT = pathlib.Path(__file__).parent.parent / "bindings" / "cli" / "picture" / "font.c"
WHITE, DIM, WARNING = (255, 255, 255), (150, 156, 166), (255, 170, 60)


def letters():
    """Each glyph's pixels, as bytes of 0 and 1, and its character."""
    lines = re.findall(r"^    \{(.+)\},?$", FONT.read_text(), re.M)
    rows = [[int(value, 16) for value in line.split(",")] for line in lines]
    assert len(rows) == 95
    return {bytes(row >> bit & 1 for row in glyph for bit in range(8, -1, -1)): chr(32 + number)
            for number, glyph in enumerate(rows)}


def read_words(path, top, colour, right=False):
    """The line of text whose cells are at that height, from the margin (to the margin)."""
    cv2 = pytest.importorskip("cv2")
    line = (cv2.imread(str(path))[top:top + 15, 16:1584, ::-1] == colour).all(axis=2).astype(np.uint8)
    line = line[:, line.shape[1] % 9:] if right else line
    known = letters()
    return "".join(known[line[:, x:x + 9].tobytes()] for x in range(0, line.shape[1] - 8, 9)).strip()


def box_files(folder, low, high, spacing=(1.25, 1.25, 2.5)):
    """An image of 40 x 40 x 20 voxels whose mask is a box."""
    mask = np.zeros((40, 40, 20))
    mask[tuple(slice(a, b) for a, b in zip(low, high))] = 1
    affine = np.diag([*spacing, 1])
    return write_nifti(folder / "i.nii", mask * 10 + np.arange(20), affine), write_nifti(folder / "m.nii", mask, affine)


def test_measures_are_legible_for_tumours_of_every_size(tmp_path):
    sizes = (((9, 9, 9), (10, 10, 10), "tumour 0.0039 ml, 1.2 x 1.2 x 2.5 mm (R-L x A-P x S-I), 1 voxel of 1.25 x"),
             ((9, 9, 9), (13, 13, 13), "tumour 0.25 ml, 5.0 x 5.0 x 10.0 mm (R-L x A-P x S-I), 64 voxels of 1.25 x"),
             ((5, 5, 5), (25, 21, 15), "tumour 12.50 ml, 25 x 20 x 25 mm (R-L x A-P x S-I), 3200 voxels of 1.25 x"))
    for low, high, words in sizes:
        out = picture(tmp_path, *box_files(tmp_path, low, high))
        assert read_words(out, 11, WHITE) == "i.nii   mask m.nii"
        assert read_words(out, 33, DIM).startswith(words)


def test_a_mask_at_the_border_is_told(tmp_path):
    inside = (1, 1, 1), (39, 39, 19)
    assert read_words(picture(tmp_path, *box_files(tmp_path, *inside)), 11, WARNING, right=True) == ""
    for axis in range(3):
        for end, value in ((0, 0), (1, (40, 40, 20)[axis])):
            box = [list(corner) for corner in inside]
            box[end][axis] = value
            out = picture(tmp_path, *box_files(tmp_path, *box))
            assert read_words(out, 11, WARNING, right=True) == "the mask touches the image's border"


def halves(voxels):
    """Label 1 in one half of the mask, 2 in the other."""
    middle = np.argwhere(voxels)[:, 0].mean()
    return voxels * (1 + (np.arange(voxels.shape[0]) > middle))[:, None, None]


def shifted(affine):
    moved = affine.copy()
    moved[0, 3] += 1
    return moved


def test_masks_that_do_not_fit_are_refused(tmp_path):
    image, mask = phantom(tmp_path)
    bad = {
        "empty": (copy_of(mask, tmp_path / "a.nii", lambda v: v * 0), "every voxel is 0"),
        "fractional": (copy_of(mask, tmp_path / "b.nii", lambda v: v / 2), "whole numbers"),
        "cropped": (copy_of(mask, tmp_path / "c.nii", lambda v: v[1:]), "wanted the image's"),
        "shifted": (copy_of(mask, tmp_path / "d.nii", affine=shifted(read_affine(mask))), "one grid"),
        "labels": (copy_of(mask, tmp_path / "e.nii", halves), "--label"),
    }
    for path, words in bad.values():
        text = refusal(2, "picture", "--image", image, "--mask", path, "--out", tmp_path / "p.png")
        assert words in text and str(path) in text
    assert not (tmp_path / "p.png").exists()
    picture(tmp_path, image, bad["labels"][0], "--label", 2)


# ---- Labels and parts ----


def typed_mask(path, voxels, affine, kind="<i4", code=8, scaling=(0.0, 0.0)):
    """Voxels as stored, of a NIfTI data type, with slope and intercept."""
    write_nifti(path, np.zeros(voxels.shape), affine)
    header = bytearray(path.read_bytes()[:352])
    struct.pack_into("<2h", header, 70, code, 8 * np.dtype(kind).itemsize)
    struct.pack_into("<2f", header, 112, *scaling)
    path.write_bytes(bytes(header) + np.asarray(voxels, kind).tobytes(order="F"))
    return path


def boxes(*labels):
    """A volume of 40 x 30 x 20 with a box of 2 x 3 x 4 voxels for each label, 8 voxels apart."""
    voxels = np.zeros((40, 30, 20), np.int64)
    for n, label in enumerate(labels):
        voxels[3 + 8 * n:5 + 8 * n, 10:13, 8:12] = label
    return voxels


def said(folder, voxels, *more, **kinds):
    affine = np.diag([2.0, 2, 3, 1])
    image = write_nifti(folder / "i.nii", np.arange(40 * 30 * 20).reshape(40, 30, 20), affine)
    mask = typed_mask(folder / "m.nii", voxels, affine, **kinds)
    return image, mask, run("picture", "--image", image, "--mask", mask, "--out", folder / "p.png", *more)


def test_a_label_that_float32_cannot_hold_finds_its_own_voxels(tmp_path):
    voxels = boxes(16777216, 16777217)
    voxels[30, 20, 10] = 16777217
    for label, told in ((16777216, "24 voxels, one part"), (16777217, "25 voxels in 2 parts, the largest of 24")):
        _, _, done = said(tmp_path, voxels, "--label", label)
        assert done.returncode == 0 and done.stdout.decode().startswith(f"mask    {told}"), done
    assert said(tmp_path, voxels, "--label", 16777218)[2].returncode == 2


def test_labels_are_rounded_as_the_header_rounds_them_and_no_further(tmp_path):
    mask = boxes(1)
    slope = np.float32(1 / 32767)
    _, _, done = said(tmp_path, mask * 32767, kind="<i2", code=4, scaling=(slope, 0.0))
    assert done.returncode == 0 and done.stdout == b"mask    24 voxels, one part\n"
    assert bool(np.float64(slope) * 32767 != 1) == done.stderr.startswith(b"deeptepp: note: ")
    for value in (0.5, 0.99609375):  # which float32 holds
        image, path, done = said(tmp_path, mask * value, kind="<f4", code=16)
        assert done.returncode == 2 and str(path).encode() in done.stderr and str(value).encode() in done.stderr


def test_the_parts_of_a_mask_are_outlined_and_counted_and_the_largest_chosen(tmp_path):
    voxels = boxes(1, 1)
    voxels[35, 25, 3] = 1
    image, mask, done = said(tmp_path, voxels)
    whole = (tmp_path / "p.png").read_bytes()
    far = np.sqrt(((35 - 12) * 2) ** 2 + ((25 - 12) * 2) ** 2 + ((8 - 3) * 3) ** 2)
    near = np.sqrt(((35 - 4) * 2) ** 2 + ((25 - 12) * 2) ** 2 + ((8 - 3) * 3) ** 2)
    assert re.fullmatch(r"mask    49 voxels in 3 parts, the largest of 24, the furthest (\S+) mm from it\n",
                        done.stdout.decode())
    assert float(done.stdout.split()[-4]) in (pytest.approx(far, rel=1e-3), pytest.approx(near, rel=1e-3))
    voxels[3, 10, 7] = 1  # now the first box is the largest
    *_, done = said(tmp_path, voxels, "--largest-part")
    assert done.stdout == b"mask    25 voxels, the largest of 3 parts\n"
    assert (tmp_path / "p.png").read_bytes() != whole


def test_the_caption_says_how_many_parts(tmp_path):
    for more, words in (((), "the mask has 2 parts that do not touch"),
                        (("--largest-part",), "the largest of the mask's 2 parts")):
        said(tmp_path, boxes(1, 1), *more)
        assert read_words(tmp_path / "p.png", 11, WARNING, right=True) == words


@pytest.mark.parametrize("slice_of_the_voxel", (1, 2, 5, 29, 38, 51, 58))
def test_a_part_of_one_voxel_is_drawn_among_more_slices_than_tiles(tmp_path, slice_of_the_voxel):
    """Where it lies in its slice changes the picture; of a slice that is not drawn it could not: no other plane and no
    word depends on it."""
    affine, mask = np.diag([2.0, 2, 2, 1]), np.zeros((40, 40, 60))
    mask[5:9, 5:9, 1:59] = 1
    mask[33, 33, [0, 59]] = 1  # so that the box around all stays the same
    image = write_nifti(tmp_path / "i.nii", mask * 100 + np.arange(40)[:, None, None], affine)
    drawn = set()
    for y in (27, 30):
        more = mask.copy()
        more[33, y, slice_of_the_voxel] = 1
        drawn.add(picture(tmp_path, image, write_nifti(tmp_path / "m.nii", more, affine)).read_bytes())
    assert len(drawn) == 2
