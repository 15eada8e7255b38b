"""State and reason of photos, by path."""

from collections.abc import Sequence

from sqlalchemy import select

from lowkeyd.model import State
from lowkeyd.store.queue import Queue
from lowkeyd.store.schema import photos

_PATHS_PER_QUERY = 500


def standing(queue: Queue, watch: str, paths: Sequence[bytes]) -> dict[bytes, tuple[State, str]]:
    """The state of each photo that is known, and the reason for it, by its path below the watch's folder.

    Raises StoreError.
    """
    columns = select(photos.c.path, photos.c.state, photos.c.reason).where(photos.c.watch == watch)
    with queue.transaction() as connection:
        chunks = (paths[start : start + _PATHS_PER_QUERY] for start in range(0, len(paths), _PATHS_PER_QUERY))
        rows = (row for chunk in chunks for row in connection.execute(columns.where(photos.c.path.in_(chunk))))
        return {row.path: (State(row.state), row.reason or "") for row in rows}
