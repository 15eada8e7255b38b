"""What all tests share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowkeyd.store.queue import Queue
from tests.helpers.library import Library

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; threads that share a core wait for each other
# Under nohup, or started by a script in the background, everything that tests start would be deaf to these.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own configuration and service manager stay out of the tests."""
    for name in ("LOWKEYD_CONFIG", "NOTIFY_SOCKET", "WATCHDOG_USEC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONSAFEPATH", "")  # what the command line sets for its children is not for the next test's


@pytest.fixture(scope="session")
def photo_paths() -> list[Path]:
    """Photos of the folder `photos` in $LOWKEYD_TEST_DATA, for tests that want real ones; skips without it."""
    root = os.environ.get("LOWKEYD_TEST_DATA")
    if not root:
        pytest.skip("LOWKEYD_TEST_DATA names no folder with real photos")
    return sorted(path for path in (Path(root) / "photos").iterdir() if path.is_file())


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """A watched folder, an outbox and a database, without a daemon."""
    with Queue(tmp_path / "db.sqlite3") as photos:
        yield Library(tmp_path, photos)
