"""Our port against the library that it is a port of."""

from pathlib import Path

import dlib as library
import numpy as np
import pytest
import torch

from lowkeyd.attack import align
from lowkeyd.attack.crop import Square, shrink
from lowkeyd.attack.networks import catalogue
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.attack.pixels import to_tensor
from lowkeyd.model import Face, Pixels


@pytest.fixture(scope="module")
def original() -> "library.face_recognition_model_v1":
    return library.face_recognition_model_v1(str(catalogue.find("dlib", Path("/nowhere")).path(Path("/nowhere"))))


def chip_of(portrait: Pixels, face: Face, network: FaceNetwork) -> Pixels:
    square = Square.around(face, 5.0)
    transforms = network.transforms(square.inside(align.points(face), 300)[None])
    chip = align.warp(shrink(portrait, square, 300), transforms, network.chip)
    return np.ascontiguousarray(chip[0].permute(1, 2, 0).mul(255).round().byte().numpy())


def test_it_agrees_with_the_library_on_a_real_face(
    original: "library.face_recognition_model_v1", dlib_network: FaceNetwork, portrait: Pixels, face: Face
) -> None:
    chip = chip_of(portrait, face, dlib_network)
    theirs = np.array(original.compute_face_descriptor(chip))
    ours = dlib_network.embed(to_tensor(chip)).numpy()[0]
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_the_library_on_noise(
    original: "library.face_recognition_model_v1", dlib_network: FaceNetwork, seed: int
) -> None:
    chip = np.random.default_rng(seed).integers(0, 256, (150, 150, 3), np.uint8)
    theirs = np.array(original.compute_face_descriptor(chip))
    ours = dlib_network.embed(to_tensor(chip)).numpy()[0]
    assert np.abs(ours - theirs).max() < 1e-5


def test_the_gradient_reaches_every_pixel(dlib_network: FaceNetwork) -> None:
    x = torch.rand(1, 3, 150, 150, generator=torch.Generator().manual_seed(0)).requires_grad_()
    dlib_network.module(x).square().sum().backward()
    assert x.grad is not None
    assert (x.grad[..., 8:-8, 8:-8] != 0).float().mean() > 0.99


def test_its_weights_cost_no_gradient(dlib_network: FaceNetwork) -> None:
    assert not any(parameter.requires_grad for parameter in dlib_network.module.parameters())
    assert not dlib_network.module.training


def test_people_differ_and_one_person_does_not(
    dlib_network: FaceNetwork, test_data: Path, portrait: Pixels, face: Face
) -> None:
    from lowkeyd.attack.detect import Detector
    from lowkeyd.attack.verify import embeddings
    from lowkeyd.imaging.decode import Limits, decode

    photos = [
        decode((test_data / "photos" / name).read_bytes(), Limits(20, 20)).pixels
        for name in ("obama_1.jpg", "obama_2.jpg")
    ]
    finder = Detector("cpu")
    places = [(photo, finder.find(photo)[0]) for photo in photos]
    first, second, stranger = embeddings(dlib_network, [*places, (portrait, face)], "cpu")
    assert np.linalg.norm(first - second) < dlib_network.threshold < np.linalg.norm(first - stranger)
