"""The one place where an original is opened, and only for reading."""

import os
import stat
from pathlib import Path

from lowkeyd.errors import PhotoTooLarge, PhotoUnreachable, UnreadablePhoto


def read(path: Path, max_bytes: int) -> bytes:
    """The file's bytes.

    Raises PhotoUnreachable when it is gone, not permitted or on a failing disk, PhotoTooLarge beyond `max_bytes`,
    UnreadablePhoto when it is no regular file.
    """
    try:
        # A pipe must not block us, and a link must not lead out of the watched folder.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise PhotoUnreachable(f"cannot be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadablePhoto("is not a regular file")
        if status.st_size > max_bytes:
            raise PhotoTooLarge(
                f"{status.st_size / 1e6:.0f} MB, more than the {max_bytes / 1e6:.0f} MB allowed",
                advice="Shrink it, or raise [worker] max_megabytes; then `lowkeyd retry`.",
            )
        try:
            return file.read(max_bytes)
        except OSError as error:
            raise PhotoUnreachable(f"cannot be read: {error.strerror}") from error
