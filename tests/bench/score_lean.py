"""The least that PyTorch can do from nothing to a score: weights and forward, no images, no MONAI.

    score_lean.py MODEL THREADS
"""

import sys

import peer


def main(model, threads):
    import torch
    torch.set_num_threads(int(threads))
    description = peer.describe(model)
    section = description["input"]
    views = torch.rand(len(section["angles_deg"]), len(section["channels"]), *section["size"])
    with torch.inference_mode():
        logits = peer.torch_network(model)(views)
    print(logits[:, description["score"]["class"]].mean().item())


main(*sys.argv[1:])
