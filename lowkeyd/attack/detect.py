"""The stage `detect`: faces and their five landmarks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lowkeyd.attack.cascade import PROPOSED, Cascade, Found
from lowkeyd.attack.crop import Square, interocular, resize
from lowkeyd.attack.pixels import to_planes
from lowkeyd.model import Face, Pixels, Place

_LONGEST_SIDE_PX, _SMALLEST_SCALE = 1600, 0.4
"""Larger photos are shrunk first, to that side, but no more than to that scale: faces of 32 pixels, which networks know
nearly as well as large ones, are then still found in photos of any size."""
_TURNED_SIDE_PX = 640
"""To learn how a photo has to be turned it is shrunk to that: three looks take two thirds of the one before."""
_MIN_FACE_PX = 20
_MIN_PROBABILITY = 0.9
_ASIDE_SIDE_PX, _ASIDE_PROPOSED, _ASIDE_PROBABILITY = 192, 0.9, 0.97
"""People who lie beside others are looked for in a square of that side, which finds faces of a twelfth of the photo's;
and the first network has to be surer, which loses none of them and halves what the others have to look at."""
_SURER = 10.0
"""A face aside takes the place of an upright one only if its doubt, 1 - probability, is so many times smaller. Profiles
that stand are sometimes hardly less likely than nonsense that lies; those who lie are beyond doubt."""
_LOOK_SIDE = 6.0
"""Around a known face, in interocular distances: room enough for the detector to find its own way."""
_LOOK_PX = 224
_LOOKS = 64
"""Looked at together: each takes 2 MB, and a photo may have hundreds of faces."""
_MIN_NEAR_FACE_PX = 40
"""A known face is about 75 pixels wide there."""
_SAME_FACE = 0.5
"""Two detections nearer than this, in interocular distances between their landmarks, are of one face."""


class Detector:
    """MTCNN on one device."""

    def __init__(self, device: str) -> None:
        self._cascade = Cascade(device)

    def find(self, photo: Pixels) -> tuple[Face, ...]:
        """Every face in the photo, from left to right; none is an outcome.

        Where nobody is, or nobody who still is a face from near, the photo may lie on its side or upside down, as scans
        do, and is looked at turned. Beside people who stand, others may lie.
        """
        far, near = self._far_and_near(photo)
        turns = 0 if any(near) else self._turns(photo, far)
        if turns:
            far, near = self._far_and_near(photo, turns)
        found = [second or first for first, second in zip(far, near, strict=True)]
        aside = self._aside(photo, turns) if found else []
        return tuple(sorted(_surer(_distinct(found), aside), key=lambda face: face.box[0]))

    def _far_and_near(self, photo: Pixels, turns: int = 0) -> tuple[list[Face], list[Face | None]]:
        """Faces that are upright after so many quarter turns, counterclockwise: in the photo as a whole, and each once
        more from near, where landmarks come out truer, above all at the photo's border."""
        scale = min(1.0, max(_SMALLEST_SCALE, _LONGEST_SIDE_PX / max(photo.shape[:2])))
        far = self._from_far(photo, scale, turns)
        return far, self.find_again([(photo, face) for face in far])

    def _from_far(self, photo: Pixels, scale: float, turns: int) -> list[Face]:
        """Those in the photo at that scale."""
        (faces,) = self._detect(np.rot90(_shrink(photo, scale), turns)[None], _MIN_FACE_PX)
        return [_turned_back(scaled(face, 1 / scale), turns, photo.shape) for face in faces]

    def _turns(self, photo: Pixels, upright: list[Face]) -> int:
        """After how many quarter turns the photo shows most faces; 0 where no more than as it is."""
        small = _shrink(photo, min(1.0, _TURNED_SIDE_PX / max(photo.shape[:2])))
        looks = [upright, *(self._from_far(small, 1.0, turns) for turns in (1, 2, 3))]
        return int(np.argmax([sum(face.probability for face in faces) for faces in looks]))

    def _aside(self, photo: Pixels, turns: int) -> list[Face]:
        """Faces that are upright only after other than so many quarter turns. From near they have to be surer than
        others: few people lie, and much else looks a little like a face in one of three turns."""
        picture, scale = _framed(photo, _ASIDE_SIDE_PX)
        others = [other for other in range(4) if other != turns]
        looks = self._detect(np.stack([np.rot90(picture, o) for o in others]), _MIN_FACE_PX, _ASIDE_PROPOSED)
        seen = [_turned_back(face, o, picture.shape) for o, faces in zip(others, looks, strict=True) for face in faces]
        near = self.find_again([(photo, scaled(face, 1 / scale)) for face in seen])
        return [face for face in near if face is not None and face.probability >= _ASIDE_PROBABILITY]

    def find_again(self, places: Sequence[Place]) -> list[Face | None]:
        """Faces in changed copies of their photos, each looked for near its old place, all in one go.

        None for those that the detector no longer finds there.
        """
        looks = [_Look(Square.around(face, _LOOK_SIDE), _turns_upright(face)) for _, face in places]
        pictures = [look.take(photo) for look, (photo, _) in zip(looks, places, strict=True)]
        parts = (pictures[start : start + _LOOKS] for start in range(0, len(pictures), _LOOKS))
        found = [faces for part in parts for faces in self._detect(np.stack(part), _MIN_NEAR_FACE_PX)]
        return [
            _nearest([look.placed(f) for f in faces], face)
            for look, faces, (_, face) in zip(looks, found, places, strict=True)
        ]

    def _detect(self, pictures: Pixels, min_face_px: int, proposed: float = PROPOSED) -> list[list[Face]]:
        """Faces of pictures of one size, N x H x W x 3, the largest first; `proposed` as the cascade takes it."""
        if min(pictures.shape[1:3]) < min_face_px:
            return [[] for _ in pictures]
        faces: list[list[Face]] = [[] for _ in pictures]
        levels = torch.tensor(np.ascontiguousarray(pictures))
        for picture, face in _faces(self._cascade.find(levels, min_face_px, proposed)):
            faces[picture].append(face)
        return [sorted(of_one, key=_area, reverse=True) for of_one in faces]


