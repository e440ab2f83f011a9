"""MONAI's ResNet as training leaves it, its description, and a case for it."""

import numpy as np
import torch
from monai.networks import nets

import convert_case
import deeptepp_c

ARGUMENTS = {"block": "basic", "layers": [1, 1, 1, 1], "block_inplanes": [8, 16, 24, 32], "n_input_channels": 1,
             "num_classes": 2}
KEYS = {"stem_stride": [1, 1, 1], "stem_pool": True, "layer_strides": [1, 2, 2, 2], "layer_dilations": [1, 1, 1, 1],
        "shortcut": "B", "stem_activation": "relu", "activation": "relu", "norm_eps": 1e-5}


def trained(seed=1, **arguments):
    """Statistics as training leaves them; much of the stem's output is negative, so that its activation matters."""
    torch.manual_seed(seed)
    module = nets.ResNet(**{**ARGUMENTS, **arguments}).eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif value.ndim == 1 and value.is_floating_point():
                value.add_(torch.randn_like(value) * 0.1)
        module.bn1.bias.sub_(1)
    return module


def described(module, keys, classes):
    channels = [f"phase{i}" for i in range(module.conv1.in_channels)]
    description = convert_case.described(size=24, views=3, channels=channels)
    description["network"] = {**KEYS, **keys}
    description["score"] = {"rule": "logit", "class": classes - 1}
    return description


def patient(channels):
    random = np.random.Generator(np.random.PCG64(11))
    mask = np.zeros((40, 36, 30), dtype=np.uint8)
    mask[15:22, 14:20, 12:19] = 1
    affine = np.diag([1.2, 1.1, 1.4, 1])
    smooth = [np.cumsum(random.normal(0, 1, mask.shape), axis=i % 3).astype(np.float32) for i in range(len(channels))]
    return deeptepp_c.case({name: (image, affine) for name, image in zip(channels, smooth)}, (mask, affine))
