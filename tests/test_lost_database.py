"""The whole daemon after its database was damaged: nothing is optimised twice, and nothing is forgotten."""

from pathlib import Path

import pytest

from lowkeyd.imaging.metadata import xmp
from lowkeyd.store import location
from tests.helpers.home import Home

MARK = xmp.packet(xmp.NO_XMP, mark=True)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_damaged_database_is_rebuilt_from_backup_and_outbox(home: Home) -> None:
    for name in ("a.jpg", "deep/b.jpg"):
        home.drop(name, b"unique " + name.encode() + MARK)
    with home.daemon() as daemon:
        home.await_counts(done=2)
        daemon.end()
    before = home.delivered()
    database = location.database(home.state)
    content = database.read_bytes()
    database.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    home.drop("new.jpg", b"unique new" + MARK)
    with home.daemon() as daemon:
        home.await_counts(done=3)
        daemon.end()
        assert "database lost" in daemon.log()
    after = home.delivered()
    assert {name: after[name] for name in before} == before, "no second optimisation, which would look different"
    assert set(after) == {*before, "new.jpg"}
    assert len(list(home.state.glob("lowkeyd.sqlite3.damaged-*"))) == 1
    assert list(location.backups(home.state).glob("daily-*")), "each start sees to a backup"
