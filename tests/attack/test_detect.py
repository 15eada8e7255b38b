from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lowkeyd.attack import detect
from lowkeyd.attack.crop import interocular
from lowkeyd.attack.detect import Detector, _surer, scaled
from lowkeyd.model import Face, Pixels


def test_the_portraits_face_is_found_with_its_landmarks(face: Face) -> None:
    left, top, right, bottom = face.box
    assert 150 < left < right < 300
    assert 30 < top < bottom < 250
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert left_mouth[0] < right_mouth[0]
    assert face.landmarks.shape == (5, 2)
    assert face.probability > 0.99


def test_where_nobody_is_nobody_is_found(detector: Detector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    assert detector.find(noise) == ()
    assert detector.find(np.zeros((400, 300, 3), np.uint8)) == ()


def test_pictures_too_small_for_a_face_are_no_error(detector: Detector) -> None:
    for shape in ((1, 1, 3), (5, 400, 3), (19, 19, 3)):
        assert detector.find(np.zeros(shape, np.uint8)) == ()


def test_faces_come_from_left_to_right(detector: Detector, portrait: Pixels, face: Face) -> None:
    two = np.concatenate([portrait, portrait[:, ::-1]], 1)
    found = detector.find(two)
    assert len(found) == 2
    assert found[0].box[0] < found[1].box[0]


def test_a_large_photo_is_searched_at_a_smaller_size_and_answered_at_its_own(
    detector: Detector, portrait: Pixels, face: Face
) -> None:
    large = portrait.repeat(6, 0).repeat(6, 1)  # 3072 pixels a side
    (found,) = detector.find(large)
    distance = np.linalg.norm(found.landmarks / 6 - face.landmarks, axis=1).mean()
    assert distance < 0.1 * interocular(face.landmarks)


def test_a_small_face_in_a_very_large_photo_is_not_overlooked(detector: Detector, portrait: Pixels, face: Face) -> None:
    small = np.asarray(Image.fromarray(portrait).resize((180, 180)))
    wide = np.full((400, 9000, 3), 128, np.uint8)
    wide[100:280, 7000:7180] = small
    (found,) = detector.find(wide)
    assert 30 < found.box[2] - found.box[0] < 45, "networks know a face of that size"
    distance = np.linalg.norm(found.landmarks - (face.landmarks * 180 / 512 + (7000, 100)), axis=1).mean()
    assert distance < 0.15 * interocular(found.landmarks)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_photo_that_lies_on_its_side_or_head_is_no_photo_without_faces(
    detector: Detector, portrait: Pixels, face: Face, turns: int
) -> None:
    photo = np.ascontiguousarray(np.rot90(portrait[:400], turns))
    expected = _turned(face, turns, 400)
    (found,) = detector.find(photo)
    (again,) = detector.find_again([(photo, found)])
    assert again is not None
    for seen in (found, again):
        assert np.linalg.norm(seen.landmarks - expected, axis=1).mean() < 0.05 * interocular(face.landmarks)
    left, top, right, bottom = found.box
    assert ((left, top) < found.landmarks).all()
    assert (found.landmarks < (right, bottom)).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_who_lies_beside_somebody_who_stands_is_found(
    detector: Detector, portrait: Pixels, face: Face, turns: int
) -> None:
    standing, lying = detector.find(np.concatenate([portrait, np.rot90(portrait, turns)], 1))
    assert np.linalg.norm(standing.landmarks - face.landmarks, axis=1).mean() < 0.05 * interocular(face.landmarks)
    expected = np.array((512, 0)) + _turned(face, turns, 512)
    assert np.linalg.norm(lying.landmarks - expected, axis=1).mean() < 0.05 * interocular(face.landmarks)


def test_of_two_faces_in_one_place_the_one_that_lies_has_to_be_much_surer(face: Face) -> None:
    stands = replace(face, probability=0.99)
    neighbour = Face((1100.0, 1000.0, 1300.0, 1300.0), face.landmarks + 1000, 0.99)
    sure, unsure = replace(face, probability=0.9995), replace(face, probability=0.995)
    assert _surer([stands, neighbour], [unsure, sure]) == [neighbour, sure]
    assert _surer([stands, neighbour], [unsure]) == [stands, neighbour]
    assert _surer([stands], [neighbour]) == [stands, neighbour]
    assert _surer([], [unsure, sure]) == [sure], "one face, seen in two turns"


def _turned(face: Face, turns: int, height: int) -> np.ndarray:
    """Where its landmarks are after quarter turns of the portrait's first rows."""
    x, y = face.landmarks.T
    return np.stack({1: (y, 512 - x), 2: (512 - x, height - y), 3: (height - y, x)}[turns], 1)


def test_a_face_is_found_again_where_it_was_and_nowhere_else(detector: Detector, portrait: Pixels, face: Face) -> None:
    wiped = portrait.copy()
    wiped[:250, 100:350] = 128
    large = portrait.repeat(2, 0).repeat(2, 1)
    again, twice, none = detector.find_again([(portrait, face), (large, scaled(face, 2)), (wiped, face)])
    assert again is not None
    assert np.linalg.norm(again.landmarks - face.landmarks, axis=1).mean() < 0.1 * interocular(face.landmarks)
    assert twice is not None
    assert np.linalg.norm(twice.landmarks / 2 - face.landmarks, axis=1).mean() < 0.1 * interocular(face.landmarks)
    assert none is None
    assert detector.find_again([]) == []


def test_of_more_faces_than_are_looked_at_together_each_is_found_again(
    detector: Detector, portrait: Pixels, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect, "_LOOKS", 2)
    wiped = np.full_like(portrait, 128)
    again = detector.find_again([(portrait, face), (wiped, face), (portrait, face)])
    assert [found is not None for found in again] == [True, False, True]


def test_a_face_that_the_border_cuts_has_its_landmarks_where_they_are(
    detector: Detector, portrait: Pixels, face: Face
) -> None:
    cut = 195  # a hand's breadth of cheek is missing; seen from far alone, the landmarks are half a face beside it
    (found,) = detector.find(portrait[:, cut:])
    distance = np.abs(found.landmarks + np.array((cut, 0)) - face.landmarks).max()
    assert distance < 0.15 * interocular(face.landmarks)
