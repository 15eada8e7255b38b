"""What people ask for between two looks at status: asked of the daemon if one runs, and done in its stead if not.

The database has one writer, so that a command never writes while a daemon lives.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lowkeyd import config
from lowkeyd.intake.check import check_folders
from lowkeyd.intake.hand_in import HandedIn
from lowkeyd.intake.hand_in import hand_in as hand_in_photos
from lowkeyd.intake.outbox_disk import OutboxDisk
from lowkeyd.intake.roots import Roots, trees
from lowkeyd.model import PhotoKey
from lowkeyd.store import location, lock
from lowkeyd.store.barred import bar, unbar
from lowkeyd.store.bumped import bump as bump_photos
from lowkeyd.store.notes import Notes, Pause
from lowkeyd.store.queue import Queue
from lowkeyd.work.control import ask
from lowkeyd.work.gate import Gate

_AT_ONCE = 1000
"""Photos that one question names: whoever asks the daemon something else meanwhile is answered soon."""
_PATIENCE_S = 10.0
"""With a daemon that has just started or reloads its configuration, after which much is to be tried again."""


def answer(question: Any, photos: Queue, gate: Gate, roots: Roots, disk: OutboxDisk) -> dict[str, Any]:
    """The daemon's side: do what is asked. Raises ValueError for what is no question."""
    reply: dict[str, Any]
    match question:
        case {"retry": None}:
            reply = {"retried": photos.retry(None, time.time())}
        case {"retry": [*asked]}:
            named = [_key(place) for place in asked]
            there = [place for place in named if _is_there(place, roots)]
            reply = {"retried": photos.retry(named, time.time()) + photos.redo(there, time.time())}
        case {"ignore": [*asked]}:
            reply = {"ignored": bar(photos, [_key(place) for place in asked], time.time())}
        case {"unignore": [*asked]}:
            reply = {"unignored": unbar(photos, [_key(place) for place in asked], time.time())}
        case {"bump": [*asked]}:
            reply = {"bumped": bump_photos(photos, [_key(place) for place in asked], time.time())}
        case {"hand_in": [*asked], "at": int() | float() as at}:
            reply = asdict(hand_in_photos(photos, roots, [_key(place) for place in asked], time.time(), at))
        case {"pause": {"reason": str(reason), "until": int() | float() | None as until}}:
            gate.pause(Pause(reason, time.time(), until))
            reply = {}
        case {"resume": None}:
            reply = {"was_paused": gate.resume()}
        case {"accept": str(watch)} if watch in roots.trees:
            roots.accept(watch)
            reply = {}
        case {"accept_outbox": None}:
            disk.accept()
            reply = {}
        case _:
            raise ValueError(f"no such question: {question!r}")
    return reply


def _is_there(place: PhotoKey, roots: Roots) -> bool:
    """Whether there is a file that a new copy could be made of: where it is gone, the old copy is all there is."""
    tree = roots.trees.get(place[0])
    return tree is not None and tree.look(place[1]) is not None


def retry(settings: config.Config, paths: list[PhotoKey] | None) -> int:
    """Make photos ready again: all that failed or wait, or these, done ones too. Returns how many."""
    if paths is None:
        return int(_have_answered(settings, {"retry": None})["retried"])
    return sum(int(_have_answered(settings, {"retry": part})["retried"]) for part in _in_parts(paths))


def ignore(settings: config.Config, paths: list[PhotoKey], *, undo: bool) -> int:
    """Leave photos alone for good, or take that back. Returns how many."""
    question = "unignore" if undo else "ignore"
    return sum(int(_have_answered(settings, {question: part})[f"{question}d"]) for part in _in_parts(paths))


def bump(settings: config.Config, paths: list[PhotoKey]) -> int:
    """Have queued photos done before all others. Returns how many are queued."""
    return sum(int(_have_answered(settings, {"bump": part})["bumped"]) for part in _in_parts(paths))


def hand_in(settings: config.Config, paths: list[PhotoKey]) -> HandedIn:
    """Have photos of the watched folders queued before all others, whether they were seen before or not."""
    queued, running, done, at = 0, 0, 0, time.time()
    refused: list[tuple[str, str, str]] = []
    for part in _in_parts(paths):
        reply = _have_answered(settings, {"hand_in": part, "at": at})
        queued, running, done = queued + reply["queued"], running + reply["running"], done + reply["done"]
        refused += [(watch, path, why) for watch, path, why in reply["refused"]]
    return HandedIn(queued, running, done, tuple(refused))


def pause(settings: config.Config, reason: str, until: float | None) -> None:
    """Have no photo begun, for ever or until then (seconds since the epoch)."""
    _have_answered(settings, {"pause": {"reason": reason, "until": until}})


def resume(settings: config.Config) -> bool:
    """End a pause. Returns whether there was one."""
    return bool(_have_answered(settings, {"resume": None})["was_paused"])


def accept(settings: config.Config, watch: str) -> None:
    """Take the folder that is there now for the watched one."""
    _have_answered(settings, {"accept": watch})


def accept_outbox(settings: config.Config) -> None:
    """Take the folder that is there now for the outbox."""
    _have_answered(settings, {"accept_outbox": None})


def _have_answered(settings: config.Config, question: dict[str, Any]) -> dict[str, Any]:
    state: Path = settings.state.path
    if lock.is_held(state):
        return ask(location.control_socket(state), question, patience_s=_PATIENCE_S)
    check_folders(settings)
    location.require(location.database(state))
    with lock.hold(state), Queue(location.database(state)) as photos:
        notes = Notes(photos)
        gate, roots = Gate(settings.schedule, (), 0.0, notes), Roots(trees(settings), notes)
        return answer(question, photos, gate, roots, OutboxDisk(settings.outbox.path, notes))


def _in_parts(paths: list[PhotoKey]) -> Iterator[list[tuple[str, str]]]:
    return (_sendable(paths[start : start + _AT_ONCE]) for start in range(0, len(paths), _AT_ONCE))


def _sendable(paths: list[PhotoKey]) -> list[tuple[str, str]]:
    return [(watch, os.fsdecode(path)) for watch, path in paths]


def _key(place: Any) -> PhotoKey:
    match place:
        case [str(watch), str(path)]:
            return watch, os.fsencode(path)
    raise ValueError(f"expected a watch and a path, got {place!r}")
