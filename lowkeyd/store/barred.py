"""Photos that a person wants left alone for good, whether they were seen before or not."""

from collections.abc import Iterable

from sqlalchemy import update
from sqlalchemy.dialects.sqlite import insert

from lowkeyd.model import PhotoKey, Stage, State
from lowkeyd.store.queue import Queue
from lowkeyd.store.schema import BARRED
from lowkeyd.store.schema import photos as table

_WHY = {"stage": Stage.WATCH, "reason": "you said so", "advice": "`lowkeyd ignore --undo` takes that back."}
_UNTRIED = {"attempts": 0, "suspect": 0, "interruptions": 0, "superseded": 0, "not_before": 0.0, "bumped_at": 0.0}


def bar(photos: Queue, paths: Iterable[PhotoKey], now: float) -> int:
    """Leave these alone from now on; work on them is thrown away. Returns how many: one that is being published at
    this very moment is not among them."""
    told = {"state": State.IGNORED, "changed_at": now, **_WHY, **_UNTRIED}
    rows = [
        {"watch": watch, "path": path, "size": 0, "mtime_ns": 0, "added_at": now, **told} for watch, path in paths
    ]  # not looked at: the next scan fills in size and time, and leaves the rest
    upsert = insert(table).on_conflict_do_update(
        index_elements=["watch", "path"], set_=told, where=table.c.state != State.PUBLISHING
    )
    with photos.transaction() as connection:
        return sum(connection.execute(upsert, row).rowcount for row in rows)


def unbar(photos: Queue, paths: Iterable[PhotoKey], now: float) -> int:
    """Take that back. Returns how many were barred."""
    free = {"state": State.READY, "stage": None, "reason": None, "advice": None, "changed_at": now}
    with photos.transaction() as connection:
        return sum(
            connection.execute(
                update(table).where(table.c.watch == watch, table.c.path == path, BARRED).values(free)
            ).rowcount
            for watch, path in paths
        )
