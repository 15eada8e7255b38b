"""Between a photo of any size and faces at the size they are worked on at.

The optimisation sees a square around each face, shrunk with anti-aliasing; only the difference it finds is enlarged and
added to the photo. So the cost does not depend on megapixels, and what was found survives resizing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from lowkeyd.attack import align
from lowkeyd.attack.align import Points
from lowkeyd.attack.filters import rescaling
from lowkeyd.attack.pixels import to_levels, to_planes, to_unit
from lowkeyd.model import Face, Pixels, Place

WORKING_PX = 128
SIDE = 3.4
"""Of the square, in interocular distances: from the forehead to the chin and a little air."""
_RIM = 0.06
"""Width of the border over which the change fades out, as a share of the side: no edge is to be seen."""


def interocular(landmarks: npt.NDArray[np.float32]) -> float:
    """The distance between the eyes, in the landmarks' own pixels."""
    return float(np.linalg.norm(landmarks[1] - landmarks[0]))


@dataclass(frozen=True)
class Square:
    """A square of a photo in whole pixels; it may reach over the photo's border."""

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, face: Face, side: float) -> "Square":
        """Centred on the landmarks' mean, `side` interocular distances wide."""
        size = max(2, round(side * interocular(face.landmarks)))
        x, y = face.landmarks.mean(0)
        return cls(round(float(x) - size / 2), round(float(y) - size / 2), size)

    def take(self, photo: Pixels) -> Pixels:
        """The square's pixels, side x side x 3; beyond the photo's border its edge goes on. Not to be written to:
        they may be the photo itself."""
        rows, rim_rows = _stretch(self.top, self.side, photo.shape[0])
        columns, rim_columns = _stretch(self.left, self.side, photo.shape[1])
        taken = photo[rows, columns]
        if not any(rim_rows + rim_columns):
            return taken
        return np.pad(taken, (rim_rows, rim_columns, (0, 0)), mode="edge")

    def inside(self, landmarks: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
        """Landmarks in pixels of the square shrunk to `size`."""
        corner = np.array((self.left, self.top), np.float32)
        return (landmarks - corner) * np.float32(size / self.side)

    def arrives(self, shape: tuple[int, ...], size: int) -> Tensor:
        """What of a difference at working size is seen in a photo of `shape`, along rows and columns: two matrices,
        2 x size x size. Pixels that the square lacks cannot hold it, and beyond the photo's border it is lost."""
        kept = rescaling(size, min(1.0, self.side / size))
        centres = (torch.arange(size) + 0.5) * (self.side / size)
        spans = ((self.top, shape[0]), (self.left, shape[1]))
        return torch.stack([kept * ((centres > -start) & (centres < limit - start))[:, None] for start, limit in spans])

    def overlap(self, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Where photo (of `shape`) and square meet: rows and columns of the photo, and of the square."""
        spans = []
        for start, length in ((self.top, shape[0]), (self.left, shape[1])):
            first, last = max(start, 0), min(start + self.side, length)
            spans.append((slice(first, max(first, last)), slice(first - start, max(first, last) - start)))
        (rows, own_rows), (columns, own_columns) = spans
        return (rows, columns), (own_rows, own_columns)


def _stretch(start: int, length: int, limit: int) -> tuple[slice, tuple[int, int]]:
    """Which of `length` pixels from `start` a photo of `limit` pixels has, at least one, and how many are missing at
    either end."""
    first = min(max(start, 0), limit - 1)
    past = max(min(start + length, limit), first + 1)
    before = min(first - min(start, first), length - 1)
    return slice(first, past), (before, length - before - (past - first))


def shrink(photo: Pixels, square: Square, size: int) -> Tensor:
    """The square at working size: 1 x 3 x size x size, [0, 1], rounded to whole levels."""
    return to_unit(resize(to_planes(square.take(photo)), size))


@dataclass(frozen=True)
class WorkingFaces:
    """Faces as the optimisation takes them."""

    squares: Sequence[Square]
    x: Tensor  # N x 3 x S x S, [0, 1]
    points: Points  # N x 7 x 2, pixels of x
    arriving: Tensor  # N x 2 x S x S: what of a difference is seen in the photo, as `Square.arrives` says

    @classmethod
    def of(cls, places: Sequence[Place]) -> "WorkingFaces":
        """Of faces in photos."""
        squares, x, points = closeups(places, SIDE, WORKING_PX)
        arriving = [square.arrives(photo.shape, WORKING_PX) for (photo, _), square in zip(places, squares, strict=True)]
        return cls(squares, x, points, torch.stack(arriving))

    def __len__(self) -> int:
        return len(self.x)

    def part(self, which: slice) -> "WorkingFaces":
        """Some of them."""
        return WorkingFaces(self.squares[which], self.x[which], self.points[which], self.arriving[which])


def closeups(places: Sequence[Place], side: float, size: int) -> tuple[list[Square], Tensor, Points]:
    """Of faces in photos: squares `side` interocular distances wide, what is in them (N x 3 x size x size, [0, 1]), and
    the faces' points there (N x 7 x 2)."""
    squares = [Square.around(face, side) for _, face in places]
    x = torch.cat([shrink(photo, square, size) for (photo, _), square in zip(places, squares, strict=True)])
    points = [square.inside(align.points(face), size) for (_, face), square in zip(places, squares, strict=True)]
    return squares, x, np.stack(points)


def resize(x: Tensor, size: int | tuple[int, int]) -> Tensor:
    """N x 3 x H x W to another height and width, or to a square, anti-aliased when it shrinks; bytes stay bytes."""
    return F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)


def rim_mask(size: int) -> Tensor:
    """1 inside, falling to 0 at the border like a cosine: 1 x 1 x size x size."""
    from_border = torch.minimum(torch.arange(size) + 0.5, size - 0.5 - torch.arange(size)) / size
    ramp = 0.5 - 0.5 * torch.cos(torch.pi * (from_border / _RIM).clamp(max=1.0))
    return (ramp[:, None] * ramp)[None, None]


@dataclass(frozen=True)
class Difference:
    """What is to be added to one square of a photo."""

    square: Square
    delta: Tensor  # 3 x S x S, [-1, 1], already faded at the rim


def paste(photo: Pixels, differences: Iterable[Difference]) -> Pixels:
    """Add differences to a copy of the photo, enlarged.

    Where faces overlap they add up. Pixels in no square stay as they are. Memory: the copy and one square.
    """
    changed = photo.copy()
    for difference in differences:
        enlarged = to_levels(resize(difference.delta[None], difference.square.side))
        in_photo, in_square = difference.square.overlap(photo.shape)
        changed[in_photo] = np.clip(np.rint(changed[in_photo] + enlarged[in_square]), 0, 255)
    return changed
