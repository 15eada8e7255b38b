"""A database of every schema that was ever released opens, whole, whatever happens on the way."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lowkeyd.errors import StoreError
from lowkeyd.store import location, migrations, schema
from lowkeyd.store.queue import Queue
from lowkeyd.store.version import SCHEMA_VERSION
from tests.helpers.home import REPOSITORY, environment

FIXTURES = sorted(Path(__file__).parent.glob("schema-*.sql"))

KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from lowkeyd.store import migrations, queue, schema
def arm(connection, _entry):
    connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
migrations.STEPS[2] = (*migrations.STEPS[2], "DELETE FROM photo", "SELECT die()")
prepare = schema._prepare
def prepare_and_arm(connection, entry):
    prepare(connection, entry)
    arm(connection, entry)
schema._prepare = prepare_and_arm
queue.Queue(Path(sys.argv[1]))
"""
"""Dies by kill -9 in the middle of a step that has changed everything already."""


def restored(fixture: Path, state: Path) -> Path:
    state.mkdir()
    path = location.database(state)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(fixture.read_text(encoding="utf-8"))
    return path


def photos(path: Path) -> list[dict[str, object]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM photo ORDER BY id")]


def same_photos(path: Path, before: list[dict[str, object]]) -> bool:
    """Nothing lost and nothing changed; there may be more columns than there were."""
    after = photos(path)
    return len(after) == len(before) and all(old.items() <= new.items() for old, new in zip(before, after, strict=True))


def shape(path: Path) -> dict[str, object]:
    """What the file is made of: columns in whatever order, indexes, triggers."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        made: dict[str, object] = {name: (kind, " ".join(sql.split())) for kind, name, sql in connection.execute(query)}
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = connection.execute(
                f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{table}')"
            )
            unique = connection.execute(f"SELECT \"unique\", origin, partial FROM pragma_index_list('{table}')")
            made[table] = (sorted(columns.fetchall()), sorted(unique.fetchall()))
        return made


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found


def test_there_is_a_file_of_every_older_schema() -> None:
    assert [fixture.stem for fixture in FIXTURES] == [f"schema-{n}" for n in range(1, migrations.NEWEST)]


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_an_old_database_keeps_every_photo_and_gets_the_shape_of_a_new_one(fixture: Path, tmp_path: Path) -> None:
    path = restored(fixture, tmp_path / "old")
    before = photos(path)
    with Queue(path), Queue(tmp_path / "new.sqlite3"):
        pass
    assert same_photos(path, before)
    assert shape(path) == shape(tmp_path / "new.sqlite3")
    assert version(path) == schema.SCHEMA_VERSION


def test_a_backup_from_before_the_upgrade_is_kept(tmp_path: Path) -> None:
    path = restored(FIXTURES[0], tmp_path / "state")
    before = photos(path)
    with Queue(path):
        pass
    (backup,) = location.backups(path.parent).iterdir()
    assert (version(backup), photos(backup)) == (1, before)
    with Queue(path):
        pass
    assert len(list(location.backups(path.parent).iterdir())) == 1, "without an upgrade there is none"


def test_kill_9_in_the_middle_of_an_upgrade_leaves_the_data_as_it_was_and_the_next_start_upgrades(
    tmp_path: Path,
) -> None:
    path = restored(FIXTURES[0], tmp_path / "state")
    before = photos(path)
    program = [sys.executable, "-c", KILLED, str(path)]
    killed = subprocess.run(program, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (version(path), photos(path)) == (1, before)
    with Queue(path):
        pass
    assert version(path) == schema.SCHEMA_VERSION
    assert same_photos(path, before)


def test_without_room_for_a_backup_nothing_is_changed(tmp_path: Path) -> None:
    path = restored(FIXTURES[0], tmp_path / "state")
    location.backups(path.parent).write_text("in the way")
    with pytest.raises(StoreError, match="cannot be backed up"):
        Queue(path)
    assert version(path) == 1


def test_the_version_that_is_known_without_the_tables_is_the_newest() -> None:
    assert migrations.NEWEST == SCHEMA_VERSION
