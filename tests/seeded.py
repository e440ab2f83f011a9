"""Seeded layers that make_model.py's networks are put together from: float64, by PyTorch's names."""

import numpy as np


def convolution(random, channels_out, channels_in, kernel, scale=1.0):
    """He's scale: the second moment of what comes in goes out."""
    fan_in = channels_in * np.prod(kernel)
    return random.standard_normal((channels_out, channels_in, *kernel)) * (scale * np.sqrt(2 / fan_in))


def batch_norm(random, channels):
    """Far from 0 and 1, so that a fold which forgets one of them is seen."""
    return {
        "weight": random.uniform(0.5, 1.5, channels), "bias": random.uniform(-0.2, 0.2, channels),
        "running_mean": random.uniform(-0.2, 0.2, channels), "running_var": random.uniform(0.5, 2, channels),
        "num_batches_tracked": np.array(random.integers(1, 1000), dtype=np.int64),
    }


def under(name, parts):
    return {f"{name}.{key}": value for key, value in parts.items()}


def residual_block(random, name, kernels, channels_in, planes, expansion, branch_scale, downsample, rank=3):
    """downsample: None, or whether its convolution has a bias."""
    parts, channels = {}, channels_in
    for i, kernel in enumerate(kernels, 1):
        last = i == len(kernels)
        out = planes * expansion if last else planes
        parts[f"conv{i}.weight"] = convolution(random, out, channels, (kernel,) * rank, branch_scale if last else 1)
        parts.update(under(f"bn{i}", batch_norm(random, out)))
        channels = out
    if downsample is not None:
        parts["downsample.0.weight"] = convolution(random, channels, channels_in, (1,) * rank, np.sqrt(0.5))
        if downsample:
            parts["downsample.0.bias"] = random.uniform(-0.2, 0.2, channels)
        parts.update(under("downsample.1", batch_norm(random, channels)))
    return under(name, parts)


def as_float32(tensors):
    """As a checkpoint holds them: counters stay int64."""
    return {name: value if value.dtype == np.int64 else value.astype(np.float32) for name, value in tensors.items()}


def phantom(random, channels, shape):
    """A few soft blobs in noise, z-scored: what a view of a breast looks like to a seeded network."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    image = np.zeros((channels, *shape))
    for _ in range(random.integers(2, 6)):
        centre = random.uniform(-0.7, 0.7, 3)[:, None, None, None]
        blob = np.exp(-((grid - centre) ** 2).sum(axis=0) / (2 * random.uniform(0.1, 0.6) ** 2))
        image += random.uniform(-1, 2, channels)[:, None, None, None] * blob
    image += random.uniform(0.02, 0.3) * random.standard_normal(image.shape)
    return (image - image.mean()) / image.std()
