"""The nouns: what a photo is on its way from the watched folder to the outbox."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # the command line and the daemon hold no pixels, and start in half the time without it
    import numpy as np
    import numpy.typing as npt

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
"""H x W x 3 RGB, 0..255: what the rooms hand to each other."""


class State(StrEnum):
    """Where a photo stands. These words are the values in SQLite and in `status --json`."""

    READY = "ready"
    RUNNING = "running"
    PUBLISHING = "publishing"
    WAITING = "waiting"
    DONE = "done"
    NO_FACE = "no_face"
    FAILED = "failed"
    IGNORED = "ignored"


class Stage(StrEnum):
    """One step of a photo's way; the file that does it carries the same name."""

    WATCH = "watch"
    SETTLE = "settle"
    ADMIT = "admit"
    DECODE = "decode"
    DETECT = "detect"
    OPTIMISE = "optimise"
    ENCODE = "encode"
    VERIFY = "verify"
    PUBLISH = "publish"


class Strength(StrEnum):
    """What the recognisers made of a protected face or photo.

    `failed`: a network that was attacked still accepts the file as delivered, so the attack did not do its work.
    `weak`: some recogniser accepts it, as delivered or as a social network would store it. `protected`: none does.
    """

    PROTECTED = "protected"
    WEAK = "weak"
    FAILED = "failed"


_FROM_BEST = (Strength.PROTECTED, Strength.WEAK, Strength.FAILED)


PhotoKey = tuple[str, bytes]
"""What a photo is known by: its watch, and its path below the watch's folder."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face as the detector found it, in pixels of the photo, origin at the top left corner.

    `box` is left, top, right, bottom; `landmarks` is 5 x 2 (x, y): left eye, right eye, nose, left and right mouth
    corner, left and right as seen in the picture.
    """

    box: tuple[float, float, float, float]
    landmarks: "npt.NDArray[np.float32]"
    probability: float


Place: TypeAlias = "tuple[Pixels, Face]"
"""A face in a photo."""


@dataclass(frozen=True)
class Score:
    """What one recogniser says about one face: Euclidean distances between the original face and published ones.

    `after` is for the protected file as delivered, `shared` for that file as a social network would store it, `before`
    for the unprotected photo as such a network would; the similarities are cosines of embeddings, `before` and
    `after`. A recogniser takes two faces for one person when their distance is below `threshold`. `sha256` is of the
    file of its weights.
    """

    network: str
    attacked: bool
    threshold: float
    before: float
    after: float
    shared: float
    similarity_before: float
    similarity_after: float
    sha256: str = ""

    @property
    def accepted(self) -> bool:
        """Whether this recogniser still matches the protected face to the original, in either form."""
        return min(self.after, self.shared) < self.threshold


@dataclass(frozen=True)
class Visibility:
    """How much of the change can be seen on one face, all four measures together because each can be bought off alone.

    `lpips`: LPIPS-Alex on the face box at 160 px; `psnr_db` there; `ssim`: luma SSIM of the face box, averaged down to
    about 256 px where it is larger; `chroma`: mean absolute Cb and Cr difference (0..255) after 8 x 8 averaging.
    """

    lpips: float
    psnr_db: float
    ssim: float
    chroma: float


@dataclass(frozen=True)
class FaceVerdict:
    """One face of the delivered file, detected afresh and judged. If it is not found, the old landmarks stand."""

    box: tuple[float, float, float, float]
    found_again: bool
    scores: tuple[Score, ...]
    visibility: Visibility

    @property
    def strength(self) -> Strength:
        """What the recognisers make of this face."""
        if any(score.attacked and score.after < score.threshold for score in self.scores):
            return Strength.FAILED
        return Strength.WEAK if any(score.accepted for score in self.scores) else Strength.PROTECTED


