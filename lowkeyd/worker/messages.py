"""What the daemon and a worker child say to each other. Apart from both, so that listening needs no torch."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from lowkeyd.errors import PhotoError, TryLater
from lowkeyd.model import NoFace, Protected, Stage

K = TypeVar("K", bound=Hashable)

Outcome = Protected | NoFace | PhotoError | TryLater
"""How a photo can end."""


@dataclass(frozen=True)
class Task:
    """A photo to protect: its file's absolute path, and the content that was admitted."""

    job: int
    path: bytes
    sha256: str


@dataclass(frozen=True)
class Ready:
    """The networks are loaded on `device`, `seconds` after the process began to run our code."""

    device: str
    seconds: float


@dataclass(frozen=True)
class Unfit:
    """The worker cannot work here, and a restart will not change that."""

    message: str


@dataclass(frozen=True)
class Reached(Generic[K]):
    """Photo `key` has come to a stage."""

    key: K
    stage: Stage


@dataclass(frozen=True)
class Stepped:
    """The optimisation has done so many steps, of all that it has to do for the `faces` in hand."""

    done: int
    total: int
    faces: int = 0


@dataclass(frozen=True)
class Finished:
    """What became of a task."""

    job: int
    outcome: Outcome


@dataclass(frozen=True)
class BatchDone:
    """All tasks that were sent are finished; `peak_mb` is the most memory the process has held."""

    peak_mb: float


@dataclass(frozen=True)
class Broken:
    """A defect of ours, about to end the process."""

    trace: str
