"""A score looks at the tumour it was given: how much of the mask lies in the region and in each view, and what is said
of the rest. Shares are counted voxel by voxel, by reference_views and by the slices that have a tile."""

import numpy as np
import pytest

import deeptepp_c
import make_model
import mosaic_case
import reference_views

spatial = pytest.importorskip("scipy.spatial.transform", reason="scipy is not here")

pytestmark = pytest.mark.usefixtures("library")

PARTS, OUTSIDE = 14, 15
SHAPE = (160, 70, 60)
FIXED = {"rule": "fixed", "spacing_mm": [1, 1, 1]}


def box_region(margin, aspect=True):
    return {"rule": "box", "margin_mm": margin, "keep_aspect": aspect}


class Subject:
    """A small model with that region, and an image of 1 mm voxels (a little turned) to put masks on."""

    def __init__(self, folder, region, size=32, views=7, **overrides):
        overrides = {"input.region": region, "input.axes": "SAR", **{f"input.{k}": v for k, v in overrides.items()}}
        self.recipe = make_model.make_model(folder / "model.safetensors", depth=10, width=4, size=size, views=views,
                                            self_test=False, overrides=overrides)["input"]
        self.session = deeptepp_c.Session(folder / "model.safetensors", threads=2)
        turn = spatial.Rotation.from_rotvec(np.radians([3.0, -4.0, 5.0])).as_matrix()
        self.affine = np.eye(4)
        self.affine[:3, :3] = turn * [-1, 1, 1.1]
        self.affine[:3, 3] = 70, -30, 12
        self.image = mosaic_case.waves(SHAPE).astype(np.float32)

    def score(self, mask, **options):
        return self.session.score(deeptepp_c.case((self.image, self.affine), (mask, self.affine), **options))

    def shares(self, mask):
        """Unrotated, and of each view."""
        from scipy.spatial.transform import Rotation

        frame = reference_views.Frame(mask.shape, self.affine, self.recipe["axes"])
        low, high = reference_views.tumour_box(mask, self.affine, frame)
        middle, step = reference_views.place_cube(self.recipe, low, high, frame.edges)
        places = np.argwhere(mask) @ self.affine[:3, :3].T + self.affine[:3, 3] - frame.to_ras(middle)
        half = np.array(self.recipe["size"]) * step / 2 + 1e-5
        world = {"LR": "R", "AP": "A", "SI": "S"}[self.recipe.get("rotation_axis", "AP")]
        about = next(sign * frame.units[:, i]
                     for i, (axis, sign) in enumerate(map(reference_views.axis_of, self.recipe["axes"]))
                     if axis == reference_views.axis_of(world)[0])

        def share(angle):
            turn = Rotation.from_rotvec(np.radians(angle) * about).as_matrix()
            return (np.abs((places @ turn) @ frame.units) <= half).all(axis=1).mean()
        return share(0), [share(angle) for angle in self.recipe["angles_deg"]]


def ball(middle, radius, shape=SHAPE):
    places = np.indices(shape) - np.reshape(middle, (3, 1, 1, 1))
    return ((places**2).sum(axis=0) <= radius**2).astype(np.uint8)


def message(result, code):
    return next((warning["message"] for warning in result["warnings"] if warning["code"] == code), None)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory, library):
    return Subject(tmp_path_factory.mktemp("fixed"), FIXED)


def refused(subject, mask, **options):
    with pytest.raises(deeptepp_c.DeepteppError) as caught:
        subject.score(mask, **options)
    assert caught.value.status == "MASK_OUTSIDE_REGION" and caught.value.volumes == (-1, 0)
    return caught.value.message


def test_a_tumour_within_the_region_is_seen_in_whole(fixed):
    result = fixed.score(ball((40, 35, 30), 9))
    assert result["geometry"]["share_inside"] == 1 and set(result["geometry"]["view_share_inside"]) == {1}
    assert message(result, OUTSIDE) is None and message(result, PARTS) is None
    assert result["mask"]["part_count"] == 1 and result["mask"]["largest_part_only"] is False


def test_a_stray_voxel_100_mm_away_is_an_error_and_has_a_way_on(fixed):
    whole = ball((40, 35, 30), 9)
    stray = whole.copy()
    stray[149, 35, 30] = 1
    assert "0 of the mask's" in refused(fixed, stray) and "largest part" in refused(fixed, stray)
    result, good = fixed.score(stray, largest_part=True), fixed.score(whole)
    assert result["view_scores"] == good["view_scores"]
    assert result["mask"]["largest_part_only"] is True and result["mask"]["voxels"] == whole.sum()
    assert [part["voxels"] for part in result["mask"]["parts"]] == [whole.sum(), 1]
    assert result["mask"]["parts"][1]["distance_mm"] == pytest.approx(100, rel=1e-9)
    assert "2 parts" in message(result, PARTS) and message(result, OUTSIDE) is None


