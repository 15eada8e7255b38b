from pathlib import Path

import pytest
import torch

from lowkeyd.attack.networks import mobilefacenet
from lowkeyd.attack.networks.mobilefacenet import MobileFaceNet
from lowkeyd.errors import WeightsError


def test_the_layout_is_the_checkpoints() -> None:
    """Names and shapes that stand in the file that Xiaoccer/MobileFaceNet_Pytorch publishes."""
    state = MobileFaceNet().state_dict()
    expected = {
        "conv1.conv.weight": (64, 3, 3, 3),
        "conv1.prelu.weight": (64,),
        "dw_conv1.conv.weight": (64, 1, 3, 3),
        "blocks.0.conv.0.weight": (128, 64, 1, 1),
        "blocks.5.conv.3.weight": (256, 1, 3, 3),
        "blocks.14.conv.7.running_var": (128,),
        "conv2.conv.weight": (512, 128, 1, 1),
        "linear7.conv.weight": (512, 1, 7, 6),
        "linear1.conv.weight": (128, 512, 1, 1),
        "linear1.bn.bias": (128,),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected
    assert "blocks.15.conv.0.weight" not in state
    assert "linear7.prelu.weight" not in state, "the last two layers are linear"
    assert sum(value.numel() for name, value in state.items() if name.endswith("weight")) == 989_760


def test_faces_become_embeddings() -> None:
    network = MobileFaceNet().eval()
    assert network(torch.rand(2, 3, 112, 96)).shape == (2, 128)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=mobilefacenet.FILE):
        mobilefacenet.load(tmp_path)


def test_the_real_checkpoint_fits(test_data: Path) -> None:
    network = mobilefacenet.load(test_data / "models").eval()
    embeddings = network(torch.rand(1, 3, 112, 96, generator=torch.Generator().manual_seed(0)))
    assert embeddings.isfinite().all()
