"""Files that are whole, or the old ones, whatever happens: written beside their place, synced, and renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READ_WARILY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file is opened that others may have put there: a pipe must not block us, and a link must not lead elsewhere."""


def write(path: Path, content: bytes, mode: int | None = None) -> None:
    """A whole file, or the old one; `mode` is its permissions, else what the umask leaves. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)  # a link, if somebody who can foresee the name has left one
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, 0o666), "wb") as file:
            file.write(content)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        land(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def land(beside: Path, path: Path) -> None:
    """Give a finished file in the same folder its name, for good. Raises OSError."""
    _sync(beside)
    os.replace(beside, path)
    sync_folder(path.parent)


def sync_folder(folder: Path | bytes) -> None:
    """Have the names in it outlast a power cut, as far as its file system can. Raises OSError."""
    with refusal_allowed():
        _sync(folder)


@contextmanager
def refusal_allowed() -> Iterator[None]:
    """Some network file systems neither sync nor lock a folder; PostgreSQL takes these errors for that too."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOLCK):
            raise


def _sync(path: Path | bytes) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
