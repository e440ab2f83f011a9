"""A tumour's volume and the images' means within it against nibabel and NumPy: ranges that just hold the true numbers
warn of nothing, ranges that just miss them of each."""

import nibabel
import numpy as np
import pytest

import deeptepp_c
import make_model

pytestmark = pytest.mark.usefixtures("library")

MASK_UNUSUAL, INTENSITY_UNUSUAL = 21, 22
SHAPE = (30, 26, 22)
KINDS = {"cube": {"channels": ("pre", "post"), "size": 16, "views": 1},
         "mosaic_cube": {"channels": ("t1",), "size": 64}}
MOSAIC = {"recipe": "mosaic_cube", "channels": ["t1"], "axes": "LPS", "size": [64, 64, 64], "slices": "first",
          "angles_deg": [36]}


def oblique(random):
    turn = np.linalg.qr(np.eye(3) + 0.1 * random.normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = turn * np.sign(np.diag(turn)) * random.uniform(0.7, 2.9, 3)
    affine[:3, 3] = random.uniform(-40, 40, 3)
    return affine


def stored(path, voxels, affine, random, slope=None, inter=None):
    """In any order of axes, int16 with a scaling where there is one."""
    image = nibabel.Nifti1Image(voxels, affine)
    axes = [(axis, random.choice([-1, 1])) for axis in random.permutation(3)]
    image = image.as_reoriented(np.array(axes))
    if slope:
        image.header.set_slope_inter(slope, inter)
    nibabel.save(image, path)
    return path


def make_case(folder, channels, seed):
    random = np.random.Generator(np.random.PCG64(seed))
    affine = oblique(random)
    mask = np.zeros(SHAPE, np.uint8)
    mask[9:20, 8:17, 6:15] = random.integers(0, 2, (11, 9, 9)) * 3
    images = {name: stored(folder / f"{name}.nii.gz", random.integers(-900, 2000, SHAPE, np.int16), affine, random,
                           0.25 + i, 7.5 - i) for i, name in enumerate(channels)}
    return images, stored(folder / "mask.nii", mask, affine, random)


def measured(images, mask):
    """Millilitres, and the mean of each image: of files brought into one order."""
    tumour = nibabel.as_closest_canonical(nibabel.load(mask))
    inside = np.asarray(tumour.dataobj) == 3
    volume = inside.sum() * abs(np.linalg.det(tumour.affine[:3, :3])) / 1000
    return volume, [nibabel.as_closest_canonical(nibabel.load(path)).get_fdata()[inside].mean()
                    for path in images.values()]


def told(folder, kind, usual, images, mask):
    """The warnings' codes and messages."""
    options = KINDS[kind]
    overrides = {"input": MOSAIC} if kind == "mosaic_cube" else {}
    make_model.make_model(folder / "m.safetensors", depth=10, width=4, self_test=False, **options,
                          overrides={**overrides, "input.usual": usual})
    patient = deeptepp_c.case({name: str(path) for name, path in images.items()}, str(mask))
    warnings = deeptepp_c.Session(folder / "m.safetensors", threads=2).score(patient)["warnings"]
    return [(w["code"], w["message"]) for w in warnings if w["code"] in (MASK_UNUSUAL, INTENSITY_UNUSUAL)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_volume_and_means_are_nibabel_s(tmp_path, kind, seed):
    images, mask = make_case(tmp_path, KINDS[kind]["channels"], seed)
    volume, means = measured(images, mask)

    def ranges(low, high):
        return {"mask_ml": [volume + low * volume, volume + high * volume],
                "intensity": [[mean + low * abs(mean), mean + high * abs(mean)] for mean in means]}
    assert told(tmp_path, kind, ranges(-1e-9, 1e-9), images, mask) == []
    for low, high in ((1e-9, 1), (-1, -1e-9)):
        usual = ranges(low, high)
        found = told(tmp_path, kind, usual, images, mask)
        assert [code for code, _ in found] == [MASK_UNUSUAL] + [INTENSITY_UNUSUAL] * len(means)
        values, limits = [volume, *means], [usual["mask_ml"], *usual["intensity"]]
        for (_, message), value, limit, name in zip(found, values, limits, ["mask", *images]):
            assert message.startswith("mask: " if name == "mask" else f'image "{name}": ')
            assert f" {value:.6g} " in message and f"{limit[0]:.6g} to {limit[1]:.6g}" in message
