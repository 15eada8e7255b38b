"""The real networks, loaded once, and one real face."""

import os
from pathlib import Path

import pytest
from skimage.data import astronaut

from lowkeyd.attack.detect import Detector
from lowkeyd.attack.networks import face_network
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.model import Face, Pixels


@pytest.fixture(scope="session")
def portrait() -> Pixels:
    """NASA's portrait of Eileen Collins, 512 x 512 x 3."""
    pixels: Pixels = astronaut()
    return pixels


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector("cpu")


@pytest.fixture(scope="session")
def face(detector: Detector, portrait: Pixels) -> Face:
    (found,) = detector.find(portrait)
    return found


@pytest.fixture(scope="session")
def dlib_network() -> FaceNetwork:
    return face_network.load("dlib", Path("/nowhere"), "cpu")


@pytest.fixture(scope="session")
def perceptual() -> Perceptual:
    return Perceptual("cpu")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder $LOWKEYD_TEST_DATA, with weights and pictures that cannot be shipped; skips without it."""
    root = os.environ.get("LOWKEYD_TEST_DATA")
    if not root:
        pytest.skip("LOWKEYD_TEST_DATA names no folder with real weights and photos")
    return Path(root)
