"""What lies where in the state folder."""

from pathlib import Path

from lowkeyd.errors import StoreError


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


def hook_memory(state: Path) -> Path:
    """What the hook was told last."""
    return state / "hook.json"


def require(database: Path) -> None:
    """Raises StoreError when it is not there yet, or is somebody else's."""
    try:
        database.stat()
    except FileNotFoundError as error:
        raise StoreError(f"{database}: no database yet; `lowkeyd run` makes it") from error
    except PermissionError as error:
        raise StoreError(f"{database}: may not be read; ask as the user that lowkeyd runs as") from error
