"""A command of the user's own that is told what happened: one digest now and then, never one call per photo."""

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from lowkeyd import config
from lowkeyd.machine import files
from lowkeyd.monitor.finding import Finding, Level, worst
from lowkeyd.store import location, lookup

log = structlog.get_logger()

_PATIENCE_S = 60.0
_NAMES = 20
"""Failures that a digest names; it counts them all."""


class Hook:
    """Remembers in a small file what was told, so that a restart neither repeats nor loses anything."""

    def __init__(self, settings: config.Hook, state: Path) -> None:
        self._settings = settings
        self._database = location.database(state)
        self._memory = location.hook_memory(state)
        self._tried_at = float("-inf")  # for a disk too full to remember it
        self._called: subprocess.Popen[str] | None = None
        self._stopped = False

    def stop(self) -> None:
        """End the command, if it runs: the daemon does not wait for it."""
        self._stopped = True
        called = self._called
        if called is not None and called.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(called.pid, signal.SIGKILL)

    def turn(self, findings: list[Finding], now: float) -> None:
        """Call the command if there is something new, and enough time has passed. Raises StoreError, OSError."""
        told = self._told(now)
        if now - max(told["tried_at"], min(self._tried_at, now)) < self._settings.every_s:
            return
        digest = lookup.digest(self._database, told["id"], _NAMES)
        health = worst(findings).name.lower()
        if digest.last_id == told["id"] and health == told["health"]:
            return
        news = asdict(digest)
        del news["last_id"]  # where this ends is for us to remember
        message = {
            "version": 1,
            "since": told["since"],
            "until": now,
            **news,
            "health": health,
            "findings": [asdict(f) | {"level": f.level.name.lower()} for f in findings if f.level is not Level.FINE],
        }
        self._tried_at = now
        taken = self._call(message)
        # What was not delivered is told once more, but no sooner than anything else, unless we ended the command.
        if taken or not self._stopped:
            self._remember(_to_remember(digest.last_id, health, now) if taken else told | {"tried_at": now})

    def _told(self, now: float) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(self._memory.read_text(encoding="utf-8"))
            return {
                "id": int(told["id"]),
                "health": str(told["health"]),
                "since": min(float(told.get("since", told.get("at", now))), now),  # `at` is what older versions wrote
                "tried_at": min(float(told.get("tried_at", told.get("at", now))), now),
            }
        except (OSError, ValueError, KeyError, TypeError):  # the first time: what lies in the past is no news
            told = _to_remember(lookup.digest(self._database, 0, 0).last_id, "fine", now)
            self._remember(told)
            return told

    def _remember(self, told: dict[str, Any]) -> None:
        files.write(self._memory, json.dumps(told).encode())

    def _call(self, message: dict[str, Any]) -> bool:
        """Whether the command took it: it ended in time, with 0."""
        if self._stopped:
            return False
        try:
            called = self._called = subprocess.Popen(
                self._settings.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},  # for us alone
                text=True,
            )
        except OSError as error:
            log.warning("hook failed", reason=str(error))
            return False
        try:
            called.communicate(json.dumps(message), timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(called.pid, signal.SIGKILL)
            called.communicate()
        self._called = None
        if called.returncode:
            log.warning("hook failed", exit_code=called.returncode)
        return called.returncode == 0


def _to_remember(last_id: int, health: str, now: float) -> dict[str, Any]:
    """What is remembered of a call: up to which event and which moment it told, and when the command was tried last."""
    return {"id": last_id, "health": health, "since": now, "tried_at": now}
