"""What every face network is wrapped in: pixels in, embeddings out, in whatever precision the weights are between."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Embedder(nn.Module):
    """N x 3 x chip, RGB, [0, 1], to embeddings, N x dimensions, both float32.

    The network's own normalisation, (255 x - mean) / scale, is done in float32. What follows has the precision of the
    weights, so that `to(torch.bfloat16)` is all that a faster attack takes. `title` names the architecture and depth.
    """

    thousandths: Tensor
    like: Tensor

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
        # As whole numbers, which keep their value whatever precision the module is cast to.
        whole = torch.tensor([round(1000 * value) for value in mean]).view(1, 3, 1, 1)
        self.register_buffer("thousandths", whole, persistent=False)
        self.register_buffer("like", torch.empty(0), persistent=False)  # is cast along with the weights

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces."""
        x = (x.float() * 255.0 - self.thousandths / 1000) / self.scale  # [0, 1] to the network's own range
        embeddings: Tensor = self.net(x.to(self.like.dtype))
        return embeddings.float()


def fold(network: nn.Module) -> None:
    """Fold batch norms into the convolutions whose output they take, which saves a pass over memory for each.

    Such pairs are found by their place: a batch norm that is declared right after a convolution as wide as itself. In
    the architectures of this folder it is then also applied right after it.
    """
    network.eval()
    for parent in list(network.modules()):
        for (first, convolution), (second, norm) in pairwise(list(parent.named_children())):
            if not isinstance(convolution, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
                continue
            if convolution.out_channels == norm.num_features:
                setattr(parent, first, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, second, nn.Identity())


def flush(network: nn.Module) -> None:
    """Set to zero what is too small for a normal number: such weights change nothing and slow processors down."""
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.masked_fill_(value.abs() < torch.finfo(value.dtype).tiny, 0)
