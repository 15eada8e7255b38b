"""Whose turn it is: the order of the queue, as parts of statements."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, and_, or_, select

from lowkeyd.model import State
from lowkeyd.store.schema import photos

LONGEST_WAIT_S = 6 * 3600.0
"""No photo is told to wait for longer: one that would have to was told so before the clock was set back."""


def unfinished(without: Collection[str]) -> ColumnElement[bool]:
    """Photos that may be claimed some day; those of the watches `without` may not now."""
    queued = photos.c.state.in_((State.READY, State.WAITING))
    return and_(queued, photos.c.watch.not_in(without)) if without else queued


def due(without: Collection[str], now: float) -> ColumnElement[bool]:
    """Those whose time has come."""
    not_before = photos.c.not_before
    return and_(unfinished(without), or_(not_before <= now, not_before > now + LONGEST_WAIT_S))


def of(due: ColumnElement[bool], limit: int, newest_first: bool) -> Select[tuple[int, int]]:
    """Whose turn is next: what a person has bumped, then by arrival."""
    columns = (photos.c.arrived_at, photos.c.id)
    by_arrival = [column.desc() if newest_first else column for column in columns]
    return (
        select(photos.c.id, photos.c.suspect).where(due).order_by(photos.c.bumped_at.desc(), *by_arrival).limit(limit)
    )
