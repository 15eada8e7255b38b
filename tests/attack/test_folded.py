import pytest
import torch
import torch.nn.functional as F

from lowkeyd.attack.folded import FoldedConv


@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (11, 4), (4, 4), (3, 1)])
@pytest.mark.parametrize("size", [(40, 40), (41, 54), (43, 39)])
def test_it_is_the_same_convolution(kernel: int, stride: int, size: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(8, 3, kernel, kernel, generator=draw), torch.randn(8, generator=draw)
    x = torch.randn(2, 3, *size, generator=draw, requires_grad=True)
    ours, plain = FoldedConv(weight, bias, stride)(x), F.conv2d(x, weight, bias, stride)
    assert torch.allclose(ours, plain, atol=1e-4)
    up = torch.randn(plain.shape, generator=draw)
    assert torch.allclose(*(torch.autograd.grad(y, x, up)[0] for y in (ours, plain)), atol=1e-4)
