"""On what file system a path lies, and where there, as the kernel's table of mounts says."""

import os
import re
from pathlib import Path

NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "9p",
    "fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.davfs2",
})  # fmt: skip
"""Kinds whose files lie on another machine, or with `9p` on the host of a virtual one. Of FUSE's, those that say so."""

_TABLE = Path("/proc/self/mountinfo")


def kind(path: Path) -> str:
    """The file system's type as the kernel calls it, such as `ext4`; empty where it cannot be told. The path need not
    exist."""
    return kind_in(_table(), os.path.realpath(path))


def place(path: Path) -> str:
    """The path that it has in its own file system, whatever that is mounted on; empty where it cannot be told."""
    return place_in(_table(), os.path.realpath(path))


def _table() -> list[str]:
    try:
        return _TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def kind_in(mountinfo: list[str], path: str) -> str:
    """As `kind`, of a path in the kernel's table."""
    _, _, found = _mount(mountinfo, path)
    return found


def place_in(mountinfo: list[str], path: str) -> str:
    """As `place`, of a path in the kernel's table."""
    root, point, _ = _mount(mountinfo, path)
    return os.path.normpath(os.path.join(root, os.path.relpath(path, point))) if root else ""


def _mount(mountinfo: list[str], path: str) -> tuple[str, str, str]:
    """What of a file system is mounted where, and its type: of mounts on the way the deepest, of several the last.

    Source: proc(5), /proc/[pid]/mountinfo.
    """
    found = ("", "", "")
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        root, point = map(_unescaped, before.split()[3:5])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found[1]):
            found = (root, point, after.split()[0])
    return found


def _unescaped(point: str) -> str:
    """The table writes blanks and the like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
