from pathlib import Path

import pytest
import torch

from lowkeyd.attack.networks import face_network
from lowkeyd.errors import WeightsError


def test_a_missing_file_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"mobilefacenet_casia_068\.ckpt is missing; fetch it: lowkeyd models fetch"):
        face_network.load("mobilefacenet", tmp_path, "cpu")


def test_the_real_checkpoint_fits(test_data: Path) -> None:
    network = face_network.load("mobilefacenet", test_data / "models", "cpu")
    embeddings = network.embed(torch.rand(2, 3, 112, 96, generator=torch.Generator().manual_seed(0)))
    assert embeddings.shape == (2, 128)
    assert embeddings.isfinite().all()
