"""Photos that a person names are queued at once and before all others, if they are for us and not done already."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from lowkeyd.intake.roots import Roots
from lowkeyd.model import Photo, PhotoKey, State
from lowkeyd.store.bumped import bump
from lowkeyd.store.queue import Queue
from lowkeyd.store.standing import standing

_NOT_OURS = "by its name it is no photo, or one that is ignored: hidden, trash, or in [[watch]] ignore"
_NOT_WATCHED = "the daemon that runs does not watch its folder: have it read its configuration again"


@dataclass(frozen=True)
class HandedIn:
    """How many of them are queued now, are in work, and were done before; and which are not for us, with the reason."""

    queued: int
    running: int
    done: int
    refused: tuple[tuple[str, str, str], ...]


def hand_in(photos: Queue, roots: Roots, asked: Iterable[PhotoKey], now: float, bumped_at: float) -> HandedIn:
    """Queue photos, each where `bumped_at` puts it. What failed is tried again, what is done stays as it is.

    They are not waited for to settle: whoever names a photo says that it is complete, and one that is not waits later.
    """
    offline = roots.offline()
    looks = {place: _look(roots, offline, *place) for place in asked}
    refused = [(*place, look) for place, look in looks.items() if isinstance(look, str)]
    states: list[State] = []
    ours = sorted((look for look in looks.values() if isinstance(look, Photo)), key=lambda photo: photo.watch)
    for watch, mine in groupby(ours, key=lambda photo: photo.watch):
        for path, (state, reason) in _queue(photos, watch, list(mine), now, bumped_at).items():
            states.append(state)
            refused += [(watch, path, reason)] if state is State.IGNORED else []
    return HandedIn(
        sum(state in (State.READY, State.WAITING, State.FAILED) for state in states),
        sum(state in (State.RUNNING, State.PUBLISHING) for state in states),
        sum(state in (State.DONE, State.NO_FACE) for state in states),
        tuple((watch, os.fsdecode(path), reason) for watch, path, reason in refused),
    )


def _look(roots: Roots, offline: dict[str, str], watch: str, path: bytes) -> Photo | str:
    """The photo as it lies there, or why it is not for us."""
    tree = roots.trees.get(watch)
    if tree is None:
        return _NOT_WATCHED
    if watch in offline:
        return f"its folder is offline: {offline[watch]}"
    if not tree.rules.takes(path):
        return _NOT_OURS
    seen = tree.look(path)
    return "no such file" if seen is None else Photo(watch, path, seen.signature, seen.touched_at)


def _queue(
    photos: Queue, watch: str, mine: list[Photo], now: float, bumped_at: float
) -> dict[bytes, tuple[State, str]]:
    photos.offer(photos.unknown(mine), now)
    paths = [photo.path for photo in mine]
    stuck = (State.FAILED, State.WAITING)
    again = [(watch, path) for path, (state, _) in standing(photos, watch, paths).items() if state in stuck]
    if again:
        photos.retry(again, now)
    bump(photos, [(watch, path) for path in paths], bumped_at)
    return standing(photos, watch, paths)
