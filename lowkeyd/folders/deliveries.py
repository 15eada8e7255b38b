"""What lies in the outbox, and which photo each file may be the copy of."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from lowkeyd.model import PHOTO_SUFFIXES, Signature

_CLOSE_NS = 2_000_000_000
"""FAT keeps times to two seconds."""
_NUMBER = re.compile(rb" \(\d+\)$")
"""What the outbox puts behind a name that was taken."""


def walk(outbox: Path) -> Iterator[tuple[bytes, int]]:
    """Photos in the outbox, by their path in it, with their modification times. What vanishes meanwhile is left out."""
    root = os.fsencode(outbox)
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(b"."))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), root)
            if _is_photo(name) and (signature := look(outbox, path)):
                yield path, signature.mtime_ns


def look(root: Path, path: bytes) -> Signature | None:
    """The file's size and time; None when it cannot be seen."""
    try:
        status = os.lstat(os.path.join(os.fsencode(root), path))
    except OSError:
        return None
    return Signature(status.st_size, status.st_mtime_ns)


def originals_of(root: Path, copy: bytes) -> Iterator[bytes]:
    """Where below `root` the photo may lie that a delivery was made from, the likeliest first: `copy`, its path below
    the watch's folder, itself; the same with any photo's suffix; and both without the number."""
    folder, name = os.path.split(copy)
    stem = os.path.splitext(name)[0]
    try:
        beside = sorted(os.listdir(os.path.join(os.fsencode(root), folder)))
    except OSError:
        return
    yield from (os.path.join(folder, other) for other in beside if other == name)
    for wanted in dict.fromkeys((stem, _NUMBER.sub(b"", stem))):
        alike = (other for other in beside if _is_photo(other) and os.path.splitext(other)[0] == wanted)
        yield from (os.path.join(folder, other) for other in alike if other != name)


def same_time(one_ns: int, other_ns: int) -> bool:
    """Whether two time stamps are the same, as far as file systems keep them."""
    return abs(one_ns - other_ns) < _CLOSE_NS


def _is_photo(name: bytes) -> bool:
    return not name.startswith(b".") and os.path.splitext(os.fsdecode(name))[1].lower() in PHOTO_SUFFIXES
