"""Unrotated views with a fixed spacing, against MONAI's transforms on the same files."""

import numpy as np
import pytest

import deeptepp_c
import make_model
import reference_views
from reference_lattice import read_case, write_case

torch = pytest.importorskip("torch", reason="PyTorch is not here")
pytest.importorskip("monai", reason="MONAI is not here")
nibabel = pytest.importorskip("nibabel", reason="nibabel is not here")
ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not here")
from monai.data import MetaTensor  # noqa: E402
from monai.transforms import (  # noqa: E402
    EnsureChannelFirst, LoadImage, NormalizeIntensity, Orientation, ScaleIntensity, ScaleIntensityRangePercentiles,
    Spacing, SpatialCrop)

pytestmark = pytest.mark.usefixtures("library")

NONE = {"rule": "none"}
ZSCORE = {"rule": "zscore", "over": "view"}


# ---- Cases ----


def from_folder(folder, name):
    """The mask's largest part alone: small regions between two parts are refused."""
    files = [nibabel.load(folder / f"{name}_{kind}.nii.gz") for kind in ("image", "label")]
    parts, _ = ndimage.label(np.asarray(files[1].dataobj), np.ones((3, 3, 3)))
    largest = (parts == np.bincount(parts.ravel())[1:].argmax() + 1).astype(np.int32)
    return np.asarray(files[0].dataobj), largest, files[0].affine


