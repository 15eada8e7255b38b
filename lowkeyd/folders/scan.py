"""The sure walk over a watched tree: it finds what events missed, and says what a path is right now."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lowkeyd.model import PHOTO_SUFFIXES, RAW_SUFFIXES, Signature

_JUNK_FOLDERS = frozenset({b"@eaDir", b"__MACOSX", b"lost+found", b"$RECYCLE.BIN", b"System Volume Information"})
"""Folders that NAS systems and other computers leave about; hidden ones need no list."""


@dataclass(frozen=True)
class Seen:
    """A photo's file as it lies there: `path` relative to the watched folder; `touched_at`, seconds since the epoch,
    is the later of its last write and its last rename, which a copy that keeps the old date cannot fake."""

    path: bytes
    signature: Signature
    touched_at: float


def is_photo_name(path: bytes) -> bool:
    """Whether the relative path is one to look at: a photo's or RAW file's suffix, and nothing hidden on the way."""
    *folders, name = path.split(b"/")
    if name.startswith(b".") or any(_is_junk(folder) for folder in folders):
        return False
    return _suffix(name) in PHOTO_SUFFIXES | RAW_SUFFIXES


def is_raw_name(path: bytes) -> bool:
    """Whether it is called as cameras call their RAW files."""
    return _suffix(path) in RAW_SUFFIXES


def _suffix(path: bytes) -> str:
    return os.path.splitext(os.fsdecode(path))[1].lower()


def _is_junk(folder: bytes) -> bool:
    return folder.startswith(b".") or folder in _JUNK_FOLDERS


def look(root: Path, path: bytes) -> Seen | None:
    """The file as it is now, or None when it is gone, no regular file, or out of reach. Links are not followed."""
    try:
        return _seen(path, os.lstat(os.path.join(os.fsencode(root), path)))
    except OSError:
        return None


def _seen(path: bytes, status: os.stat_result) -> Seen | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    return Seen(path, Signature(status.st_size, status.st_mtime_ns), max(status.st_mtime, status.st_ctime))


def walk(root: Path, under: bytes = b"", go_on: Callable[[], bool] = lambda: True) -> Iterator[Seen]:
    """Every photo in the tree, or in the folder `under` of it (relative), streamed.

    `go_on` is asked before each folder, also where there are no photos. Folders that vanish or cannot be read meanwhile
    are passed over: the next walk comes by again.
    """
    pending = [under]
    while pending and go_on():
        folder = pending.pop()
        try:
            with os.scandir(os.path.join(os.fsencode(root), folder)) as entries:
                for entry in entries:
                    path = os.path.join(folder, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        pending += [] if _is_junk(entry.name) else [path]
                    elif is_photo_name(path) and (seen := look(root, path)):
                        yield seen
        except OSError:
            continue
