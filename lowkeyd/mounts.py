"""What kind of file system a path lies on, as the kernel's table of mounts says."""

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
    try:
        lines = _TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    return kind_in(lines, os.path.realpath(path))


def kind_in(mountinfo: list[str], path: str) -> str:
    """The same, of a path in the kernel's table: of mounts on the way the deepest, of several there the last.

    Source: proc(5), /proc/[pid]/mountinfo.
    """
    found, deepest = "", -1
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        point = _unescaped(before.split()[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= deepest:
            found, deepest = after.split()[0], len(point)
    return found


def _unescaped(point: str) -> str:
    """The table writes blanks and the like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
