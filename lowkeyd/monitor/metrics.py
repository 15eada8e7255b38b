"""Figures for Prometheus, as a text file that node_exporter's textfile collector picks up.

A file and no port: the daemon keeps no network. The format is a few lines of text, which needs no library.
Source: prometheus.io/docs/instrumenting/exposition_formats.
"""

from collections.abc import Iterable
from pathlib import Path

from lowkeyd.machine import files
from lowkeyd.model import State
from lowkeyd.monitor.finding import Level
from lowkeyd.monitor.status import Status
from lowkeyd.store.lookup import Progress

Sample = tuple[dict[str, str], float]


def render(status: Status, progress: Progress, health: Level) -> str:
    """The whole file."""
    now, daemon = status.taken_at, status.photos.daemon or {}
    photos = [({"watch": w, "state": s.value}, status.count(s, w)) for w in status.watches for s in State]
    workers = daemon.get("workers", [])
    busy = [({"device": worker["device"]}, float(worker["state"] == "busy")) for worker in workers]
    offline = [({"watch": w}, float(bool(root.get("offline")))) for w, root in daemon.get("roots", {}).items()]
    claimable = progress.claimable_since
    groups = [
        _gauge("lowkeyd_photos", "Photos by watched folder and state.", photos),
        _gauge("lowkeyd_weak_photos", "Delivered copies that some recogniser still accepts.", _one(status.photos.weak)),
        _gauge("lowkeyd_oldest_ready_seconds", "How long a photo has been ready that nobody took; 0 if there is none.",
               _one(0 if claimable is None else now - claimable)),
        _gauge("lowkeyd_last_scan_timestamp_seconds", "When the last scan ended.", _one(daemon.get("scanned_at"))),
        _gauge("lowkeyd_last_photo_timestamp_seconds", "When a photo last came to its end.", _one(progress.ended_at)),
        _gauge("lowkeyd_worker_busy", "Whether the worker of a device has photos in hand.", busy),
        _gauge("lowkeyd_folder_offline", "Whether a watched folder's disk is away.", offline),
        _gauge("lowkeyd_outbox_free_bytes", "Space that is left for copies.", _one(status.free_bytes)),
        _gauge("lowkeyd_health", "As `lowkeyd health` has it: 0 fine, 1 degraded, 2 broken.", _one(health)),
        _gauge("lowkeyd_written_timestamp_seconds", "When this file was written.", _one(now)),
    ]  # fmt: skip
    return "".join(groups)


def write(path: Path, text: str) -> None:
    """All or nothing: a collector may read at any moment. Raises OSError."""
    files.write(path, text.encode(), 0o644)  # the collector is another user, and there is nothing to hide in numbers


def _one(value: float | None) -> list[Sample]:
    return [] if value is None else [({}, value)]


def _gauge(name: str, what: str, samples: Iterable[Sample]) -> str:
    lines = [f"{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples]
    return f"# HELP {name} {what}\n# TYPE {name} gauge\n{''.join(lines)}" if lines else ""


def _labels(labels: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"
