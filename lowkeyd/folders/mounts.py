"""What kind of file system a folder lies on: where others write without this machine's kernel, no event tells of it."""

import os
import re
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_LOCAL = frozenset({
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2", "tmpfs", "ramfs",
    "vfat", "exfat", "msdos", "ntfs3", "ntfs", "hfsplus", "udf", "ecryptfs",
})  # fmt: skip
"""Known to tell of every write. On others (NFS, SMB, FUSE, overlays, 9p, virtiofs), files appear that this kernel did
not write, so that only scans are sure."""


def kind(folder: Path) -> str:
    """The file system's type as the kernel calls it, `ext4` or `nfs4`; empty when it cannot be told."""
    try:
        lines = _TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    return kind_in(lines, os.path.realpath(folder))


def tells_of_writes(kind: str) -> bool:
    """Whether events can be relied upon, but for the losses that scans make up for."""
    return kind in _LOCAL


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
