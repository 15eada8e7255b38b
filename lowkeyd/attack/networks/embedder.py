"""What every face network is wrapped in: pixels in, embeddings out."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Embedder(nn.Module):
    """N x 3 x chip, RGB, [0, 1], to embeddings, N x dimensions; the network itself sees (255 x - mean) / scale.

    `title` names the architecture and its depth.
    """

    mean: Tensor

    def __init__(
        self,
        net: nn.Module,
        title: str,
        chip: tuple[int, int],
        mean: tuple[float, float, float] = (127.5, 127.5, 127.5),
        scale: float = 127.5,
    ) -> None:
        super().__init__()
        self.net = net
        self.title = title
        self.chip = chip
        self.scale = scale
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces."""
        embeddings: Tensor = self.net((x * 255.0 - self.mean) / self.scale)  # [0, 1] to the network's own range
        return embeddings


def fold(network: nn.Module) -> None:
    """Fold batch norms into the convolutions whose output they take, which saves a pass over memory for each.

    Such pairs are found by their place: a batch norm that is declared right after a convolution. In the architectures
    of this folder it is then also applied right after it.
    """
    network.eval()
    for parent in list(network.modules()):
        for (first, convolution), (second, norm) in pairwise(list(parent.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, second, nn.Identity())


def flush(network: nn.Module) -> None:
    """Set to zero what is too small for a normal number: such weights change nothing and slow processors down."""
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.masked_fill_(value.abs() < torch.finfo(value.dtype).tiny, 0)
