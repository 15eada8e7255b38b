import pytest
import torch
from torch import nn

from lowkeyd.attack.kernels import Halving, Rectifier


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
