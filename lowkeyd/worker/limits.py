"""What may be spent on one photo on this machine: the configured limits, or less where memory is scarce."""

import os
from pathlib import Path

from lowkeyd import config
from lowkeyd.imaging.decode import Limits

_BYTES_PER_PIXEL = 64
"""Of memory, at the widest moment: measured were 31 in the worker, and up to 40 before that in the process that decodes
for it (16 bits with alpha); ordinary JPEGs take 15 there."""
_SHARE = 0.5
"""Of the machine's memory; networks, the daemon and everybody else have the rest."""
_CGROUP = Path("/sys/fs/cgroup")


def limits(settings: config.Worker) -> Limits:
    """The limits for decoding; photos in hand together stay below the same number of pixels."""
    affordable = _SHARE * _memory_bytes() / _BYTES_PER_PIXEL / 1e6
    return Limits(min(settings.max_megapixels, round(affordable, 1)), settings.max_megabytes)


def _memory_bytes() -> int:
    """Of the machine, or of the control group that confines us (systemd's MemoryMax, a container's limit)."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([memory, *_group_limits(Path("/proc/self/cgroup"), _CGROUP)])


def _group_limits(membership: Path, root: Path) -> list[int]:
    """`memory.max` of our group and of all above it."""
    try:
        named = [line for line in membership.read_text().splitlines() if line.startswith("0::")]
    except OSError:
        return []
    group = root / named[0].removeprefix("0::").lstrip("/") if named else root
    found = []
    for folder in (group, *group.parents):
        if not folder.is_relative_to(root):
            break
        try:
            found.append(int((folder / "memory.max").read_text()))
        except (OSError, ValueError):  # none is set ("max"), or another version of control groups
            continue
    return found
