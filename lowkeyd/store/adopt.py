"""Rows for photos that were done before the database was lost."""

import time

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from lowkeyd.model import Delivery, Photo, State
from lowkeyd.store.queue import Queue
from lowkeyd.store.schema import photos as table

_REASON = "known from the outbox alone: the database was lost, and the verdict with it"


def deliveries(photos: Queue) -> dict[bytes, int]:
    """Where copies of finished photos lie, relative to the outbox, with the time stamp that each should have."""
    query = select(table.c.delivery_path, table.c.mtime_ns).where(
        table.c.delivery_path.is_not(None), table.c.state.in_((State.DONE, State.NO_FACE))
    )
    with photos.transaction() as connection:
        return {row.delivery_path: row.mtime_ns for row in connection.execute(query)}


def adopt(photos: Queue, photo: Photo, sha256: str, delivery: Delivery) -> None:
    """Note what lies in the outbox for a photo: it is done."""
    now = time.time()
    told = {
        "size": photo.signature.size,
        "mtime_ns": photo.signature.mtime_ns,
        **{"state": State.DONE, "reason": _REASON, "stage": None, "advice": None, "not_before": 0.0},
        **{"attempts": 0, "suspect": 0, "interruptions": 0, "superseded": 0, "changed_at": now},
        **{"verdict": None, "strength": None, "fingerprint": None, "seconds": None},
        **{"temp": None, "next_path": None, "next_sha256": None},
        **{"sha256": sha256, "delivery_path": delivery.path, "delivery_sha256": delivery.sha256},
    }
    row = insert(table).values(watch=photo.watch, path=photo.path, added_at=now, **told)
    with photos.transaction() as connection:
        connection.execute(row.on_conflict_do_update(index_elements=["watch", "path"], set_=told))


def has_delivery(photos: Queue, photo: Photo) -> bool:
    """Whether a photo, as it is now, has a copy in the outbox already."""
    mine = (table.c.watch == photo.watch, table.c.path == photo.path, table.c.mtime_ns == photo.signature.mtime_ns)
    query = select(table.c.id).where(*mine, table.c.delivery_path.is_not(None), table.c.state == State.DONE)
    with photos.transaction() as connection:
        return connection.execute(query).first() is not None
