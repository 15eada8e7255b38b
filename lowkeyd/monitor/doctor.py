"""Looks at everything around the daemon that has stopped such daemons before, and says what to do about it."""

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowkeyd import __version__, config
from lowkeyd.errors import ConfigError, LowkeydError
from lowkeyd.folders.outbox import Outbox
from lowkeyd.intake import outbox_disk
from lowkeyd.intake.check import check_folders
from lowkeyd.machine import gpu, mounts, timekeeping
from lowkeyd.monitor.finding import Finding, Level
from lowkeyd.store import location, lookup
from lowkeyd.store.version import SCHEMA_VERSION, too_new

_PROBE_S = 300.0
"""Loading torch from a cold and slow disk takes a minute."""
_MOST_FOLDERS = 1_000_000
_FIXED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""SQLite versions from which on, each in its series, the WAL-reset bug is mended; the last for all that follow too."""
_NODES = ("nvidiactl", "nvidia-uvm", "nvidia0")


_PROC, _DEV = Path("/proc"), Path("/dev")


def examine(path: Path, *, load_networks: bool) -> Iterator[Finding]:
    """One finding after the other, the slowest last. `path` is the configuration file."""
    yield Finding(Level.FINE, "version", f"lowkeyd {__version__}, Python {sys.version.split()[0]}")
    yield user(os.geteuid())
    try:
        settings = config.load(path)
    except ConfigError as error:
        yield Finding(Level.BROKEN, "configuration", str(error), "Mend the file; `lowkeyd config check` checks it.")
        return
    yield folders(settings)
    yield outbox(settings)
    yield from space(settings)
    yield sqlite(lookup.sqlite_version())
    yield database(settings)
    yield inotify(settings, _PROC)
    yield from listeners(settings)
    yield clock(settings, time.time(), timekeeping.is_synchronised())
    yield nvidia(_PROC, _DEV)
    yield from sharing(settings)
    if load_networks:
        yield from networks(path, _PROC)


def user(uid: int) -> Finding:
    """Root may write everywhere, so that a broken decoder might too."""
    with contextlib.suppress(KeyError):
        name = pwd.getpwuid(uid).pw_name
        if uid:
            return Finding(Level.FINE, "user", f"{name}; what follows holds for this user")
    if uid:
        return Finding(Level.FINE, "user", f"number {uid}; what follows holds for this user")
    advice = "Run lowkeyd as a user of its own (`lowkeyd install-service`), and the doctor as that user."
    return Finding(Level.DEGRADED, "user", "root, for whom permissions mean nothing", advice)


def folders(settings: config.Config) -> Finding:
    """Watched folders, outbox and state: there, apart from each other, on disks that they can be on."""
    try:
        check_folders(settings)
    except ConfigError as error:
        return Finding(Level.BROKEN, "folders", str(error), "Make or mount them, or mend the configuration.")
    away = [watch.name for watch in settings.watch if not os.path.isdir(watch.path)]
    if away:
        what = f"away: {', '.join(away)}; nothing is done about the photos there meanwhile"
        return Finding(Level.DEGRADED, "folders", what, "Mount their disks.")
    kinds = {watch.name: mounts.kind(watch.path) for watch in settings.watch}
    told = ", ".join(f"{name} on {kind or 'an unknown file system'}" for name, kind in kinds.items())
    return Finding(Level.FINE, "folders", f"all there: {told}; state on {mounts.kind(settings.state.path)}")


def outbox(settings: config.Config) -> Finding:
    """Whether it is the one that it was; then by writing a hidden file and removing it."""
    if (away := outbox_disk.fault(settings)) is not None:
        return Finding(Level.BROKEN, "outbox", away, outbox_disk.ADVICE)
    try:
        Outbox(settings.outbox.path).probe()
    except LowkeydError as error:
        advice = "Give the user write permission; in a service, name the folder in ReadWritePaths=."
        return Finding(Level.BROKEN, "outbox", str(error), advice)
    return Finding(Level.FINE, "outbox", "can be written")


def space(settings: config.Config) -> Iterator[Finding]:
    """Of outbox and state."""
    for name, folder in (("outbox", settings.outbox.path), ("state", settings.state.path)):
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(folder).free
            level, advice = (Level.DEGRADED, "Make room.") if free < settings.outbox.tight_bytes else (Level.FINE, "")
            yield Finding(level, f"space of {name}", f"{free / 1e9:.1f} GB free", advice)


def sqlite(version: tuple[int, ...]) -> Finding:
    """Old versions may corrupt a database that two connections write to at once. We have one that writes."""
    text = ".".join(map(str, version))
    mended = version >= _FIXED[-1] or any(version[:2] == fix[:2] and version >= fix for fix in _FIXED)
    if mended:
        return Finding(Level.FINE, "SQLite", text)
    what = f"{text}, which has the WAL-reset bug; lowkeyd writes through one connection, and is safe from it"
    return Finding(Level.FINE, "SQLite", what, "Let no other program write to the database.")


def database(settings: config.Config) -> Finding:
    """Read as a whole."""
    path = location.database(settings.state.path)
    if not os.path.lexists(path):
        return Finding(Level.FINE, "database", "none yet; `lowkeyd run` makes it")
    try:
        fault = lookup.fault(path)
        version = 0 if fault else lookup.schema(path)
    except LowkeydError as error:
        advice = "Ask as the user that lowkeyd runs as; its folder must be writable, also to be read."
        return Finding(Level.BROKEN, "database", str(error), advice)
    if fault:
        advice = "Restart lowkeyd: it puts the file aside and rebuilds it from its backup and the outbox."
        return Finding(Level.BROKEN, "database", f"damaged: {' '.join(fault.split())}", advice)
    if version > SCHEMA_VERSION:
        return Finding(Level.BROKEN, "database", too_new(path, version), "docs/operations.md, Upgrades, says how.")
    return Finding(Level.FINE, "database", f"sound, {path.stat().st_size / 1e6:.1f} MB")


def inotify(settings: config.Config, proc: Path) -> Finding:
    """One watch for each folder; all programs of the user share the limit."""
    knobs = (proc / "sys/fs/inotify/max_user_watches", proc / "sys/user/max_inotify_watches")
    limits = [number for knob in knobs if (number := _number(knob)) is not None]
    if not limits:
        return Finding(Level.DEGRADED, "inotify", "its limits cannot be read", "Scans find everything, if later.")
    count = sum(1 for watch in settings.watch for _ in _folders(watch.path))
    what = f"{count:,} folder{'' if count == 1 else 's'} to watch, {min(limits):,} allowed to all programs of this user"
    if count > min(limits) * 0.9:
        advice = f"As root: sysctl fs.inotify.max_user_watches={max(2 * count, 65_536)}, and in /etc/sysctl.d for good."
        return Finding(Level.DEGRADED, "inotify", what, advice)
    return Finding(Level.FINE, "inotify", what)


def _folders(root: Path) -> Iterator[str]:
    for number, (folder, _, _) in enumerate(os.walk(root)):
        if number == _MOST_FOLDERS:
            return
        yield folder


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def listeners(settings: config.Config) -> Iterator[Finding]:
    """Where figures are to go, and what is to be called; nothing if neither is wished."""
    if settings.metrics.textfile:
        folder = Path(settings.metrics.textfile).parent
        advice = "Make it, let the user write there, and in a service name it in ReadWritePaths=."
        bad = None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} is not there, or may not be written"
        yield Finding(Level.DEGRADED if bad else Level.FINE, "metrics", bad or f"go to {folder}", advice if bad else "")
    if settings.hook.command:
        program, *_ = settings.hook.command
        bad = None if shutil.which(program) else f"{program} is not there, or is no program"
        advice = "Mend [hook] command; a service looks for programs in its own PATH."
        yield Finding(Level.DEGRADED if bad else Level.FINE, "hook", bad or f"calls {program}", advice if bad else "")


def clock(settings: config.Config, now: float, synchronised: bool | None) -> Finding:
    """Waiting times, quiet hours and the history go by it; None is not known."""
    written = location.database(settings.state.path)
    ahead_s = written.stat().st_mtime - now if os.path.lexists(written) else 0.0
    if ahead_s > 60:
        what = f"the database was written {ahead_s / 60:.0f} min from now: the clock was set back, or is wrong"
        return Finding(Level.DEGRADED, "clock", what, "Set it, and let it be kept right (systemd-timesyncd).")
    shown = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    if synchronised is None:
        return Finding(Level.FINE, "clock", f"{shown}; whether anything keeps it right is unknown")
    if not synchronised:
        advice = (
            "Let it be kept right: `timedatectl set-ntp true`, or install chrony. In a virtual machine its host may do "
            "that unseen: compare it with another clock."
        )
        return Finding(Level.DEGRADED, "clock", f"{shown}, which no time service keeps right", advice)
    return Finding(Level.FINE, "clock", f"{shown}, kept right by a time service")


def nvidia(proc: Path, dev: Path) -> Finding:
    """The driver may be there without its device nodes, or they without permission."""
    if not _has_nvidia(proc):
        return Finding(Level.FINE, "NVIDIA driver", "none: the CPU does the work")
    lacking = [name for name in _NODES if not os.access(dev / name, os.R_OK | os.W_OK)]
    if lacking:
        advice = (
            "Load nvidia-uvm at boot: echo nvidia-uvm > /etc/modules-load.d/nvidia-uvm.conf. In a service, no "
            "PrivateDevices= and no DevicePolicy=; the user may need the group video or render."
        )
        return Finding(Level.DEGRADED, "NVIDIA driver", f"there, but not usable: {', '.join(lacking)} in {dev}", advice)
    return Finding(Level.FINE, "NVIDIA driver", "there, with its device nodes")


def _has_nvidia(proc: Path) -> bool:
    return (proc / "driver/nvidia/version").exists()


def sharing(settings: config.Config) -> Iterator[Finding]:
    """What other programs leave of each GPU's memory, if the configuration asks for some."""
    wanted_mb = settings.worker.free_vram_mb
    for device in settings.attack.devices if wanted_mb else ():
        if device == "cpu":
            continue
        told = gpu.memory(device, None)
        if isinstance(told, str):
            advice = "Mend that, or take [worker] free_vram_mb away: until then work goes on, whoever needs the GPU."
            yield Finding(Level.DEGRADED, f"sharing of {device}", f"cannot be looked at: {told}", advice)
        else:
            what = f"{told.free_mb:,.0f} MB free, {wanted_mb:,.0f} MB are wanted from other programs"
            yield Finding(Level.FINE, f"sharing of {device}", what)


def networks(path: Path, proc: Path) -> Iterator[Finding]:
    """By loading them, in a process of its own."""
    command = [sys.executable, "-P", "-m", "lowkeyd.worker.probe", str(path)]
    try:
        probed = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_S, check=True)
        told: dict[str, Any] = json.loads(probed.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        trace = getattr(error, "stderr", None) or str(error)
        last = trace.strip().splitlines()[-1]
        advice = "If it is a package that is missing or broken, install lowkeyd afresh."
        yield Finding(Level.BROKEN, "networks", f"torch or a network does not load: {last}", advice)
        return
    for device, loaded in told["devices"].items():
        if "error" in loaded:
            yield Finding(Level.BROKEN, f"networks on {device}", loaded["error"], "See [attack] in the configuration.")
        elif device == "auto" and loaded["is"] == "cpu" and _has_nvidia(proc):
            what = f"loaded on cpu although an NVIDIA driver is there: torch {told['torch']} cannot use it"
            advice = "`nvidia-smi` says which CUDA the driver knows: install a torch for that, or a newer driver."
            yield Finding(Level.DEGRADED, f"networks on {device}", what, advice)
        else:
            yield Finding(Level.FINE, f"networks on {device}", f"loaded on {loaded['is']}, torch {told['torch']}")
