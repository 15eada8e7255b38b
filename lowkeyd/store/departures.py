"""Photos whose files went away: renamed, moved or deleted. Who they were is still known, and what was delivered."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, func, not_, or_, select, update

from lowkeyd.model import Delivery, Job, Stage, State
from lowkeyd.store.judgement import Judgement
from lowkeyd.store.queue import Queue
from lowkeyd.store.schema import BARRED, GONE, photos

_HAS_ENDED = or_(photos.c.state.in_((State.DONE, State.NO_FACE, State.FAILED)), GONE)
"""Also with a copy of an earlier version, when the last one failed, or went away before its turn."""
_IDLE = and_(photos.c.state.not_in((State.RUNNING, State.PUBLISHING)), not_(BARRED))
_OF_THE_COPY = ("delivery_path", "delivery_sha256", "verdict", "strength", "fingerprint", "seconds")
_ROWS_PER_QUERY = 1000


@dataclass(frozen=True)
class Delivered:
    """A photo that has a copy: where its file is or was, the copy, since when the file is missing, and whether the copy
    is of what the file held last."""

    id: int
    watch: str
    path: bytes
    delivery: Delivery
    judgement: Judgement | None
    missing_at: float | None
    is_done: bool


class Departures:
    """Questions and changes about them, in the queue's database. Methods raise StoreError."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def alike(self, job: Job, sha256: str) -> list[Delivered]:
        """Photos of the same content and date under other names: one of them may be this one before it was renamed.
        None of them is if this one was done before, under its own name, and is only to be done once more."""
        signature = job.photo.signature
        same = select(photos).where(
            photos.c.delivery_path.is_not(None), photos.c.sha256 == sha256, photos.c.mtime_ns == signature.mtime_ns
        )
        judged = select(photos.c.fingerprint).where(photos.c.id == job.id)  # kept as long as the content is the same
        with self._queue.transaction() as connection:
            if connection.scalar(judged) is not None:
                return []
            rows = connection.execute(same.where(photos.c.id != job.id, _IDLE)).all()
        return [_of_row(row) for row in rows]

    def of(self, watch: str) -> Iterator[Delivered]:
        """All of a watch, streamed."""
        last = 0
        while True:
            query = _delivered().where(photos.c.watch == watch, photos.c.id > last).order_by(photos.c.id)
            with self._queue.transaction() as connection:
                rows = connection.execute(query.limit(_ROWS_PER_QUERY)).all()
            yield from (_of_row(row) for row in rows)
            if not rows:
                return
            last = rows[-1].id

    def failed(self, watch: str) -> list[tuple[int, bytes]]:
        """Photos that failed, by their number and path."""
        query = select(photos.c.id, photos.c.path).where(photos.c.watch == watch, photos.c.state == State.FAILED)
        with self._queue.transaction() as connection:
            return [(row.id, row.path) for row in connection.execute(query)]

    def give_up(self, ids: Collection[int], reason: str, now: float) -> None:
        """Photos that failed are no longer any of our business, until their files are seen again."""
        changes = {"state": State.IGNORED, "stage": Stage.ADMIT, "reason": reason, "advice": None, "changed_at": now}
        with self._queue.transaction() as connection:
            for number in ids:
                mine = update(photos).where(photos.c.id == number, photos.c.state == State.FAILED)
                connection.execute(mine.values(changes))

    def unfinished(self) -> bool:
        """Whether a photo is queued or in work: it may be one that is missing elsewhere."""
        query = select(func.count()).where(photos.c.state.in_((State.READY, State.RUNNING, State.PUBLISHING)))
        with self._queue.transaction() as connection:
            return bool(connection.scalar(query))

    def note_missing(self, ids: Collection[int], missing_at: float | None) -> None:
        """Remember since when the files of these photos are missing, or that they are there again."""
        with self._queue.transaction() as connection:
            for number in ids:
                connection.execute(update(photos).where(photos.c.id == number).values(missing_at=missing_at))

    def inherit(self, job: Job, number: int, reason: str, now: float) -> bool:
        """The photo goes on under its new name with the copy of its old one, which lets go of it in the same moment.
        False when the new one has a copy of its own, or the old one is in work: then both stay as they are."""
        with self._queue.transaction() as connection:
            old = connection.execute(select(photos).where(photos.c.id == number, _IDLE)).one_or_none()
            if old is None:
                return False
            mine = update(photos).where(photos.c.id == job.id, photos.c.delivery_path.is_(None))
            if connection.execute(mine.values({name: getattr(old, name) for name in _OF_THE_COPY})).rowcount == 0:
                return False
            connection.execute(update(photos).where(photos.c.id == number).values(_gone(reason, now)))
            return True

    def depart(self, number: int, reason: str, now: float) -> None:
        """The photo is no longer any of our business, nor is its copy, until its file is seen again."""
        ended = update(photos).where(photos.c.id == number, _HAS_ENDED)
        with self._queue.transaction() as connection:
            connection.execute(ended.values(_gone(reason, now)))


def _gone(reason: str, now: float) -> dict[str, Any]:
    nothing: dict[str, Any] = dict.fromkeys((*_OF_THE_COPY, "missing_at", "advice"))
    return nothing | {"state": State.IGNORED, "stage": Stage.ADMIT, "reason": reason, "changed_at": now}


def _delivered() -> Select[Any]:
    return select(photos).where(_HAS_ENDED, photos.c.delivery_path.is_not(None))


def _of_row(row: Row[Any]) -> Delivered:
    judgement = Judgement(row.verdict, row.strength, row.fingerprint, row.seconds) if row.verdict else None
    delivery = Delivery(row.delivery_path, row.delivery_sha256)
    return Delivered(row.id, row.watch, row.path, delivery, judgement, row.missing_at, row.state == State.DONE)