def _faces(found: Found) -> Iterator[tuple[int, Face]]:
    """Those that can be relied on, each with the number of its picture."""
    columns = (column.cpu().numpy() for column in (found.pictures, found.boxes, found.landmarks))
    for picture, (left, top, right, bottom, probability), landmarks in zip(*columns, strict=True):
        if probability >= _MIN_PROBABILITY and interocular(landmarks) > 1:
            box = (float(left), float(top), float(right), float(bottom))
            yield int(picture), Face(box, landmarks, float(probability))


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def _distinct(faces: list[Face]) -> list[Face]:
    """Two looks may have ended at the same face."""
    kept: list[Face] = []
    for face in faces:
        if _nearest(kept, face) is None:
            kept.append(face)
    return kept


def _nearest(found: list[Face], face: Face) -> Face | None:
    distances = [float(np.linalg.norm(f.landmarks - face.landmarks, axis=1).mean()) for f in found]
    if not found or min(distances) > _SAME_FACE * interocular(face.landmarks):
        return None
    return found[int(np.argmin(distances))]


def _surer(found: list[Face], aside: list[Face]) -> list[Face]:
    """Faces, and those aside that are elsewhere or much surer than what is in their place: somebody who lies is often
    taken for somebody who stands, with eyes where the mouth is."""
    for face in sorted(aside, key=lambda face: face.probability, reverse=True):
        rivals = [other for other in found if _within(face, other)]
        if all(_SURER * (1 - face.probability) < 1 - rival.probability for rival in rivals):
            found = [other for other in found if other not in rivals] + [face]
    return found


def _within(face: Face, other: Face) -> bool:
    """Whether the middle of a face is in another one's box."""
    left, top, right, bottom = other.box
    x, y = face.landmarks.mean(0)
    return bool(left <= x <= right and top <= y <= bottom)


def _framed(photo: Pixels, side: int) -> tuple[Pixels, float]:
    """The photo, shrunk where it is larger, in the corner of a square, and its scale there: squares of one size can be
    turned and looked at together."""
    small = _shrink(photo, min(1.0, side / max(photo.shape[:2])))
    height, width = small.shape[:2]
    framed = np.zeros((side, side, 3), np.uint8)
    framed[:height, :width] = small
    return framed, width / photo.shape[1]


def _shrink(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return _resized(pixels, (height, width))


def _resized(pixels: Pixels, size: int | tuple[int, int]) -> Pixels:
    levels: Pixels = resize(to_planes(pixels), size)[0].permute(1, 2, 0).numpy()
    return levels


def scaled(face: Face, factor: float) -> Face:
    """The same face in a photo of another size."""
    left, top, right, bottom = (side * factor for side in face.box)
    return Face((left, top, right, bottom), face.landmarks * np.float32(factor), face.probability)


def _turns_upright(face: Face) -> int:
    """How many quarter turns, counterclockwise, leave the face upright, or nearly."""
    x, y = face.landmarks[3:].mean(0) - face.landmarks[:2].mean(0)  # from the eyes to the mouth
    return round(-math.atan2(x, y) / (math.pi / 2)) % 4


def _turned_back(face: Face, turns: int, shape: tuple[int, ...]) -> Face:
    """From a picture after so many quarter turns, counterclockwise, to the picture of `shape` as it is."""
    for still_turned in reversed(range(turns)):
        width = shape[1 - still_turned % 2]  # of the picture after this step back
        (left, top, right, bottom), points = face.box, face.landmarks
        landmarks = np.stack([width - points[:, 1], points[:, 0]], 1)
        face = Face((width - bottom, left, width - top, right), landmarks, face.probability)
    return face


@dataclass(frozen=True)
class _Look:
    """A square around a face, at the size that the detector sees it in, and turned so that the face is upright."""

    square: Square
    turns: int

    def take(self, photo: Pixels) -> Pixels:
        return np.rot90(_resized(self.square.take(photo), _LOOK_PX), self.turns)

    def placed(self, face: Face) -> Face:
        """From the look to the photo."""
        moved = scaled(_turned_back(face, self.turns, (_LOOK_PX, _LOOK_PX)), self.square.side / _LOOK_PX)
        left, top, right, bottom = moved.box
        x, y = self.square.left, self.square.top
        box = (left + x, top + y, right + x, bottom + y)
        return Face(box, moved.landmarks + np.array((x, y), np.float32), face.probability)
