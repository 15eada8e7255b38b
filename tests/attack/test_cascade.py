import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from torch.nn.functional import interpolate

from lowkeyd.attack.cascade import Cascade, _Sums
from lowkeyd.model import Pixels


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return Cascade("cpu")


def noise(count: int, height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.mark.parametrize("min_face_px", [20, 40])
def test_it_finds_to_a_hundredth_of_a_pixel_what_facenets_own_loop_finds(
    cascade: Cascade, portrait: Pixels, min_face_px: int
) -> None:
    pictures = np.stack([portrait, portrait[:, ::-1], portrait // 2, noise(1, *portrait.shape[:2])[0]])
    theirs = MTCNN(keep_all=True, min_face_size=min_face_px).eval().detect(pictures, landmarks=True)
    ours = cascade.find(torch.tensor(pictures), min_face_px)
    assert len(ours.boxes) >= 3
    for number, (boxes, probabilities, landmarks) in enumerate(zip(*theirs, strict=True)):
        of_one = [field[ours.pictures == number].numpy() for field in (ours.boxes, ours.landmarks)]
        if boxes is None:
            assert not len(of_one[0])
            continue
        assert len(boxes) == len(of_one[0])
        by_probability = np.argsort(probabilities.astype(float))
        own = np.argsort(of_one[0][:, 4])
        assert np.abs(boxes[by_probability].astype(float) - of_one[0][own, :4]).max() < 0.01
        assert np.abs(landmarks[by_probability].astype(float) - of_one[1][own]).max() < 0.01


def test_a_picture_in_another_size_is_the_mean_of_what_each_pixel_covers() -> None:
    pictures = noise(2, 57, 83)
    planes = torch.tensor(pictures).permute(0, 3, 1, 2).float()
    for scale in (0.6, 0.31, 0.03, 1.7):
        resized = _Sums(torch.tensor(pictures)).resized(scale)
        expected = interpolate(planes, (int(57 * scale + 1), int(83 * scale + 1)), mode="area")
        assert torch.allclose(resized, expected, atol=1e-3)


def test_what_is_cut_out_ends_at_the_pictures_border() -> None:
    pictures = noise(2, 50, 70)
    sums = _Sums(torch.tensor(pictures))
    boxes, of = torch.tensor([[11.0, 6.0, 40.9, 35.0], [-20.0, -3.0, 30.0, 47.0], [60.0, 40.0, 90.0, 70.0]]), (0, 1, 0)
    cuts = sums.cut(boxes, torch.tensor(of), 24)
    corners = ((10, 5, 40, 35), (0, 0, 30, 47), (59, 39, 70, 50))
    for cut, number, (left, top, right, bottom) in zip(cuts, of, corners, strict=True):
        inside = torch.tensor(pictures[number, top:bottom, left:right]).permute(2, 0, 1)[None].float()
        assert torch.allclose(cut, interpolate(inside, (24, 24), mode="area")[0], atol=1e-3)


def test_boxes_beside_the_picture_are_left_out() -> None:
    sums = _Sums(torch.tensor(noise(1, 50, 70)))
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [80.0, 5.0, 90.0, 15.0], [5.0, -30.0, 15.0, -20.0]])
    kept, of = sums.inside(boxes, torch.zeros(3, dtype=torch.long))
    assert kept.tolist() == boxes[:1].tolist()
    assert of.tolist() == [0]
