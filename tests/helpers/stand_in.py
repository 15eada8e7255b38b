"""The tests' stand-in for the networks: it does to a photo what the photo's own bytes ask for, and needs no torch.

Everything around it is real: the process, the connection, the worker's loop. A photo is a text whose first words say
what happens to it (see `OUTCOMES`); any other content is "protected", by a prefix.
"""

import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from lowkeyd import config
from lowkeyd.errors import (
    ConfigError,
    OptimiserFailed,
    OutOfMemory,
    PhotoError,
    PhotoIncomplete,
    TryLater,
    UnreadablePhoto,
    WeightsError,
)
from lowkeyd.model import FaceVerdict, NoFace, Protected, Score, Stage, Verdict, Visibility
from lowkeyd.worker import worker as real
from lowkeyd.worker.messages import Outcome, Reached, Stepped

PREFIX = b"protected by the stand-in: "


def serve(connection: Connection, settings: config.Config, _device: str) -> None:
    """What a worker child does in the tests."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    copies = settings.outbox.no_face == "copy"
    real.serve_with(lambda: StandIn(copies), connection, settings.worker)


def serve_without_weights(connection: Connection, settings: config.Config, _device: str) -> None:
    """A worker that can never work here."""

    def load() -> "StandIn":
        raise WeightsError("no weights: the stand-in says so")

    real.serve_with(load, connection, settings.worker)


def serve_on(device: Path, connection: Connection, settings: config.Config, _device: str) -> None:
    """A worker on a device that is there while a file is, which says what it is called."""

    def load() -> "StandIn":
        stand_in = StandIn()
        try:
            stand_in.device = device.read_text()
        except OSError as error:
            raise ConfigError("the device is gone: the stand-in says so") from error
        return stand_in

    real.serve_with(load, connection, settings.worker)


def serve_when(permission: Path, connection: Connection, settings: config.Config, _device: str) -> None:
    """A worker that takes as long to start as a file is missing."""

    def load() -> "StandIn":
        while not permission.exists():
            time.sleep(0.02)
        return StandIn()

    real.serve_with(load, connection, settings.worker)


def serve_never(_connection: Connection, *_: object) -> None:
    """A worker that dies before it is ready."""
    os._exit(3)


class StandIn:
    """Takes the place of `lowkeyd.worker.protect.Protector`."""

    device = "stand-in"

    def __init__(self, copies: bool = False) -> None:
        self._copies = copies

    def run(
        self, photos: Iterable[tuple[int, Callable[[], bytes]]], tell: Callable[[Reached[int] | Stepped], None]
    ) -> Iterator[tuple[int, Outcome]]:
        for key, read in photos:
            tell(Reached(key, Stage.DECODE))
            try:
                content = read()
            except (PhotoError, TryLater) as error:
                yield key, error
                continue
            tell(Reached(key, Stage.OPTIMISE))
            tell(Stepped(1, 2))
            ended = outcome(content)
            faceless = self._copies and isinstance(ended, NoFace)
            yield key, NoFace(0.1, PREFIX + content, ".jpg") if faceless else ended


def outcome(content: bytes) -> Outcome:
    for words, happens in OUTCOMES.items():
        if content.startswith(words):
            return happens(content)
    return protected(content)


def protected(content: bytes, after: float = 1.0) -> Protected:
    score = Score(
        "stand-in", attacked=False, threshold=0.6, before=0.0, after=after, shared=after,
        similarity_before=1.0, similarity_after=1 - after,
    )  # fmt: skip
    face = FaceVerdict((0.0, 0.0, 9.0, 9.0), True, (score,), Visibility(0.01, 40.0, 0.99, 0.5))
    return Protected(PREFIX + content, ".jpg", Verdict((face,), "balanced"), 0.5)


def slow(content: bytes) -> Protected:
    """`slow 0.5 ...` takes half a second."""
    time.sleep(float(content.split()[1]))
    return protected(content)


def unique(content: bytes) -> Protected:
    """No two optimisations give the same copy: equal copies were optimised once."""
    return protected(content + b" " + os.urandom(8).hex().encode())


def crash(_: bytes) -> Outcome:
    os.abort()


def defect(_: bytes) -> Outcome:
    raise ZeroDivisionError("a defect, staged")


def hang(_: bytes) -> Outcome:
    while True:
        time.sleep(60)


OUTCOMES: dict[bytes, Callable[[bytes], Outcome]] = {
    b"no face": lambda _: NoFace(0.1),
    b"weak": lambda content: protected(content, after=0.1),
    b"unreadable": lambda _: UnreadablePhoto("is no picture"),
    b"incomplete": lambda _: PhotoIncomplete("its end is missing"),
    b"failing": lambda _: OptimiserFailed("the optimiser failed"),
    b"hungry": lambda _: OutOfMemory("the stand-in is out of memory"),
    b"slow": slow,
    b"unique": unique,
    b"crash": crash,
    b"defect": defect,
    b"hang": hang,
}
