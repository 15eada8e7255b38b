"""What lies where in the state folder."""

from pathlib import Path


def database(state: Path) -> Path:
    """The SQLite file."""
    return state / "lowkeyd.sqlite3"


def control_socket(state: Path) -> Path:
    """Where a running daemon answers."""
    return state / "control.sock"


def lock_file(state: Path) -> Path:
    """Held by a running daemon."""
    return state / "lowkeyd.lock"


def backups(state: Path) -> Path:
    """The folder of the database's backups."""
    return state / "backups"