def synthetic(seed, shape, spacing, turn=(0, 0, 0), order=(0, 1, 2), flips=(1, 1, 1)):
    """Noise and waves; a box near the middle for a tumour."""
    from scipy.spatial.transform import Rotation

    random = np.random.Generator(np.random.PCG64(seed))
    grid = np.meshgrid(*map(np.arange, shape), indexing="ij")
    image = 100 * sum(np.sin(0.3 * axis + seed) for axis in grid) + random.normal(0, 30, shape) + 500
    affine = np.eye(4)
    unit = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    affine[:3, :3] = unit[:, order] * np.array(flips) * spacing
    affine[:3, 3] = random.uniform(-100, 100, 3)
    mask = np.zeros(shape, dtype=np.uint8)
    low = [n // 2 - int(random.integers(2, 4)) for n in shape]
    mask[tuple(slice(a, a + int(random.integers(3, 7))) for a in low)] = 1
    return image.astype(np.int16), mask, affine


SYNTHETIC = {
    "anisotropic": synthetic(1, (60, 50, 30), (0.7, 0.9, 3)),
    "flipped": synthetic(2, (60, 50, 40), (1, 1.2, 1.5), flips=(-1, -1, 1)),
    "permuted": synthetic(3, (40, 60, 50), (1.5, 1, 1.2), order=(2, 0, 1), flips=(1, -1, 1)),
    "oblique": synthetic(4, (50, 50, 40), (1.1, 0.8, 2), turn=(10, -15, 20)),
    "oblique and permuted": synthetic(5, (40, 50, 50), (2, 1.1, 0.8), turn=(-20, 5, 30), order=(2, 1, 0),
                                      flips=(-1, 1, -1)),
}


@pytest.fixture(params=["breast1", "brain1", *SYNTHETIC])
def subject(request, data):
    return SYNTHETIC.get(request.param) or from_folder(data, request.param)


# ---- Both ways ----


def recipe_of(size, spacing, axes="RAS", intensity=NONE):
    options = {"depth": 10, "width": 2, "size": size}
    model = make_model.description(overrides={
        "input.angles_deg": [0], "input.axes": axes, "input.intensity": intensity,
        "input.region": {"rule": "fixed", "spacing_mm": list(spacing)}}, **options)
    return model, make_model.state_dict(**options)


def by_deeptepp(folder, model, tensors, subject):
    image, mask, affine = subject
    path = folder / "model.safetensors"
    make_model.write_safetensors(path, tensors, model)
    return deeptepp_c.Session(path).preprocess(deeptepp_c.case((image, affine), (mask, affine)))[0]


def resampled(subject, axes, spacing):
    """The whole image on MONAI's lattice."""
    image, _, affine = subject
    tensor = MetaTensor(torch.from_numpy(image.astype(np.float64))[None], affine=torch.from_numpy(affine))
    tensor = Orientation(axcodes=axes, labels=None)(tensor)
    return Spacing(pixdim=spacing, mode="bilinear", padding_mode="border", dtype=torch.float64)(tensor)


def crop_start(recipe, subject):
    _, mask, affine = subject
    frame = reference_views.Frame(mask.shape, affine, recipe["axes"])
    return reference_views.crop_start(recipe, *reference_views.tumour_box(mask, affine, frame)).astype(int)


def by_monai(recipe, subject, normalise=None):
    """(the crop, which part of the cube it is)."""
    whole = resampled(subject, recipe["axes"], recipe["region"]["spacing_mm"])
    start, size = crop_start(recipe, subject), np.array(recipe["size"])
    crop = SpatialCrop(roi_start=start, roi_end=start + size)(whole)
    inside = tuple(slice(max(0, -a), min(n, limit - a)) for a, n, limit in zip(start, size, whole.shape[1:]))
    return (normalise(crop) if normalise else crop).numpy(), (slice(None), *inside)


def compare(folder, subject, size, spacing, axes="RAS"):
    model, tensors = recipe_of(size, spacing, axes)
    found = by_deeptepp(folder, model, tensors, subject)
    wanted, inside = by_monai(model["input"], subject)
    assert wanted.size > 0.2 * found.size, "the test compares too little"
    assert np.abs(found[inside] - wanted).max() < 1e-4 * np.ptp(subject[0])


# ---- Files ----


def differences(folder, paths, spacing=(1, 1.3, 0.8), axes="RAS"):
    """{lattice: the largest difference from MONAI's crop of the same files, as a share of the largest value}."""
    image, mask, affine = read_case(paths)
    frame = reference_views.Frame(mask.shape, affine, axes)
    middle = frame.to_ras(sum(reference_views.tumour_box(mask, affine, frame)) / 2)
    whole = Orientation(axcodes=axes, labels=None)(EnsureChannelFirst()(LoadImage()(paths[0])))
    whole = Spacing(pixdim=spacing, mode="bilinear", padding_mode="border", dtype=torch.float64)(whole)
    size = np.array((12, 10, 14))
    at = np.linalg.solve(whole.affine.numpy(), [*middle, 1])[:3]
    start = np.floor(at - (size - 1) / 2 + 0.5 + 1e-4).astype(int)
    wanted = SpatialCrop(roi_start=start, roi_end=start + size)(whole).numpy()
    assert wanted.shape[1:] == tuple(size), "the crop leaves the volume: nothing to compare"
    result = {}
    for lattice in ("first_voxel", "monai"):
        model, tensors = recipe_of(size.tolist(), spacing, axes)
        model["input"]["region"]["lattice"] = lattice
        path = folder / "model.safetensors"
        make_model.write_safetensors(path, tensors, model)
        found = deeptepp_c.Session(path).preprocess(deeptepp_c.case(*paths))[0]
        result[lattice] = np.abs(found - wanted).max() / np.abs(wanted).max()
    return result


# ---- Promises ----


# No spacing here is within 0.001 mm of an image's own: MONAI then leaves the image as it is, and drifts.
@pytest.mark.parametrize("size", [(16, 16, 16), (9, 24, 17), (48, 64, 40)], ids=str)
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.67, 0.67, 2.2), (2.5, 1.3, 0.9)], ids=str)
def test_a_view_is_monais_crop(tmp_path, subject, size, spacing):
    compare(tmp_path, subject, size, spacing)


@pytest.mark.parametrize("axes", ["SAR", "LPS", "PIL", "ASR", "ILA"])
def test_a_view_is_monais_crop_in_every_order_of_axes(tmp_path, subject, axes):
    compare(tmp_path, subject, (12, 16, 20), (1.5, 1, 1.2), axes)


def test_other_axes_are_a_transpose_of_ras(tmp_path, subject):
    """"SAR" is (z, y, x): what ITK's and SimpleITK's users call an array."""
    found = by_deeptepp(tmp_path, *recipe_of((12, 16, 20), (1.5, 1, 1.2), "SAR"), subject)
    model, _ = recipe_of((20, 16, 12), (1.2, 1, 1.5))
    wanted, inside = by_monai(model["input"], subject)
    assert np.abs(found.transpose(0, 3, 2, 1)[inside] - wanted).max() < 1e-4 * np.ptp(subject[0])


