"""The ledger in the folder of models: what was fetched or added there, and the hash that it has to keep since."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lowkeyd.errors import FetchFailed, WeightsError
from lowkeyd.machine import files

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
        files.write(folder / NAME, text.encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with files.refusal_allowed():  # a record that is lost to that can be made again
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
