"""The stage `detect`: faces and their five landmarks, by MTCNN (Zhang et al., 2016) with facenet-pytorch's weights."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from facenet_pytorch import MTCNN

from lowkeyd.attack.crop import Square, interocular
from lowkeyd.attack.pixels import to_tensor
from lowkeyd.model import Face, Pixels

Floats = npt.NDArray[np.float32]

_LONGEST_SIDE_PX = 1600
"""Larger photos are shrunk first: faces that are too small then are too small to be recognised."""
_MIN_FACE_PX = 20
_MIN_PROBABILITY = 0.9
_LOOK_SIDE = 6.0
"""Around a known face, in interocular distances: room enough for the detector to find its own way."""
_LOOK_PX = 224
_MIN_NEAR_FACE_PX = 40
"""A known face is about 75 pixels wide there."""
_SAME_FACE = 0.5
"""Two detections nearer than this, in interocular distances between their landmarks, are of one face."""


class Detector:
    """MTCNN on one device."""

    def __init__(self, device: str) -> None:
        self._far, self._near = (
            MTCNN(keep_all=True, min_face_size=size, device=torch.device(device)).eval()
            for size in (_MIN_FACE_PX, _MIN_NEAR_FACE_PX)
        )

    def find(self, photo: Pixels) -> tuple[Face, ...]:
        """Every face in the photo, from left to right; none is an outcome."""
        scale = min(1.0, _LONGEST_SIDE_PX / max(photo.shape[:2]))
        (faces,) = self._detect(self._far, _shrink(photo, scale)[None])
        return tuple(sorted((scaled(face, 1 / scale) for face in faces), key=lambda face: face.box[0]))

    def find_again(self, places: Sequence[tuple[Pixels, Face]]) -> list[Face | None]:
        """Faces in changed copies of their photos, each looked for near its old place, all in one go.

        None for those that the detector no longer finds there.
        """
        squares = [Square.around(face, _LOOK_SIDE) for _, face in places]
        looks = [_to_size(square.take(photo), _LOOK_PX) for (photo, _), square in zip(places, squares, strict=True)]
        found = self._detect(self._near, np.stack(looks)) if looks else []
        return [
            _nearest([_placed(f, square) for f in faces], face)
            for faces, square, (_, face) in zip(found, squares, places, strict=True)
        ]

    @torch.inference_mode()
    def _detect(self, mtcnn: MTCNN, pictures: Pixels) -> list[list[Face]]:
        """Faces of pictures of one size, N x H x W x 3."""
        if min(pictures.shape[1:3]) < _MIN_FACE_PX:
            return [[] for _ in pictures]
        return [_faces(*found) for found in zip(*mtcnn.detect(pictures, landmarks=True), strict=True)]


def _faces(boxes: Floats | None, probabilities: Floats, landmarks: Floats) -> list[Face]:
    if boxes is None:
        return []
    return [
        Face((float(left), float(top), float(right), float(bottom)), points.astype(np.float32), float(probability))
        for (left, top, right, bottom), probability, points in zip(boxes, probabilities, landmarks, strict=True)
        if probability >= _MIN_PROBABILITY and interocular(points) > 1
    ]


def _nearest(found: list[Face], face: Face) -> Face | None:
    distances = [float(np.linalg.norm(f.landmarks - face.landmarks, axis=1).mean()) for f in found]
    if not found or min(distances) > _SAME_FACE * interocular(face.landmarks):
        return None
    return found[int(np.argmin(distances))]


def _shrink(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return _resized(pixels, (height, width))


def _to_size(square: Pixels, size_px: int) -> Pixels:
    return _resized(square, (size_px, size_px))


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    resized = F.interpolate(to_tensor(pixels), size, mode="bilinear", antialias=True)
    levels: Pixels = resized[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    return levels


def scaled(face: Face, factor: float) -> Face:
    """The same face in a photo of another size."""
    left, top, right, bottom = (side * factor for side in face.box)
    return Face((left, top, right, bottom), face.landmarks * np.float32(factor), face.probability)


def _placed(face: Face, square: Square) -> Face:
    """From the look at a square to the photo."""
    moved = scaled(face, square.side / _LOOK_PX)
    left, top, right, bottom = moved.box
    x, y = square.left, square.top
    return Face(
        (left + x, top + y, right + x, bottom + y), moved.landmarks + np.array((x, y), np.float32), face.probability
    )