RULES = {
    "zscore": (ZSCORE, NormalizeIntensity()),
    "minmax": ({"rule": "minmax", "over": "view", "range": [-1, 2]}, ScaleIntensity(minv=-1, maxv=2)),
    "percentile": ({"rule": "percentile", "over": "view", "range": [0, 1], "percentiles": [0.5, 99.5]},
                   ScaleIntensityRangePercentiles(lower=0.5, upper=99.5, b_min=0, b_max=1, clip=True)),
    "quartiles": ({"rule": "percentile", "over": "view", "range": [-1, 1], "percentiles": [25, 75]},
                  ScaleIntensityRangePercentiles(lower=25, upper=75, b_min=-1, b_max=1, clip=True)),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_normalised_view_is_monais(tmp_path, subject, rule):
    intensity, transform = RULES[rule]
    model, tensors = recipe_of((16, 20, 12), (0.9, 1, 1.5), intensity=intensity)
    found = by_deeptepp(tmp_path, model, tensors, subject)
    wanted, inside = by_monai(model["input"], subject, transform)
    assert wanted.shape == found.shape, "the crop leaves the volume: nothing to compare"
    assert np.abs(found[inside] - wanted).max() < 1e-4 * np.ptp(wanted)


def test_a_normalised_image_is_monais(tmp_path, subject):
    """Over the image: MONAI normalises first and crops then."""
    image, mask, affine = subject
    model, tensors = recipe_of((16, 20, 12), (0.9, 1, 1.5), intensity={"rule": "zscore", "over": "image"})
    found = by_deeptepp(tmp_path, model, tensors, subject)
    normal = NormalizeIntensity(dtype=np.float64)(image[None].astype(np.float64))[0]
    wanted, inside = by_monai(model["input"], (np.asarray(normal), mask, affine))
    assert np.abs(found[inside] - wanted).max() < 1e-4 * np.ptp(wanted)


# ---- Files as nibabel writes them ----


@pytest.mark.parametrize("seed", range(10))
def test_oblique_files_have_monais_lattice(tmp_path, seed):
    found = differences(tmp_path, write_case(tmp_path, seed, oblique=True))
    assert found["monai"] < 1e-6


def test_most_oblique_files_have_not_the_first_voxels(tmp_path):
    """As docs/model-format.md says: why there are two."""
    found = [differences(tmp_path, write_case(tmp_path, seed, oblique=True))["first_voxel"] for seed in range(10)]
    assert sum(share > 0.05 for share in found) >= 5


@pytest.mark.parametrize("seed", range(10, 20))
def test_axis_aligned_files_have_both(tmp_path, seed):
    found = differences(tmp_path, write_case(tmp_path, seed, oblique=False))
    assert max(found.values()) < 1e-6 and found["monai"] == found["first_voxel"]


@pytest.mark.parametrize("seed", range(20, 24))
def test_oblique_files_of_a_quaternion_have_both(tmp_path, seed):
    found = differences(tmp_path, write_case(tmp_path, seed, oblique=True, form="qform"))
    assert max(found.values()) < 1e-6


@pytest.mark.parametrize("axes", ["LPS", "SAR", "AIL"])
@pytest.mark.parametrize("seed", [0, 13, 19, 24])
def test_oblique_files_have_monais_lattice_in_every_order_of_axes(tmp_path, seed, axes):
    found = differences(tmp_path, write_case(tmp_path, seed, oblique=True), axes=axes)
    assert found["monai"] < 1e-6


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("edges, spacing", [
    ((1.0004, 1.2996, 0.9), (1, 1.3, 2)), ((3, 3, 3), (3.0025, 3.0025, 3.0025)), ((3, 3, 3), (3.004, 3.004, 3.004)),
    ((1, 1, 1), (1.0012, 1.0012, 1.0012)), ((2, 2, 2), (2.0008, 2.0015, 2.0015))], ids=str)
def test_a_step_near_the_voxels_is_what_monai_makes_of_it(tmp_path, oblique, edges, spacing):
    paths = write_case(tmp_path, 30, oblique, spacing=edges, shape=(38, 36, 40))
    assert differences(tmp_path, paths, spacing)["monai"] < 1e-6
