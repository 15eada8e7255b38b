import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import crop

from lowkeyd.attack import align
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.model import Face

SQUARE = np.array([[[0, 0], [10, 0], [10, 10], [0, 10], [5, 5]]], np.float32)


def apply(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    mapped: np.ndarray = points @ transform[:, :2].T + transform[:, 2]
    return mapped


def test_a_similarity_is_found_again() -> None:
    angle, scale, shift = 0.3, 1.7, np.array([4.0, -2.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = (SQUARE[0] @ turn.T + shift).astype(np.float32)
    (found,) = align.similarity(SQUARE, target)
    assert found == pytest.approx(np.column_stack([turn, shift]), abs=1e-5)


def test_it_is_the_least_squares_fit_and_never_stretches() -> None:
    target = SQUARE[0] * np.array([1.0, 2.0], np.float32)  # no similarity can do that
    (found,) = align.similarity(SQUARE, target)
    assert found[0, 0] == pytest.approx(found[1, 1])
    assert found[0, 1] == pytest.approx(-found[1, 0])
    best = np.square(apply(found, SQUARE[0]) - target).sum()
    for entry in np.ndindex(2, 3):
        nudged = found.copy()
        nudged[entry] += 0.01
        if entry[1] < 2:  # keep it a similarity
            nudged[1 - entry[0], 1 - entry[1]] += 0.01 if entry[0] == entry[1] else -0.01
        assert np.square(apply(nudged, SQUARE[0]) - target).sum() > best


def test_the_identity_changes_nothing() -> None:
    x = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    identity = np.tile(np.eye(2, 3, dtype=np.float32), (2, 1, 1))
    assert torch.allclose(align.warp(x, identity, (9, 9)), x, atol=1e-6)


def test_a_shift_by_whole_pixels_is_a_crop() -> None:
    x = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    shift = np.array([[[1, 0, -3], [0, 1, -2]]], np.float32)
    assert torch.allclose(align.warp(x, shift, (4, 5)), crop(x, 2, 3, 4, 5), atol=1e-5)


def test_beyond_the_border_the_edge_goes_on() -> None:
    x = torch.arange(4.0).view(1, 1, 1, 4).repeat(1, 3, 4, 1)
    shift = np.array([[[1, 0, 3], [0, 1, 0]]], np.float32)
    assert align.warp(x, shift, (4, 4))[0, 0, 0].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.0])


def test_the_gradient_agrees_with_finite_differences() -> None:
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    turned = np.array([[[0.8, -0.3, 1.2], [0.3, 0.8, -0.7]], [[1.1, 0.2, -1.0], [-0.2, 1.1, 0.4]]], np.float32)
    assert torch.autograd.gradcheck(lambda x: align.warp(x, turned, (5, 6)), (x,), atol=1e-6)


def test_a_networks_chip_shows_the_landmarks_where_its_template_wants_them(
    face: Face, dlib_network: FaceNetwork
) -> None:
    template = dlib_network.template
    assert template is not None
    (transform,) = dlib_network.transforms(align.points(face)[None])
    error = np.linalg.norm(apply(transform, face.landmarks) - template, axis=1)
    assert error.max() < 10, "of 150 pixels: a similarity cannot make her smile as narrow as the template"


def test_a_box_fills_the_chip_whatever_its_shape() -> None:
    x = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    corners = np.array([[[4, 8], [14, 28]]], np.float32)  # 10 wide, 20 high
    chip = align.warp(x, align.stretch(corners, (20, 10)), (20, 10))
    assert torch.allclose(chip, crop(x, 8, 4, 20, 10), atol=1e-4)
    wide = align.warp(x, align.stretch(corners, (40, 40)), (40, 40))
    assert torch.allclose(wide.mean(), crop(x, 8, 4, 20, 10).mean(), atol=0.02)


def test_a_faces_points_are_its_landmarks_and_its_boxs_corners(face: Face) -> None:
    points = align.points(face)
    assert (points[:5] == face.landmarks).all()
    assert points[5:].flatten().tolist() == pytest.approx(list(face.box))
