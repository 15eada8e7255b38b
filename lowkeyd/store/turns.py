"""Whose turn it is: the order of the queue, as parts of statements."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, TextClause, bindparam, text

from lowkeyd.model import State
from lowkeyd.store.schema import photos

LONGEST_WAIT_S = 6 * 3600.0
"""No photo is told to wait for longer: one that would have to was told so before the clock was set back."""
_ORDERS = {
    True: ("photo_newest", "bumped_at DESC, arrived_at DESC, id DESC"),
    False: ("photo_oldest", "bumped_at DESC, arrived_at, id"),
}


def unfinished() -> ColumnElement[bool]:
    """Photos that may be claimed some day."""
    return photos.c.state.in_((State.READY, State.WAITING))


def next_in_line(without: Collection[str], now: float, limit: int, *, newest: bool) -> TextClause:
    """The next photos whose time has come, as rows of id and suspect: what a person has bumped, then by arrival. Those
    of the watches `without` may not be claimed now.

    In plain SQL, and with its index by name: left alone, SQLite would sort the whole queue for a handful of photos.
    """
    index, order = _ORDERS[newest]
    query = f"""SELECT id, suspect FROM photo INDEXED BY {index}
        WHERE state IN ('{State.READY}', '{State.WAITING}') AND watch NOT IN :without
        AND (not_before <= :now OR not_before > :never) ORDER BY {order} LIMIT :limit"""
    values = {"now": now, "never": now + LONGEST_WAIT_S, "limit": limit}
    return text(query).bindparams(bindparam("without", list(without), expanding=True), **values)