@dataclass(frozen=True)
class Verdict:
    """The recognisers' word on one delivered photo. `preset` is the strongest that one of its faces was given; `tried`
    is a stronger one that was tried besides, and was no better."""

    faces: tuple[FaceVerdict, ...]
    preset: str
    tried: str | None = None

    @property
    def strength(self) -> Strength:
        """As strong as its weakest face."""
        return max((face.strength for face in self.faces), key=_FROM_BEST.index, default=Strength.PROTECTED)

    @property
    def exposure(self) -> tuple[int, int]:
        """What two copies of a photo are compared by, less is better: how bad their worst face is, which decides about
        delivery, then how often a recogniser took a protected face for the original one."""
        accepted = sum(score.accepted for face in self.faces for score in face.scores)
        return _FROM_BEST.index(self.strength), accepted

    @property
    def recognised(self) -> dict[int, FaceVerdict]:
        """Faces that some recogniser still accepts, by their number from left to right."""
        return {n: face for n, face in enumerate(self.faces, 1) if face.strength is not Strength.PROTECTED}

    @property
    def told(self) -> str:
        """Which faces are still recognised, and by whom."""
        names = sorted({score.network for face in self.recognised.values() for score in face.scores if score.accepted})
        return f"{_which(list(self.recognised), len(self.faces))} still recognised, by {', '.join(names)}"

    @property
    def independent(self) -> bool:
        """Whether any recogniser that was not attacked had a say; without one, a verdict proves little."""
        return any(not score.attacked for face in self.faces for score in face.scores)


def _which(numbers: Sequence[int], faces: int) -> str:
    """Which of a photo's faces."""
    if len(numbers) == faces:
        return "its face is" if faces == 1 else f"all of its {faces} faces are"
    *first, last = map(str, numbers)
    several = f"faces {', '.join(first)} and {last}" if first else f"face {last}"
    return f"{several} of {faces}, from the left, {'are' if first else 'is'}"


@dataclass(frozen=True)
class Protected:
    """A protected copy, not yet in the outbox. `suffix` is the new file's, with its dot; `left_out` says in words what
    of the original file has no place in it."""

    content: bytes = field(repr=False)
    suffix: str
    verdict: Verdict
    seconds: float
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoFace:
    """An outcome, not an error: there is nobody to protect in this photo. `content` is its copy, where one is wanted:
    unchanged, and with what metadata may go along; `suffix` is the new file's, with its dot."""

    seconds: float
    content: bytes | None = field(default=None, repr=False)
    suffix: str = ""


@dataclass(frozen=True)
class Signature:
    """What tells, without reading it, whether a file was written to."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Photo:
    """A file in a watched folder: `path` is relative to the folder of watch `watch`, as the bytes the disk has.
    `arrived_at`, seconds since the epoch, is about when it came there."""

    watch: str
    path: bytes
    signature: Signature
    arrived_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Job:
    """A claimed photo. `attempts` counts this one; `suspect` jobs run alone, because their last batch died;
    `interruptions` are ends of the daemon itself, in a row, that it had no chance to prepare for."""

    id: int
    photo: Photo
    attempts: int
    suspect: bool
    interruptions: int = 0


@dataclass(frozen=True)
class Delivery:
    """A file in the outbox: its path relative to the outbox's folder, and the SHA-256 of its bytes."""

    path: bytes
    sha256: str


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256: what identifies content everywhere in lowkeyd."""
    return hashlib.sha256(content).hexdigest()


def readable(path: bytes | str | os.PathLike[str]) -> str:
    """A path as people and logs see it: what is no printable text, such as a line break, is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in os.fsdecode(path))


PHOTO_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif",
    ".heic", ".heif", ".hif",
})  # fmt: skip
"""Which names are taken for photos, lower case; what is inside decides how they are read."""

RAW_SUFFIXES = frozenset({
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".raf", ".orf", ".rw2", ".pef", ".srw",
    ".3fr", ".iiq", ".x3f", ".mrw", ".kdc", ".dcr", ".erf", ".mef", ".mos", ".rwl",
})  # fmt: skip
"""Names of cameras' RAW files, lower case: they are left alone, and listed with the reason."""


@dataclass(frozen=True)
class Publication:
    """A delivery under way: the hidden file `temp` (relative to the outbox) is about to become `delivery`."""

    job: int
    temp: bytes
    delivery: Delivery
