"""The one place where an original is opened, and only for reading."""

import errno
import os
import stat
from pathlib import Path

from lowkeyd.errors import RETRY, PhotoTooLarge, PhotoUnreachable, UnreadablePhoto
from lowkeyd.machine.files import READ_WARILY

_OF_THE_DISK = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN)
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read(path: Path, max_bytes: int) -> bytes:
    """The file's bytes.

    Raises PhotoUnreachable when it is gone, not permitted or on a failing disk, PhotoTooLarge beyond `max_bytes`,
    UnreadablePhoto when it is no regular file.
    """
    try:
        return _read(os.open(path, READ_WARILY), max_bytes)
    except OSError as error:
        raise _unreachable(error) from error


def read_below(root: Path, path: bytes, max_bytes: int, *, follow: bool = False) -> bytes:
    """The same for a path relative to `root`: unless links are to be followed, no folder on the way may be one, not
    even one that was put in a folder's place since it was scanned."""
    *folders, name = path.split(b"/")
    try:
        if follow:
            return _read(os.open(os.path.join(os.fsencode(root), path), READ_WARILY & ~os.O_NOFOLLOW), max_bytes)
        place = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                above, place = place, os.open(folder, _FOLDER_FLAGS, dir_fd=place)
                os.close(above)
            descriptor = os.open(name, READ_WARILY, dir_fd=place)
        finally:
            os.close(place)
        return _read(descriptor, max_bytes)
    except OSError as error:
        raise _unreachable(error) from error


def _unreachable(error: OSError) -> PhotoUnreachable:
    advice = None  # that of the class, about permissions
    if error.errno in _OF_THE_DISK:
        advice = "Look whether its disk is there and sound (`dmesg`)."
    elif error.errno not in (errno.EACCES, errno.EPERM):
        advice = "Look whether it was moved or renamed."
    return PhotoUnreachable(f"cannot be read: {error.strerror}", advice=advice)


def _read(descriptor: int, max_bytes: int) -> bytes:
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadablePhoto(
                "is not a regular file", advice="A folder, a pipe or a device has the name of a photo: rename it."
            )
        if status.st_size > max_bytes:
            raise PhotoTooLarge(
                f"{status.st_size / 1e6:.0f} MB, more than the {max_bytes / 1e6:.0f} MB allowed",
                advice=f"Shrink it, or raise [worker] max_megabytes; {RETRY}",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(max_bytes)
    finally:
        os.close(descriptor)
