"""What the kernel tells about memory: how often it has killed for want of it. It does not say whom."""

from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_COUNTERS = Path("/proc/vmstat")


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
