"""Checkpoints with made-up weights."""

import io

import torch
from facenet_pytorch import InceptionResnetV1
from torch import Tensor

from lowkeyd.attack.networks.mobilefacenet import MobileFaceNet


def mobilefacenet(seed: int = 0, damage: float = 0.0) -> bytes:
    """In MobileFaceNet's layout, four megabytes; each seed is another network."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tensors = MobileFaceNet().state_dict()
    tensors["linear1.bn.bias"] += damage
    return _saved({"net_state_dict": tensors})


def facenet() -> bytes:
    """In Inception-ResNet's layout, without a head, ninety megabytes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _saved(InceptionResnetV1().state_dict())


def _saved(stored: dict[str, Tensor] | dict[str, dict[str, Tensor]]) -> bytes:
    file = io.BytesIO()
    torch.save(stored, file)
    return file.getvalue()
