"""One daemon per state folder: a lock that the kernel lets go of when its holder dies."""

import contextlib
import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lowkeyd.errors import AlreadyRunning, StoreError
from lowkeyd.store import location

_PATIENCE_S = 1.0
"""`is_held` takes the lock for a moment; a daemon that starts at that moment must not be turned away."""


@contextmanager
def hold(state: Path) -> Iterator[None]:
    """Be the only writer in this state folder. Raises AlreadyRunning."""
    with _opened(state) as descriptor:
        deadline = time.monotonic() + _PATIENCE_S
        while not _taken(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise AlreadyRunning(
                    f"{state}: held by process {_holder(descriptor)}; stop it, or use another [state] path"
                )
            time.sleep(0.05)
        _sign(descriptor, state)
        yield


def is_held(state: Path) -> bool:
    """Whether a daemon lives in this state folder."""
    try:
        descriptor = os.open(location.lock_file(state), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextmanager
def _opened(state: Path) -> Iterator[int]:
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = state.stat().st_uid
        if owner != os.geteuid():  # root could write there, but its files would shut the owner out
            raise StoreError(f"{state}: the state folder belongs to {_name(owner)}: run lowkeyd as that user")
        descriptor = os.open(location.lock_file(state), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{state}: the state folder cannot be written: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user number {uid}"


def _sign(descriptor: int, state: Path) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:
        raise StoreError(f"{state}: the state folder cannot be written: {error.strerror}") from error


def _taken(descriptor: int, kind: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return True
    return False


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode(errors="replace") or "unknown"
