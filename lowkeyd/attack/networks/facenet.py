"""Inception-ResNet v1 as facenet-pytorch (MIT) publishes it, trained on VGGFace2 or CASIA-WebFace.

It is shown the detector's box, stretched to a square, as that package's own MTCNN cuts faces out.
"""

from pathlib import Path

from facenet_pytorch import InceptionResnetV1
from torch import nn

from lowkeyd.attack.networks import checkpoint
from lowkeyd.attack.networks.checkpoint import Tensors
from lowkeyd.attack.networks.embedder import Embedder, fold

_CHIP = (160, 160)
_SCALE = 128.0


def build(content: bytes, source: Path) -> Embedder:
    """The network, from a checkpoint. Raises WeightsError."""
    network = checkpoint.fit(_layout, content, source, "an Inception-ResNet v1 of facenet-pytorch")
    fold(network)
    return Embedder(network, "Inception-ResNet v1", _CHIP, scale=_SCALE)


def _layout(tensors: Tensors) -> nn.Module:
    """With the head that told the training's people apart, if it is in the file; embeddings do without."""
    head = tensors.get("logits.weight")
    network: nn.Module = InceptionResnetV1()
    if head is not None:
        network.logits = nn.Linear(head.shape[1], head.shape[0])
    return network
