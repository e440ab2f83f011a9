"""Views by another way than the library's: nibabel's affines, SciPy's rotation and map_coordinates.

docs/model-format.md, section `input`, from the reader's side. Nothing of the C code is used.
"""

import itertools

import numpy as np

PAIRS = ("LR", "PA", "IS")


def axis_of(letter):
    """(0, 1, 2 for R, A, S; +1 or -1)."""
    axis = next(i for i, pair in enumerate(PAIRS) if letter in pair)
    return axis, 1 if PAIRS[axis][1] == letter else -1


def nearest_axes(affine, axes):
    """[(voxel axis, sign)] of the assignment whose voxel axes run nearest to `axes`, by trying all."""
    units = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    wanted = [axis_of(letter) for letter in axes]

    def along(order):
        return sum(abs(units[world, voxel]) for voxel, (world, _) in zip(order, wanted))
    best = max(itertools.permutations(range(3)), key=along)
    return [(voxel, 1 if units[world, voxel] * sign > 0 else -1) for voxel, (world, sign) in zip(best, wanted)]


class Frame:
    """The image in the order of `axes`: unit vectors (columns, RAS), voxel edges, first voxel."""

    def __init__(self, shape, affine, axes):
        order = nearest_axes(affine, axes)
        self.edges = np.array([np.linalg.norm(affine[:3, voxel]) for voxel, _ in order])
        self.units = np.stack([sign * affine[:3, voxel] for voxel, sign in order], axis=1) / self.edges
        first = np.array([0.0, 0, 0, 1])
        for voxel, sign in order:
            first[voxel] = 0 if sign > 0 else shape[voxel] - 1
        self.first = (affine @ first)[:3]

    def from_ras(self, points):
        """mm from the first voxel along the frame's axes."""
        return (points - self.first) @ self.units

    def to_ras(self, points):
        return points @ self.units.T + self.first


def tumour_box(mask, affine, frame):
    """Centres of the first and last voxel of the mask's box, frame mm."""
    points = frame.from_ras(np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3])
    return points.min(axis=0), points.max(axis=0)


def place_cube(recipe, low, high, edges):
    """(middle, step) in frame mm."""
    size, region, middle = np.array(recipe["size"]), recipe["region"], (low + high) / 2
    if region["rule"] == "box":
        step = (high - low + edges + 2 * region["margin_mm"]) / size
        return middle, np.full(3, step.max()) if region["keep_aspect"] else step
    step = np.array(region["spacing_mm"], dtype=float)
    return (crop_start(recipe, low, high) + (size - 1) / 2) * step, step


def crop_start(recipe, low, high):
    """The lattice index that a crop starts at, with a fixed region."""
    size, step = np.array(recipe["size"]), np.array(recipe["region"]["spacing_mm"], dtype=float)
    return np.floor((low + high) / 2 / step - (size - 1) / 2 + 0.5 + 1e-6)


def view_points(recipe, angle, frame, middle, step):
    """RAS mm of every sample, (depth, height, width, 3)."""
    from scipy.spatial.transform import Rotation

    offsets = np.stack(np.meshgrid(*((np.arange(n) - (n - 1) / 2) * s for n, s in zip(recipe["size"], step)),
                                   indexing="ij"), axis=-1)
    world = {"LR": "R", "AP": "A", "SI": "S"}[recipe.get("rotation_axis", "AP")]
    # The image's own axis that runs nearest to that direction of the patient.
    about = next(sign * frame.units[:, i] for i, (axis, sign) in enumerate(map(axis_of, recipe["axes"]))
                 if axis == axis_of(world)[0])
    turn = Rotation.from_rotvec(np.radians(angle) * about).as_matrix()
    return (offsets @ frame.units.T) @ turn.T + frame.to_ras(middle)


def sample(image, affine, points, outside):
    """Trilinear, float64."""
    from scipy.ndimage import map_coordinates

    inverse = np.linalg.inv(affine)
    places = points @ inverse[:3, :3].T + inverse[:3, 3]
    values = map_coordinates(image.astype(float), np.moveaxis(places, -1, 0), order=1, mode="nearest")
    if outside["fill"] == "constant":
        far = ((places < -0.5 - 1e-6) | (places > np.array(image.shape) - 0.5 + 1e-6)).any(axis=-1)
        values[far] = outside["value"]
    return values


def raw_views(recipe, images, mask, affine):
    """(views, channels, depth, height, width) in image units."""
    frame = Frame(mask.shape, affine, recipe["axes"])
    low, high = tumour_box(mask, affine, frame)
    middle, step = place_cube(recipe, low, high, frame.edges)
    places = [view_points(recipe, angle, frame, middle, step) for angle in recipe["angles_deg"]]
    return np.stack([[sample(image, affine, points, recipe["outside"]) for image in images] for points in places])


def views(recipe, images, mask, affine):
    """The network's input, float64. Only zscore over each view's channels is known here."""
    assert recipe["intensity"] == {"rule": "zscore", "over": "view"}
    raw = raw_views(recipe, images, mask, affine).astype(np.float32).astype(float)
    space = (2, 3, 4)
    return (raw - raw.mean(axis=space, keepdims=True)) / raw.std(axis=space, keepdims=True)
