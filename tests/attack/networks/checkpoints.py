"""Small checkpoints with made-up weights: MobileFaceNet's layout, four megabytes each."""

import io

import torch

from lowkeyd.attack.networks.mobilefacenet import MobileFaceNet


def mobilefacenet(seed: int = 0, damage: float = 0.0) -> bytes:
    """A checkpoint; each seed is another network."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tensors = MobileFaceNet().state_dict()
    tensors["linear1.bn.bias"] += damage
    file = io.BytesIO()
    torch.save({"net_state_dict": tensors}, file)
    return file.getvalue()
