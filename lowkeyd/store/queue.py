"""The queue: a photo's way from found to done, each step one method and one transaction.

Only the daemon writes, through one connection, so that claims never collide and old SQLite versions cannot meet their
WAL-reset bug. All times are seconds since the epoch, and come from the caller.
"""

import json
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from lowkeyd.errors import StoreError
from lowkeyd.model import Delivery, Job, Photo, PhotoKey, Publication, Signature, Stage, State, Strength
from lowkeyd.store import schema, turns
from lowkeyd.store.judgement import Judgement
from lowkeyd.store.schema import BARRED, GONE, photos

T = TypeVar("T")

_IN_WORK = (State.RUNNING, State.PUBLISHING)
_PATHS_PER_QUERY = 500
_UNJUDGED: dict[str, Any] = {"verdict": None, "strength": None, "fingerprint": None, "seconds": None}
_NOT_PUBLISHING: dict[str, Any] = {"temp": None, "next_path": None, "next_sha256": None}
_FRESH: dict[str, Any] = {
    **{"attempts": 0, "suspect": 0, "interruptions": 0, "superseded": 0, "not_before": 0.0},
    **{"stage": None, "reason": None, "advice": None, "refused": None},
}
"""What a photo begins with, but for its place in the queue: that a person wants it first holds until it is done."""


