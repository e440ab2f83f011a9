"""Connected parts, their distances and a mask on another grid, against SciPy and a plain loop."""

import numpy as np
import pytest

import deeptepp_c
import hazard_files as files
from hazard_bench import Bench

ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not here")
spatial = pytest.importorskip("scipy.spatial", reason="scipy is not here")

pytestmark = pytest.mark.usefixtures("library")


def turned(spacing, degrees, origin=(3.0, -7.0, 11.0)):
    """An affine of that voxel size, turned about an axis that is none of the patient's."""
    from scipy.spatial.transform import Rotation

    axis = np.array([0.3, -0.5, 0.81])
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix() * spacing
    matrix[:3, 3] = origin
    return matrix


def blobs(seed, shape=(40, 34, 22), level=1.4):
    """Smooth noise above a level: parts of many sizes and shapes."""
    random = np.random.Generator(np.random.PCG64(seed))
    noise = ndimage.gaussian_filter(random.normal(size=shape), 1.2)
    return (noise > level * noise.std()).astype(np.uint8)


@pytest.mark.parametrize("seed", range(8))
def test_parts_are_scipy_s(seed):
    mask, affine = blobs(seed, level=1 + 0.2 * seed), turned((0.7, 1.3, 2.9), 6 * (seed % 3))
    found = deeptepp_c.Mask((mask, affine))
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.sort(np.bincount(labels.ravel())[1:])[::-1]
    assert found.count == count > 10
    assert found.sizes == sizes[:64].tolist()
    assert found.voxels == mask.sum()
    for number in range(1, min(count, 64) + 1):  # each of ours is one of theirs
        theirs = np.unique(labels[found.parts == number])
        assert len(theirs) == 1 and (labels == theirs[0]).sum() == found.sizes[number - 1]
    assert ((found.parts > 0) == (mask > 0)).all()
    places = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    numbers = found.parts[mask > 0]
    tree = spatial.cKDTree(places[numbers == 1])
    for number in range(2, min(count, 64) + 1):
        nearest = tree.query(places[numbers == number])[0].min()
        assert found.distances[number - 1] == pytest.approx(nearest, rel=1e-9)


def test_the_largest_part_alone_on_demand():
    mask = blobs(3)
    assert deeptepp_c.Mask((mask, np.eye(4)), largest_part=True).voxels == deeptepp_c.Mask((mask, np.eye(4))).sizes[0]


# ---- As tools write labels ----


