"""Photos that a person wants before all others."""

from collections.abc import Iterable

from sqlalchemy import update

from lowkeyd.model import PhotoKey
from lowkeyd.store import turns
from lowkeyd.store.queue import Queue
from lowkeyd.store.schema import photos


def bump(queue: Queue, paths: Iterable[PhotoKey], now: float) -> int:
    """Have queued photos done first; of several wishes the last counts most. Returns how many are queued.

    Raises StoreError.
    """
    queued = update(photos).where(turns.unfinished()).values(bumped_at=now)
    with queue.transaction() as connection:
        wishes = (queued.where(photos.c.watch == watch, photos.c.path == path) for watch, path in paths)
        return sum(connection.execute(wish).rowcount for wish in wishes)
