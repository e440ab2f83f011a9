"""The lattice "monai" of docs/model-format.md from the reader's side, and files of any orientation to try it on.

NumPy and nibabel alone; nothing of MONAI or of the C code is used: a QR decomposition, and all eight corners.
"""

import itertools

import nibabel
import numpy as np

import reference_views


def lattice(shape, affine, axes, spacing):
    """(mm from the first voxel to point 0 along the frame's axes, steps in mm)."""
    frame = reference_views.Frame(shape, affine, axes)
    voxels = np.array([shape[voxel] for voxel, _ in reference_views.nearest_axes(affine, axes)])
    lattice_axes, along = right_angles(frame.units * frame.edges)
    step = np.where(np.abs(frame.edges - spacing) <= 1e-3, frame.edges, spacing)
    corners = np.array(list(itertools.product(*((0, n - 1) for n in voxels)))) @ along.T / step
    counts = np.round(np.ptp(corners, axis=0) + 1)
    centred = (corners.min(axis=0) < -1e-8).any()
    origin = along @ voxels / 2 - counts * step / 2 if centred else np.zeros(3)
    if (counts == voxels).all() and alike(frame, lattice_axes, origin, step):
        return np.zeros(3), frame.edges
    return origin, step


def right_angles(steps):
    """Gram and Schmidt's unit vectors (columns), and the steps along them."""
    axes, along = np.linalg.qr(steps)
    signs = np.sign(np.diag(along))
    return axes * signs, along * signs[:, None]


def alike(frame, axes, origin, step):
    voxels = np.allclose([*(origin / frame.edges), *(step / frame.edges)], [0, 0, 0, 1, 1, 1], rtol=1e-5, atol=1e-3)
    affines = [np.column_stack(parts) for parts in ([frame.units * frame.edges, frame.first],
                                                    [axes * step, frame.first + axes @ origin])]
    return voxels or np.allclose(*affines, rtol=1e-5, atol=1e-3)


def view(recipe, image, mask, affine):
    """The unrotated view, and the lattice's point 0."""
    axes = recipe["axes"]
    frame = reference_views.Frame(mask.shape, affine, axes)
    origin, step = lattice(mask.shape, affine, axes, np.array(recipe["region"]["spacing_mm"], dtype=float))
    size, middle = np.array(recipe["size"]), sum(reference_views.tumour_box(mask, affine, frame)) / 2
    start = np.floor((middle - origin) / step - (size - 1) / 2 + 0.5 + 1e-4)
    points = reference_views.view_points(recipe, 0, frame, origin + (start + (size - 1) / 2) * step, step)
    return reference_views.sample(image, affine, points, recipe["outside"]), origin


# ---- Files ----


def write_case(folder, seed, oblique, form="sform", spacing=None, shape=None):
    """Image and mask as nibabel writes them, their affine in float32. oblique: else the axes are the patient's, in any
    order and direction."""
    from scipy.spatial.transform import Rotation

    random = np.random.Generator(np.random.PCG64([seed, 77]))
    shape = random.integers(26, 40, 3) if shape is None else np.array(shape)
    spacing = random.uniform(0.6, 2.5, 3) if spacing is None else np.array(spacing, dtype=float)
    turn = Rotation.from_euler("xyz", random.uniform(-25, 25, 3), degrees=True).as_matrix() if oblique else np.eye(3)
    affine = np.eye(4)
    affine[:3, :3] = turn[:, random.permutation(3)] * random.choice([-1, 1], 3) * spacing
    affine[:3, 3] = random.uniform(-150, 150, 3)
    waves = np.meshgrid(*(np.sin(np.arange(n) * random.uniform(0.3, 0.6)) for n in shape), indexing="ij")
    image = (500 + 150 * sum(waves) + random.normal(0, 30, shape)).astype(np.float32)
    mask = np.zeros(shape, dtype=np.uint8)
    low = shape // 2 - random.integers(1, 4, 3)
    mask[tuple(slice(a, a + int(random.integers(3, 7))) for a in low)] = 1
    paths = folder / f"image{seed}.nii.gz", folder / f"mask{seed}.nii.gz"
    for path, voxels in zip(paths, (image, mask)):
        file = nibabel.Nifti1Image(voxels, affine)
        if form == "qform":
            file.set_qform(affine, 1)
            file.set_sform(None, 0)
        nibabel.save(file, path)
    return paths


def read_case(paths):
    """(image, mask, affine) as the files have them."""
    image, mask = map(nibabel.load, paths)
    return np.asarray(image.dataobj), np.asarray(mask.dataobj), image.affine