def test_a_mask_that_nibabel_scaled_is_read(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not here")
    for kind in (np.int16, np.uint8, np.int8, np.uint16):
        image = nibabel.Nifti1Image(files.mask().astype(float), files.affine())
        image.set_data_dtype(kind)
        path = tmp_path / f"{np.dtype(kind).name}.nii"
        nibabel.save(image, path)
        found = deeptepp_c.Mask(path)
        away = np.abs(nibabel.load(path).get_fdata() - files.mask()).max()
        assert (found.label, found.voxels) == (1, files.mask().sum())
        assert found.rounding == pytest.approx(away, rel=1e-6)


# ---- Another grid ----


@pytest.fixture(scope="module")
def bench(tmp_path_factory, library):
    return Bench(tmp_path_factory.mktemp("grids"))


def nearest(mask, mask_affine, shape, affine):
    """Each voxel of the grid gets the mask's nearest voxel, by a plain loop over nothing but numbers."""
    out = np.zeros(shape, dtype=mask.dtype)
    change = np.linalg.inv(mask_affine) @ affine
    for index in np.ndindex(*shape):
        place = change[:3, :3] @ index + change[:3, 3]
        assert np.abs(place - np.floor(place) - 0.5).min() > 1e-9, "the test's own grids have ties"
        at = np.rint(place).astype(int)
        if (at >= 0).all() and (at < mask.shape).all():
            out[index] = mask[tuple(at)]
    return out


GRIDS = {
    "finer": (turned((0.83, 0.71, 1.9), 0, (-15.03, -27.04, 14.01)), (66, 70, 30)),
    "coarser": (turned((2.9, 3.1, 4.3), 0, (-16.1013, -31.2713, 10.2037)), (22, 18, 14)),
    "oblique": (turned((1.1, 1.4, 1.7), 23, (-12.3, -35.1, 5.7)), (55, 40, 40)),
    "cut to the tumour": (files.affine() @ turned((1, 1, 1), 0, (10, 8, 4)), (16, 16, 14)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_mask_on_another_grid_is_put_on_the_image_s(bench, name):
    affine, shape = GRIDS[name]
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    inside = [abs(points[..., a] - middle) < half for a, (middle, half) in enumerate(((14, 6), (-11, 5), (33, 6)))]
    mask = np.logical_and.reduce(inside).astype(np.uint8)
    assert mask.sum() > 20
    on_image = nearest(mask, affine, files.SHAPE, files.affine())
    change = np.linalg.inv(affine) @ files.affine()
    theirs = ndimage.affine_transform(mask, change[:3, :3], change[:3, 3], files.SHAPE, order=0, mode="grid-constant")
    assert (theirs == on_image).all()
    handle = deeptepp_c.volume((mask, affine))
    session, image = bench.sessions["strict"], deeptepp_c.volume((files.image(), files.affine()))
    with pytest.raises(deeptepp_c.DeepteppError) as caught:
        session.score(deeptepp_c.case(image, handle))
    assert caught.value.status.startswith("GEOMETRY_") and caught.value.volumes == (1, -1)
    assert 'mask grid "nearest"' in caught.value.message
    result = session.score(deeptepp_c.case(image, handle, grid="nearest"))
    same = session.score(deeptepp_c.case(image, (on_image, files.affine())))
    assert result["view_scores"] == same["view_scores"]
    assert result["mask"]["voxels"] == on_image.sum()
    low, high = np.argwhere(on_image).min(axis=0), np.argwhere(on_image).max(axis=0)
    assert result["mask"]["box"] == [low.tolist(), high.tolist()]
    assert result["mask"]["grid"] == "nearest" and same["mask"]["grid"] == "same"
    assert 19 in [warning["code"] for warning in result["warnings"]]


def test_ties_fall_alike_in_every_order(bench):
    """A mask half a voxel off: every centre of the image lies between two voxels of it."""
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not here")
    from test_axis_orders import ORDERS

    affine = files.affine()
    affine[:3, 3] += [0.75, 0.625, 1]
    mask = nibabel.Nifti1Image(files.mask().astype(np.uint8), affine)
    boxes = set()
    for order in ORDERS[::5]:
        stored = mask.as_reoriented(order)
        patient = deeptepp_c.case((files.image(), files.affine()),
                                  (np.ascontiguousarray(stored.dataobj), stored.affine), grid="nearest")
        result = bench.sessions["strict"].score(patient)
        boxes.add((tuple(map(tuple, result["mask"]["box"])), result["mask"]["voxels"]))
    assert len(boxes) == 1 and boxes.pop()[1] == files.mask().sum()


def test_a_mask_beside_the_image_is_empty(bench):
    affine = files.affine()
    affine[0, 3] += 500
    with pytest.raises(deeptepp_c.DeepteppError) as caught:
        bench.sessions["strict"].score(deeptepp_c.case((files.image(), files.affine()), (files.mask(), affine),
                                                       grid="nearest"))
    assert caught.value.status == "MASK_EMPTY" and caught.value.volumes == (-1, 0)


def test_a_mask_s_voxels_are_the_image_s_at_the_caller_s_word(bench):
    moved = files.affine()
    moved[:3, 3] += 30
    image = (files.image(), files.affine())
    result = bench.sessions["strict"].score(deeptepp_c.case(image, (files.mask(), moved), grid="image"))
    same = bench.sessions["strict"].score(deeptepp_c.case(image, (files.mask(), files.affine())))
    assert result["view_scores"] == same["view_scores"]
    assert result["mask"]["grid"] == "image"
    assert result["geometry"]["centre_ras_mm"] == same["geometry"]["centre_ras_mm"]
