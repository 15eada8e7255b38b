"""State and reason of photos, by path."""

from collections.abc import Sequence

from sqlalchemy import select

from lowkeyd.model import State
from lowkeyd.store.queue import Queue, chunks
from lowkeyd.store.schema import photos


def standing(queue: Queue, watch: str, paths: Sequence[bytes]) -> dict[bytes, tuple[State, str]]:
    """The state of each photo that is known, and the reason for it, by its path below the watch's folder.

    Raises StoreError.
    """
    columns = select(photos.c.path, photos.c.state, photos.c.reason).where(photos.c.watch == watch)
    with queue.transaction() as connection:
        rows = (row for chunk in chunks(paths) for row in connection.execute(columns.where(photos.c.path.in_(chunk))))
        return {row.path: (State(row.state), row.reason or "") for row in rows}
