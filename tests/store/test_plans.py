"""How SQLite finds what the daemon asks for again and again: by an index, however large the library is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from lowkeyd.model import Photo, Signature
from lowkeyd.store.bumped import bump
from lowkeyd.store.queue import Queue
from lowkeyd.store.standing import standing

PATHS = [("inbox", b"a"), ("phone", b"b")]

Asked = list[tuple[str, Any]]


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "db.sqlite3") as queue:
        queue.offer([Photo(watch, path, Signature(1, 1)) for watch, path in PATHS], 0.0)
        yield queue


def plans(photos: Queue, ask: Callable[[Queue], object]) -> list[str]:
    """What SQLite does for the statements about photos."""
    asked: Asked = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(photos._engine, "before_cursor_execute", note)
    ask(photos)
    event.remove(photos._engine, "before_cursor_execute", note)
    with photos.transaction() as connection:
        return [
            row[3]
            for statement, values in asked
            if "photo" in statement
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda photos: photos.claim(8, 1.0, newest=True), "SCAN photo USING INDEX photo_newest"),
        (lambda photos: photos.claim(8, 1.0, ("phone",), newest=False), "SCAN photo USING INDEX photo_oldest"),
        (lambda photos: photos.is_due(1.0, ("phone",)), "SCAN photo USING INDEX photo_newest"),
        (lambda photos: photos.is_delivery("d"), "photo_by_delivery (delivery_sha256=? AND state=?)"),
        (lambda photos: photos.retry(PATHS, 1.0), "(watch=? AND path=?)"),
        (lambda photos: photos.redo(PATHS, 1.0), "(watch=? AND path=?)"),
        (lambda photos: bump(photos, PATHS, 1.0), "(watch=? AND path=?)"),
        (lambda photos: standing(photos, "inbox", [b"a"]), "(watch=? AND path=?)"),
        (lambda photos: photos.unknown([Photo("inbox", b"a", Signature(1, 1))]), "(watch=? AND path=?)"),
    ],
    ids=[
        "claim the newest",
        "claim the oldest",
        "is_due",
        "is_delivery",
        "retry",
        "redo",
        "bump",
        "standing",
        "unknown",
    ],
)
def test_it_takes_the_index_made_for_it_and_sorts_nothing(
    photos: Queue, ask: Callable[[Queue], object], index: str
) -> None:
    found = plans(photos, ask)
    assert any(index in step for step in found), found
    assert not any("TEMP B-TREE" in step for step in found), found
    assert not any(step == "SCAN photo" or "(state=?)" in step for step in found), found
