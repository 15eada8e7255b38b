from pathlib import Path

import pytest

from lowkeyd.attack.networks import catalogue, dlib, dlib_file
from lowkeyd.errors import WeightsError


@pytest.fixture(scope="module")
def content() -> bytes:
    return catalogue.find("dlib", Path("/nowhere")).content(Path("/nowhere"))


def test_it_is_read_layer_by_layer(content: bytes) -> None:
    layers = dlib_file.layers(content, Path("w"))
    assert [layer.kind for layer in layers].count("con") == 29
    assert layers[0].weight.shape == (32, 3, 7, 7)
    assert (layers[0].stride, layers[0].padding) == (2, 0)
    assert layers[-1].weight.shape == (256, 128)


@pytest.mark.parametrize("length", [0, 1_000, 100_000, 22_000_000])
def test_a_damaged_file_is_refused(content: bytes, length: int) -> None:
    with pytest.raises(WeightsError, match="w: not dlib's face recognition network"):
        dlib.build(content[:length], Path("w"))


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(WeightsError, match="w: not dlib's face recognition network: it has 0 layers, expected 59"):
        dlib.build(b"\x89PNG and so on", Path("w"))
