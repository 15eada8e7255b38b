import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lowkeyd.attack.layers import FoldedConv, Halving, Rectifier


@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (11, 4), (4, 4), (3, 1)])
@pytest.mark.parametrize("size", [(40, 40), (41, 54), (43, 39)])
def test_a_folded_convolution_is_the_same_convolution(kernel: int, stride: int, size: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(8, 3, kernel, kernel, generator=draw), torch.randn(8, generator=draw)
    x = torch.randn(2, 3, *size, generator=draw, requires_grad=True)
    ours, plain = FoldedConv(weight, bias, stride)(x), F.conv2d(x, weight, bias, stride)
    assert torch.allclose(ours, plain, atol=1e-4)
    up = torch.randn(plain.shape, generator=draw)
    assert torch.allclose(*(torch.autograd.grad(y, x, up)[0] for y in (ours, plain)), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 10, 24, 30), (3, 10, 23, 31), (2, 5, 1, 7), (1, 1, 9, 1)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_they_give_what_torchs_own_layers_give(shape: tuple[int, ...], memory_format: torch.memory_format) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(memory_format=memory_format)
    rectifier = nn.PReLU(shape[1])
    with torch.no_grad():
        rectifier.weight.copy_(torch.linspace(-1.3, 0.4, shape[1]))
        assert torch.equal(Rectifier(rectifier.weight)(x), rectifier(x))
        assert torch.equal(Halving()(x), nn.MaxPool2d(2, 2, ceil_mode=True)(x))


def test_channels_stay_together_in_memory() -> None:
    x = torch.zeros(2, 10, 23, 30).to(memory_format=torch.channels_last)
    assert Halving()(x).is_contiguous(memory_format=torch.channels_last)
    assert Rectifier(nn.PReLU(10).weight)(x).is_contiguous(memory_format=torch.channels_last)
