"""What the daemon has to remember beside photos: which folders it watched, and whether it is paused."""

from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, not_, select
from sqlalchemy.dialects.sqlite import insert

from lowkeyd.store import schema
from lowkeyd.store.queue import Queue
from lowkeyd.store.schema import pauses, photos, roots


@dataclass(frozen=True)
class KnownRoot:
    """A watched folder as it was last walked: its path, which folder that was, and whether there were photos in it."""

    path: bytes
    identity: str
    filled: bool


@dataclass(frozen=True)
class Pause:
    """A person wants no work done: why, since when, and until when (seconds since the epoch) if it ends by itself."""

    reason: str
    since: float
    until: float | None


class Notes:
    """Kept in the queue's database, by its connection. Methods raise StoreError."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def roots(self) -> dict[str, KnownRoot]:
        """By the watch's name."""
        with self._queue.transaction() as connection:
            rows = connection.execute(select(roots)).all()
        return {row.watch: KnownRoot(row.path, row.identity, bool(row.filled)) for row in rows}

    def note_root(self, watch: str, root: KnownRoot) -> None:
        """Remember it from now on."""
        row = {"watch": watch, **asdict(root)}
        statement = insert(schema.roots).values(row).on_conflict_do_update(index_elements=["watch"], set_=row)
        with self._queue.transaction() as connection:
            connection.execute(statement)

    def pause(self) -> Pause | None:
        """What was noted last, whether or not it is over."""
        with self._queue.transaction() as connection:
            row = connection.execute(select(pauses)).one_or_none()
        return None if row is None else Pause(row.reason, row.since, row.until)

    def note_pause(self, pause: Pause | None) -> None:
        """Remember it from now on; None ends it."""
        with self._queue.transaction() as connection:
            connection.execute(delete(pauses))
            if pause is not None:
                connection.execute(pauses.insert().values(id=1, **asdict(pause)))

    def some_paths(self, watch: str, limit: int) -> list[bytes]:
        """Where photos of the watch were: those that came last, which may have gone together, and any others."""
        here = select(photos.c.path).where(photos.c.watch == watch, not_(func.coalesce(schema.GONE, False)))
        with self._queue.transaction() as connection:
            newest = connection.scalars(here.order_by(photos.c.id.desc()).limit(limit // 2)).all()
            return [*newest, *connection.scalars(here.order_by(func.random()).limit(limit // 2))]
