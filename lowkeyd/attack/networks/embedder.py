"""What every face network is wrapped in: pixels in, embeddings out."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Embedder(nn.Module):
    """N x 3 x chip, RGB, [0, 1], to embeddings, N x dimensions; the network itself sees (255 x - mean) / scale, or x as
    it is where `scale` is None.

    `title` names the architecture and its depth.
    """

    def __init__(
        self, net: nn.Module, title: str, chip: tuple[int, int], mean: float = 127.5, scale: float | None = 127.5
    ) -> None:
        super().__init__()
        self.net = net
        self.title = title
        self.chip = chip
        self.mean = mean
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces."""
        if self.scale is not None:
            x = x * (255 / self.scale) - self.mean / self.scale
        embeddings: Tensor = self.net(x)
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
