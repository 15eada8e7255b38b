"""On what file system a path lies, and where there, as the kernel's table of mounts says."""

import os
import re
from dataclasses import dataclass
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


def places(path: Path) -> list[str]:
    """The path that it has in its own file system, whatever that is mounted on; then that in the one below, as if the
    first were not mounted, and so on. Empty where it cannot be told."""
    return places_in(_table(), os.path.realpath(path))


def _table() -> list[str]:
    try:
        return _TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def kind_in(mountinfo: list[str], path: str) -> str:
    """As `kind`, of a path in the kernel's table."""
    above = _mounts(mountinfo, path)
    return above[0].kind if above else ""


def places_in(mountinfo: list[str], path: str) -> list[str]:
    """As `places`, of a path in the kernel's table."""
    above = _mounts(mountinfo, path)
    if above and above[0].kind == "autofs":  # which is about to be mounted by who looks into it
        return []
    return [os.path.normpath(os.path.join(one.root, os.path.relpath(path, one.point))) for one in above]


@dataclass(frozen=True)
class _Mount:
    """`root` is what of a file system is mounted at `point`."""

    root: str
    point: str
    kind: str


def _mounts(mountinfo: list[str], path: str) -> list[_Mount]:
    """Those on the way to the path, the nearest first; of several in one place the last.

    Source: proc(5), /proc/[pid]/mountinfo.
    """
    found: list[_Mount] = []
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        root, point = map(_unescaped, before.split()[3:5])
        if path == point or path.startswith(point.rstrip("/") + "/"):
            found.insert(0, _Mount(root, point, after.split()[0]))
    return sorted(found, key=lambda one: len(one.point), reverse=True)


def _unescaped(point: str) -> str:
    """The table writes blanks and the like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