def test_a_tumour_in_each_breast_is_an_error(fixed):
    assert "2 parts" in refused(fixed, ball((30, 35, 30), 9) | ball((130, 35, 30), 8))


def test_so_it_is_where_the_region_is_as_large_as_the_mask(tmp_path):
    """Every voxel lies in the box; nothing lies in its middle."""
    subject = Subject(tmp_path, box_region(5))
    message = refused(subject, ball((30, 35, 30), 9) | ball((130, 35, 30), 8))
    assert "100 %" in message and "its middle is 4" in message


def test_a_satellite_beside_the_tumour_is_a_warning_alone(fixed):
    result = fixed.score(ball((40, 35, 30), 9) | ball((53, 35, 30), 1))
    assert "2 parts" in message(result, PARTS)


@pytest.mark.parametrize("radius", (17, 21, 29))
def test_the_share_of_a_tumour_larger_than_the_region_is_told(fixed, radius):
    mask = ball((60, 35, 30), radius)
    result = fixed.score(mask)
    region, views = fixed.shares(mask)
    assert 0 < region < 1
    assert result["geometry"]["share_inside"] == pytest.approx(region, abs=1e-12)
    assert result["geometry"]["view_share_inside"] == pytest.approx(views, abs=1e-12)
    assert f"{np.floor(region * 1e4) / 100:.2f} %" in message(result, OUTSIDE)
    assert f"{np.floor(min(views) * 1e4) / 100:.2f} %" in message(result, OUTSIDE)


@pytest.mark.parametrize("aspect", (False, True))
def test_a_box_holds_all_of_the_mask_but_turned_not_its_corners(tmp_path, aspect):
    subject = Subject(tmp_path, box_region(0, aspect), angles_deg=[0, 30, 45, 90, 200], rotation_axis="SI",
                      size=[24, 20, 28])
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[40:75, 30:41, 20:45] = 1
    result = subject.score(mask)
    region, views = subject.shares(mask)
    assert result["geometry"]["share_inside"] == region == 1
    assert result["geometry"]["view_share_inside"] == pytest.approx(views, abs=1e-12)
    assert min(views) < 1 and "100.00 %" in message(result, OUTSIDE)


def test_a_stray_voxel_in_a_box_region_is_an_error(tmp_path):
    stray = ball((40, 35, 30), 9)
    stray[149, 35, 30] = 1
    assert "2 parts" in refused(Subject(tmp_path, box_region(5)), stray)


def test_a_hollow_tumour_around_the_region_is_an_error(fixed):
    shell = ball((80, 35, 30), 29.9) - ball((80, 35, 30), 28.5)
    assert "hollow" in refused(fixed, shell)


# ---- Mosaics ----


@pytest.mark.parametrize("rule", ("first", "spaced"))
def test_mosaics_tell_what_has_no_tile(tmp_path, rule):
    """Of 92 slices 64 have a tile; unrotated that is counted by hand, turned by the quarter too."""
    session = mosaic_case.session(tmp_path, "mosaic_cube", rule, "RAS", angles=[360, 90, 36])
    mask = ball((55, 30, 50), 48, (110, 60, 100))
    image = (mosaic_case.waves(mask.shape) * 4000).astype(np.int16)
    result = session.score(deeptepp_c.case((image, np.eye(4)), (mask, np.eye(4))))
    slices = np.flatnonzero(mask.any(axis=(0, 1)))
    count = len(slices)
    kept = slices[:64] if rule == "first" else [slices[(2 * t + 1) * count // 128] for t in range(64)]
    share = mask[:, :, kept].sum() / mask.sum()
    assert count > 90 and share < 1
    assert result["geometry"]["share_inside"] == pytest.approx(share, abs=1e-12)
    shares = result["geometry"]["view_share_inside"]
    assert shares[0] == pytest.approx(share, abs=1e-12)
    assert all(0.5 < value < 1 for value in shares)
    assert f"{np.floor(share * 1e4) / 100:.2f} %" in message(result, OUTSIDE)


def test_mosaics_of_few_slices_see_all(tmp_path):
    session = mosaic_case.session(tmp_path, "mosaic_cube", "first", "RAS")
    mask = ball((55, 30, 50), 12, (110, 60, 100)) | ball((55, 30, 80), 3, (110, 60, 100))
    image = (mosaic_case.waves(mask.shape) * 4000).astype(np.int16)
    result = session.score(deeptepp_c.case((image, np.eye(4)), (mask, np.eye(4))))
    assert result["geometry"]["share_inside"] == 1 and set(result["geometry"]["view_share_inside"]) == {1}
    assert message(result, OUTSIDE) is None and "2 parts" in message(result, PARTS)
    alone = session.score(deeptepp_c.case((image, np.eye(4)), (mask, np.eye(4)), largest_part=True))
    other = session.score(deeptepp_c.case((image, np.eye(4)), (ball((55, 30, 50), 12, mask.shape), np.eye(4))))
    assert alone["view_scores"] == other["view_scores"] != result["view_scores"]
