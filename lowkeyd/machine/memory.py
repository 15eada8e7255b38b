"""What the kernel tells about memory: how much there is for us, and how often it has killed for want of it. It does not
say whom."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_COUNTERS, _MEMORY = Path("/proc/vmstat"), Path("/proc/meminfo")
_MEMBERSHIP, _CGROUP = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def total_bytes() -> int:
    """Of the machine, or of the control group that confines us (systemd's MemoryMax, a container's limit)."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([memory, *(limit for _, limit in _limited(_MEMBERSHIP, _CGROUP))])


def available_bytes() -> int:
    """What could be had now without anybody's loss, likewise."""
    told = next((line for line in _read(_MEMORY).splitlines() if line.startswith("MemAvailable:")), None)
    machine = total_bytes() if told is None else int(told.split()[1]) * 1024
    groups = [limit - _used(group) for group, limit in _limited(_MEMBERSHIP, _CGROUP)]
    return max(0, min([machine, *groups]))


def _used(group: Path) -> int:
    """Less the files that are only kept at hand."""
    stat = dict(line.split(" ", 1) for line in _read(group / "memory.stat").splitlines())
    return int(_read(group / "memory.current") or 0) - int(stat.get("inactive_file", 0))


def _limited(membership: Path, root: Path) -> Iterator[tuple[Path, int]]:
    """Our control group and all above it, of those that have a limit, with its bytes."""
    named = [line for line in _read(membership).splitlines() if line.startswith("0::")]
    group = root / named[0].removeprefix("0::").lstrip("/") if named else root
    for folder in (group, *group.parents):
        if not folder.is_relative_to(root):
            break
        if (limit := _read(folder / "memory.max").strip()).isdigit():  # "max" is none; another version has no such file
            yield folder, int(limit)


def kills() -> int:
    """Processes that the kernel has ended for memory since the machine started; control groups' limits included."""
    return next((int(line.split()[1]) for line in _read(_COUNTERS).splitlines() if line.startswith("oom_kill ")), 0)


def mark() -> dict[str, Any]:
    """This moment, to be compared with a later one: see `ran_out_since`."""
    return {"boot": _read(_BOOT).strip(), "kills": kills()}


def ran_out_since(then: dict[str, Any] | None) -> bool:
    """Whether the kernel has killed for memory since that mark was made, as far as it still knows."""
    now = mark()
    return then is not None and then["boot"] == now["boot"] and now["kills"] > then["kills"]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
