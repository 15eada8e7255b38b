"""The ledger in the folder of models: what was fetched or added there, and the hash that it has to keep from then on.

Files land whole: they are written beside their place, synced, and renamed.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lowkeyd.errors import FetchFailed, WeightsError

NAME = "ledger.json"


@dataclass(frozen=True)
class Record:
    """A network's file. `threshold` is the user's own, if they gave one."""

    family: str
    file: str
    sha256: str
    threshold: float | None = None


def read(folder: Path) -> dict[str, Record]:
    """Records by the network's name; none where nothing was ever fetched or added. Raises WeightsError."""
    path = folder / NAME
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["networks"]
        return {name: Record(**row) for name, row in rows.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: not a ledger of lowkeyd's: {error}; move it away and add the networks anew"
        ) from error


def record(folder: Path, name: str, row: Record) -> None:
    """Write a record, beside those that others write at the same time. Raises WeightsError."""
    with written_to(folder), _alone(folder):
        rows: Mapping[str, Record] = {**read(folder), name: row}
        text = json.dumps({"networks": {each: asdict(its) for each, its in rows.items()}}, indent=2) + "\n"
        write(folder / NAME, text.encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _allowed_to_refuse():
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def written_to(folder: Path) -> Iterator[None]:
    """Translates what the disk says when it does not take a file: FetchFailed when it is full, else WeightsError."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise FetchFailed(f"{folder}: the disk is full; make room and try again") from error
        raise WeightsError(f"{folder}: the folder of models cannot be written: {error.strerror}") from error


def write(path: Path, content: bytes) -> None:
    """A whole file, or the old one, whatever happens. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        land(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def land(beside: Path, path: Path) -> None:
    """Give a finished file in the same folder its name, for good. Raises OSError."""
    _sync(beside)
    os.replace(beside, path)
    with _allowed_to_refuse():
        _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _allowed_to_refuse() -> Iterator[None]:
    """Some network file systems neither sync nor lock a folder: a record that is lost to that can be made again."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOLCK):
            raise
