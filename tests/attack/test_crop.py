import numpy as np
import pytest
import torch

from lowkeyd.attack.crop import Difference, Square, interocular, paste, resize, rim_mask, shrink
from lowkeyd.model import Face, Pixels


def face_at(x: float, y: float, eyes: float) -> Face:
    offsets = np.array([[-0.5, -0.6], [0.5, -0.6], [0.0, 0.0], [-0.4, 0.6], [0.4, 0.6]])
    return Face((0, 0, 1, 1), (np.array([x, y]) + eyes * offsets).astype(np.float32), 1.0)


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_the_square_is_measured_in_eye_distances_around_the_landmarks() -> None:
    face = face_at(100, 80, eyes=20)
    assert interocular(face.landmarks) == pytest.approx(20)
    assert Square.around(face, 3.0) == Square(left=70, top=50, side=60)


def test_beyond_the_photos_border_its_edge_goes_on() -> None:
    photo = noise(8, 8)
    taken = Square(-2, 5, 6).take(photo)
    assert taken.shape == (6, 6, 3)
    assert (taken[0, :3] == photo[5, 0]).all()
    assert (taken[3:, 2:] == photo[7, :4]).all()


@pytest.mark.parametrize("top", [-9, -6, -1, 0, 2, 5, 11, 12, 30])
@pytest.mark.parametrize("left", [-30, -7, -5, 0, 1, 4, 9, 10, 17])
def test_every_pixel_of_a_square_is_the_photos_nearest(top: int, left: int) -> None:
    photo = noise(12, 10)
    rows, columns = np.arange(top, top + 6).clip(0, 11), np.arange(left, left + 6).clip(0, 9)
    assert (Square(left, top, 6).take(photo) == photo[rows[:, None], columns]).all()
    around = Square(left, top, 40).take(photo)
    assert (around == photo[np.arange(top, top + 40).clip(0, 11)[:, None], np.arange(left, left + 40).clip(0, 9)]).all()


def test_landmarks_follow_the_square() -> None:
    square = Square(left=10, top=20, side=50)
    assert square.inside(np.array([[10, 20], [60, 70], [35, 45]], np.float32), 100).tolist() == [
        [0, 0], [100, 100], [50, 50],
    ]  # fmt: skip


def test_shrinking_averages_instead_of_picking() -> None:
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[::2, ::2] = 255  # a quarter of the pixels: a sparse grid that plain bilinear sampling hits or misses
    x = shrink(photo, Square(0, 0, 64), 8)
    assert x.shape == (1, 3, 8, 8)
    assert x.mean() == pytest.approx(0.25, abs=0.01)
    assert x.std() < 0.02


def test_pixels_outside_of_the_squares_stay_identical_and_inside_the_difference_is_added() -> None:
    photo = noise(60, 80) // 2 + 60
    square = Square(10, 20, 30)
    changed = paste(photo, [Difference(square, torch.full((3, 16, 16), 10 / 255))])
    inside = np.zeros((60, 80), bool)
    inside[20:50, 10:40] = True
    assert (changed[~inside] == photo[~inside]).all()
    assert (changed[inside] == photo[inside] + 10).all()


def test_a_square_may_reach_over_the_border_and_differences_add_up_where_faces_overlap() -> None:
    photo = np.full((20, 20, 3), 100, np.uint8)
    delta = torch.full((3, 8, 8), 5 / 255)
    changed = paste(photo, [Difference(Square(-5, -5, 15), delta), Difference(Square(0, 0, 15), delta)])
    assert changed[5, 5].tolist() == [110] * 3
    assert changed[12, 12].tolist() == [105] * 3
    assert changed[17, 17].tolist() == [100] * 3


def test_of_a_square_inside_the_photo_every_difference_arrives() -> None:
    assert torch.allclose(Square(3, 4, 16).arrives((30, 30, 3), 16), torch.eye(16), atol=1e-6)


def test_what_lies_beyond_the_border_does_not_arrive() -> None:
    rows, columns = Square(-16, 40, 64).arrives((88, 120, 3), 32)
    assert rows.diag().tolist() == pytest.approx([1] * 24 + [0] * 8)
    assert columns.diag().tolist() == pytest.approx([0] * 8 + [1] * 24)
    assert not Square(160, -200, 64).arrives((120, 120, 3), 32).any()


def test_of_a_small_square_what_its_pixels_can_hold_arrives() -> None:
    rows, columns = Square(0, 0, 10).arrives((10, 10, 3), 40)
    delta = torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(rows @ delta @ columns.mT, resize(resize(delta, 10), 40), atol=1e-5)


def test_a_square_wholly_outside_changes_nothing() -> None:
    photo = noise(10, 10)
    assert (paste(photo, [Difference(Square(30, -50, 8), torch.ones(3, 8, 8))]) == photo).all()


def test_levels_end_at_black_and_white() -> None:
    photo = np.full((8, 8, 3), 250, np.uint8)
    assert (paste(photo, [Difference(Square(0, 0, 8), torch.full((3, 8, 8), 0.5))]) == 255).all()


@pytest.mark.parametrize(("levels", "changed"), [(0.6, 101), (-0.4, 100), (-0.6, 99)])
def test_a_difference_is_rounded_to_the_nearest_level(levels: float, changed: int) -> None:
    photo = np.full((8, 8, 3), 100, np.uint8)
    assert (paste(photo, [Difference(Square(0, 0, 8), torch.full((3, 8, 8), levels / 255))]) == changed).all()


def test_the_rim_fades_out_and_the_middle_is_whole() -> None:
    mask = rim_mask(128)
    assert mask.shape == (1, 1, 128, 128)
    assert mask[0, 0, 64, 64] == 1
    assert mask[0, 0, 0].max() < 0.02
    assert (mask == mask.flip(2)).all()
    assert (mask == mask.transpose(2, 3)).all()
    assert (mask[0, 0, 64, :64].diff() >= 0).all()