class Queue:
    """The daemon's side of the database. Methods may be called from any thread, and raise StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = schema.open_for_writing(path)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """For the other modules of this room: the one connection, all or nothing."""
        try:
            with self._lock, self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"{self._path}: {error.__cause__ or error}") from error

    def unknown(self, seen: Sequence[Photo]) -> list[Photo]:
        """Those of the photos that are new, or were written to since their row."""
        fresh = []
        for watch, mine in groupby(seen, key=lambda photo: photo.watch):
            for chunk in chunks(list(mine)):
                known = self._signatures(watch, [photo.path for photo in chunk])
                fresh += [p for p in chunk if known.get(p.path) != (p.signature.size, p.signature.mtime_ns)]
        return fresh

    def _signatures(self, watch: str, paths: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
        # One watch at a time: for pairs of watch and path SQLite would go through the whole table. In plain SQL: every
        # scan asks this for every photo there is.
        gone = f"(state = '{State.IGNORED}' AND stage = '{Stage.ADMIT}')"
        known = f"SELECT path, size, mtime_ns FROM photo WHERE watch = ? AND NOT coalesce({gone}, 0) AND path IN "
        with self.transaction() as connection:
            rows = connection.exec_driver_sql(f"{known} ({', '.join('?' * len(paths))})", (watch, *paths))
            return {path: (size, mtime_ns) for path, size, mtime_ns in rows}

    def offer(self, settled: Sequence[Photo], now: float) -> int:
        """Queue photos that have settled; those whose row is already of this version stay as they are.

        A photo in work only gets its new signature: it is superseded, and done again. Returns how many rows changed.
        """
        if not settled:
            return 0
        new = insert(photos)
        outdated = or_(
            photos.c.size != new.excluded.size,
            photos.c.mtime_ns != new.excluded.mtime_ns,
            GONE,
        )
        # Spelled out, because an IN list cannot be part of a statement for many rows.
        in_work = or_(*(photos.c.state == state for state in _IN_WORK))
        still = {
            "state": case((or_(in_work, BARRED), photos.c.state), else_=literal(State.READY.value)),
            "superseded": case((in_work, literal(1)), else_=literal(0)),
            "stage": case((or_(in_work, BARRED), photos.c.stage), else_=None),
            **{name: case((BARRED, photos.c[name]), else_=None) for name in ("reason", "advice")},
        }
        upsert = new.on_conflict_do_update(
            index_elements=["watch", "path"],
            set_={
                "size": new.excluded.size,
                "mtime_ns": new.excluded.mtime_ns,
                "arrived_at": new.excluded.arrived_at,
                "changed_at": now,
                **_FRESH,
                **still,
            },
            where=outdated,
        )
        rows = [
            {"watch": p.watch, "path": p.path, **asdict(p.signature), "state": State.READY}
            | {"arrived_at": p.arrived_at, "added_at": now, "changed_at": now}
            for p in settled
        ]
        with self.transaction() as connection:
            before = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
            connection.execute(upsert, rows)
            return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one() - before)

    def claim(self, limit: int, now: float, without: Collection[str] = (), *, newest: bool = False) -> list[Job]:
        """Take up to `limit` photos whose time has come; a suspect comes alone.

        The attempt is counted here, before the work, so that a photo that kills the worker cannot do so for ever.
        """
        with self.transaction() as connection:
            due = connection.execute(turns.next_in_line(without, now, limit, newest=newest)).all()
            if not due:
                return []
            wanted = [due[0].id] if due[0].suspect else [row.id for row in due if not row.suspect]
            claimed = connection.execute(
                update(photos)
                .where(photos.c.id.in_(wanted))
                .values(state=State.RUNNING, stage=Stage.ADMIT, reason=None, advice=None)
                .values(attempts=photos.c.attempts + 1, changed_at=now)
                .returning(photos)
            )
            return sorted((_job(row) for row in claimed), key=lambda job: wanted.index(job.id))

    def admit(self, job: Job, sha256: str) -> bool:
        """Note the content. False when the same content is in work under another name: this one has to wait for it."""
        twin = select(photos.c.id).where(photos.c.sha256 == sha256, photos.c.state.in_(_IN_WORK), photos.c.id != job.id)
        mine = update(photos).where(photos.c.id == job.id)
        with self.transaction() as connection:
            if connection.execute(twin.limit(1)).first() is not None:
                return False
            connection.execute(mine.where(photos.c.sha256 != sha256).values(_UNJUDGED))
            connection.execute(mine.values(sha256=sha256))
            return True

    def twin(
        self, job: Job, sha256: str, fingerprint: str, *, weak_too: bool = True
    ) -> tuple[Delivery, Judgement] | None:
        """A delivery of the same content by the same settings: under another name, or the photo's own if it was only
        touched. Weak ones only where they are delivered."""
        query = (
            select(photos)
            .where(photos.c.sha256 == sha256, photos.c.fingerprint == fingerprint)
            .where(or_(photos.c.state == State.DONE, photos.c.id == job.id))
            .where(or_(photos.c.strength != Strength.WEAK, literal(weak_too)))
            .order_by(photos.c.id != job.id)
        )
        with self.transaction() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
        if row is None:
            return None
        judgement = Judgement(row.verdict, row.strength, row.fingerprint, row.seconds)
        return Delivery(row.delivery_path, row.delivery_sha256), judgement

    def is_delivery(self, sha256: str) -> bool:
        """Whether this very content is a copy of ours, come back by another way."""
        query = select(photos.c.id).where(photos.c.delivery_sha256 == sha256, photos.c.state == State.DONE)
        with self.transaction() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def delivered(self, job: int) -> Delivery | None:
        """What an earlier version of this photo left in the outbox: the only file that its next version may replace."""
        query = select(photos.c.delivery_path, photos.c.delivery_sha256).where(photos.c.id == job)
        with self.transaction() as connection:
            row = connection.execute(query).one()
        return None if row.delivery_path is None else Delivery(row.delivery_path, row.delivery_sha256)

    def stage(self, job: int, stage: Stage) -> None:
        """Note how far a photo in work has come."""
        with self.transaction() as connection:
            connection.execute(
                update(photos).where(photos.c.id == job, photos.c.state == State.RUNNING).values(stage=stage)
            )

    def publishing(self, job: Job, publication: Publication, judgement: Judgement | None, now: float) -> bool:
        """Announce the file that is about to appear in the outbox; there is no judgement on a copy without faces.

        False when the original changed since the claim: this result is not to be published, and the row is ready again.
        """
        announced = {
            **(asdict(judgement) if judgement else _UNJUDGED),
            "state": State.PUBLISHING,
            "stage": Stage.PUBLISH,
            "temp": publication.temp,
            "next_path": publication.delivery.path,
            "next_sha256": publication.delivery.sha256,
            "changed_at": now,
        }
        with self.transaction() as connection:
            if connection.execute(update(photos).where(_current(job)).values(announced)).rowcount == 1:
                return True
            connection.execute(_again(job, now))
            return False

    def done(self, job: int, now: float) -> None:
        """The announced file is in place, and on the disk: protected, or without faces and so not judged. If it was
        superseded at the last moment, the photo is ready again."""
        outcome = case(
            (photos.c.superseded == 1, literal(State.READY.value)),
            (photos.c.verdict.is_(None), literal(State.NO_FACE.value)),
            else_=literal(State.DONE.value),
        )
        with self.transaction() as connection:
            connection.execute(
                update(photos)
                .where(photos.c.id == job, photos.c.state == State.PUBLISHING)
                .values(
                    state=outcome,
                    delivery_path=photos.c.next_path,
                    delivery_sha256=photos.c.next_sha256,
                    changed_at=now,
                    **_NOT_PUBLISHING,
                    **_FRESH,
                    bumped_at=0.0,
                )
            )

    def no_face(self, job: Job, now: float) -> None:
        """Nobody to protect, and nothing to deliver."""
        why = {"stage": Stage.DETECT, "reason": "no face was found", "advice": None}
        self._end(job, State.NO_FACE, now, **why, **_UNJUDGED, bumped_at=0.0)

    def fail(self, job: Job, stage: Stage, reason: str, advice: str, now: float, *, refused: str | None = None) -> None:
        """Give up on this version of the photo, until `retry`. `refused`: what was said of a copy, as JSON."""
        self._end(job, State.FAILED, now, stage=stage, reason=reason, advice=advice, refused=refused)

    def ignore(self, job: Job, reason: str, now: float) -> None:
        """The photo is no longer any of our business, until it is seen again."""
        self._end(job, State.IGNORED, now, stage=Stage.ADMIT, reason=reason, advice=None, bumped_at=0.0)

    def leave_alone(self, job: Job, reason: str, advice: str, now: float) -> None:
        """This version of the file is not for us, however often it is seen."""
        self._end(job, State.IGNORED, now, stage=Stage.DECODE, reason=reason, advice=advice, bumped_at=0.0)

    def wait(
        self, job: Job, stage: Stage, reason: str, advice: str, until: float, now: float, *, counted: bool
    ) -> None:
        """Put the photo aside until `until`; the attempt stands only if `counted`."""
        changes = {"not_before": until, "attempts": photos.c.attempts - (0 if counted else 1), "interruptions": 0}
        self._end(job, State.WAITING, now, stage=stage, reason=reason, advice=advice, **changes)

    def release(self, job: Job, now: float, *, until: float = 0.0) -> None:
        """Give the photo back as if it had not been claimed."""
        self._end(job, State.READY, now, stage=None, attempts=photos.c.attempts - 1, not_before=until)

    def suspect(self, job: Job, now: float) -> None:
        """The worker died with this photo in hand; the attempt stands, and the next one is made alone."""
        self._end(job, State.READY, now, stage=None, suspect=1)

    def _end(self, job: Job, state: State, now: float, **values: Any) -> None:
        with self.transaction() as connection:
            changes = {**_unannounced(), "state": state, "changed_at": now, **values}
            if connection.execute(update(photos).where(_current(job)).values(changes)).rowcount == 0:
                connection.execute(_again(job, now))

    def cut_short(self) -> tuple[list[tuple[Job, Stage]], list[Publication]]:
        """What was in work when the last daemon died: photos with the stage they had come to, and publications."""
        running, publishing = (select(photos).where(photos.c.state == state) for state in _IN_WORK)
        with self.transaction() as connection:
            jobs = [(_job(row), Stage(row.stage or Stage.ADMIT)) for row in connection.execute(running)]
            rows = connection.execute(publishing).all()
        return jobs, [Publication(row.id, row.temp, Delivery(row.next_path, row.next_sha256)) for row in rows]

    def interrupt(self, job: Job, now: float, *, counted: bool) -> None:
        """The daemon died with this photo in hand: ready again, but alone. The attempt stands only if `counted`."""
        attempts = photos.c.attempts - (0 if counted else 1)
        more = photos.c.interruptions + 1
        self._end(job, State.READY, now, stage=None, suspect=1, interruptions=more, attempts=attempts)

    def requeue(self, job: int, now: float) -> None:
        """A publication that was cut short left nothing: do it again, uncounted."""
        values = {**_NOT_PUBLISHING, **_UNJUDGED, "state": State.READY, "stage": None, "changed_at": now}
        with self.transaction() as connection:
            publishing = update(photos).where(photos.c.id == job, photos.c.state == State.PUBLISHING)
            # The attempts of a photo that was written to meanwhile start afresh, as all that is about the new version.
            connection.execute(publishing.where(photos.c.superseded == 1).values(_FRESH | values))
            connection.execute(publishing.values(attempts=photos.c.attempts - 1, **values))

    def retry(self, paths: Iterable[PhotoKey] | None, now: float) -> int:
        """Make failed and waiting photos ready: the given ones, or all. Returns how many."""
        return self._start_over((State.FAILED, State.WAITING), paths, now)

    def redo(self, paths: Iterable[PhotoKey], now: float) -> int:
        """Make those of the given photos ready that are done, or have no face. Returns how many."""
        return self._start_over((State.DONE, State.NO_FACE), paths, now)

    def _start_over(self, ended: Sequence[State], paths: Iterable[PhotoKey] | None, now: float) -> int:
        again = update(photos).values(state=State.READY, changed_at=now, **_FRESH)
        with self.transaction() as connection:
            if paths is None:
                return connection.execute(again.where(photos.c.state.in_(ended))).rowcount
            # One watch at a time, as in `_signatures`; and by path: by state, it would go through all that are done.
            mine = again.where(literal_column("+photo.state").in_(ended))
            return sum(
                connection.execute(mine.where(photos.c.watch == watch, photos.c.path.in_(chunk))).rowcount
                for watch, places in groupby(sorted(paths), key=itemgetter(0))
                for chunk in chunks([path for _, path in places])
            )

    def clock_set_back(self, by_s: float, now: float) -> None:
        """Photos that wait do so for as long as they were to."""
        waiting = update(photos).where(photos.c.not_before > now)
        with self.transaction() as connection:
            connection.execute(waiting.values(not_before=photos.c.not_before - by_s))

    def is_due(self, now: float, without: Collection[str] = ()) -> bool:
        """Whether `claim` would find a photo."""
        with self.transaction() as connection:
            return connection.execute(turns.next_in_line(without, now, 1, newest=True)).first() is not None

    def counts(self, without: Collection[str] = ()) -> dict[State, int]:
        """How many photos stand where, but for those of some watches."""
        query = select(photos.c.state, func.count()).where(photos.c.watch.not_in(without)).group_by(photos.c.state)
        with self.transaction() as connection:
            return {State(state): count for state, count in connection.execute(query)}

    def failed_since(self, moment: float) -> int:
        """How many photos have failed since then."""
        query = select(func.count()).where(photos.c.state == State.FAILED, photos.c.changed_at >= moment)
        with self.transaction() as connection:
            return connection.scalar(query) or 0

    def last_report(self) -> dict[str, Any] | None:
        """What the last sign of life said."""
        with self.transaction() as connection:
            report: str | None = connection.scalar(select(schema.daemon.c.report))
        return None if report is None else dict(json.loads(report))

    def beat(self, pid: int, started_at: float, now: float, report: dict[str, Any]) -> None:
        """Leave a sign of life, with what workers and watches are doing."""
        row = {"id": 1, "pid": pid, "started_at": started_at, "beat_at": now, "report": json.dumps(report)}
        statement = insert(schema.daemon).values(row).on_conflict_do_update(index_elements=["id"], set_=row)
        with self.transaction() as connection:
            connection.execute(statement)


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many as one statement names."""
    return (items[start : start + _PATHS_PER_QUERY] for start in range(0, len(items), _PATHS_PER_QUERY))


def _in_work(job: Job) -> ColumnElement[bool]:
    return and_(photos.c.id == job.id, photos.c.state.in_(_IN_WORK))


def _current(job: Job) -> ColumnElement[bool]:
    return and_(_in_work(job), photos.c.superseded == 0)


def _unannounced() -> dict[str, Any]:
    """Takes back a publication, and the judgement that came with it."""
    announced = photos.c.state == State.PUBLISHING
    return _NOT_PUBLISHING | {name: case((announced, None), else_=photos.c[name]) for name in _UNJUDGED}


def _again(job: Job, now: float) -> Update:
    """The original was written to while it was in work: whatever came of it, the new version starts afresh."""
    return update(photos).where(_in_work(job)).values(state=State.READY, changed_at=now, **_unannounced(), **_FRESH)


def _job(row: Row[Any]) -> Job:
    photo = Photo(row.watch, row.path, Signature(row.size, row.mtime_ns))
    return Job(row.id, photo, row.attempts, bool(row.suspect), row.interruptions)
