"""The stage `detect`: faces and their five landmarks, by MTCNN (Zhang et al., 2016) with facenet-pytorch's weights."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from facenet_pytorch import MTCNN

from lowkeyd.attack.crop import interocular
from lowkeyd.attack.pixels import to_tensor
from lowkeyd.model import Face, Pixels

_LONGEST_SIDE_PX = 1600
"""Larger photos are shrunk first: faces that are too small then are too small to be recognised."""
_MIN_FACE_PX = 20
_MIN_PROBABILITY = 0.9
_LOOK_SIDE = 6.0
"""Around a known face, in interocular distances: room enough for the detector to find its own way."""
_LOOK_PX = 320
_SAME_FACE = 0.5
"""Two detections nearer than this, in interocular distances between their landmarks, are of one face."""


class Detector:
    """MTCNN on one device."""

    def __init__(self, device: str) -> None:
        self._mtcnn = MTCNN(keep_all=True, min_face_size=_MIN_FACE_PX, device=torch.device(device)).eval()

    def find(self, photo: Pixels) -> tuple[Face, ...]:
        """Every face in the photo, from left to right; none is an outcome."""
        scale = min(1.0, _LONGEST_SIDE_PX / max(photo.shape[:2]))
        faces = self._detect(_shrink(photo, scale))
        return tuple(sorted((_scaled(face, 1 / scale) for face in faces), key=lambda face: face.box[0]))

    def find_again(self, photo: Pixels, faces: Sequence[Face]) -> tuple[Face | None, ...]:
        """The same faces in a changed copy of their photo: None for those that the detector no longer finds."""
        return tuple(self._find_near(photo, face) for face in faces)

    def _find_near(self, photo: Pixels, face: Face) -> Face | None:
        left, top, right, bottom = _surroundings(face, photo)
        part = photo[top:bottom, left:right]
        scale = min(1.0, _LOOK_PX / max(part.shape[:2]))
        offset = np.array((left, top), np.float32)
        found = [_moved(_scaled(f, 1 / scale), offset) for f in self._detect(_shrink(part, scale))]
        distances = [np.linalg.norm(f.landmarks - face.landmarks, axis=1).mean() for f in found]
        if not found or min(distances) > _SAME_FACE * interocular(face.landmarks):
            return None
        return found[int(np.argmin(distances))]

    @torch.inference_mode()
    def _detect(self, pixels: Pixels) -> list[Face]:
        if min(pixels.shape[:2]) < _MIN_FACE_PX:
            return []
        boxes, probabilities, landmarks = self._mtcnn.detect(pixels, landmarks=True)
        if boxes is None:
            return []
        return [
            Face((float(left), float(top), float(right), float(bottom)), points.astype(np.float32), float(probability))
            for (left, top, right, bottom), probability, points in zip(boxes, probabilities, landmarks, strict=True)
            if probability >= _MIN_PROBABILITY and interocular(points) > 1
        ]


def _shrink(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    small = F.interpolate(to_tensor(pixels), (height, width), mode="bilinear", antialias=True)
    shrunk: Pixels = small[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    return shrunk


def _surroundings(face: Face, photo: Pixels) -> tuple[int, int, int, int]:
    centre, half = face.landmarks.mean(0), _LOOK_SIDE / 2 * interocular(face.landmarks)
    height, width = photo.shape[:2]
    left, top = (max(0, int(side - half)) for side in centre)
    right, bottom = min(width, int(centre[0] + half) + 1), min(height, int(centre[1] + half) + 1)
    return left, top, right, bottom


def _scaled(face: Face, factor: float) -> Face:
    left, top, right, bottom = (side * factor for side in face.box)
    return Face((left, top, right, bottom), face.landmarks * np.float32(factor), face.probability)


def _moved(face: Face, offset: np.ndarray) -> Face:
    x, y = (float(value) for value in offset)
    left, top, right, bottom = face.box
    return Face((left + x, top + y, right + x, bottom + y), face.landmarks + offset, face.probability)
