"""What the daemon does now and then beside photos: a backup of its database every day, and, where that is wished,
figures for Prometheus and a digest for a hook."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from lowkeyd import config
from lowkeyd.errors import StoreError
from lowkeyd.monitor import health, metrics
from lowkeyd.monitor.finding import Level, worst
from lowkeyd.monitor.hook import Hook
from lowkeyd.store import backup, location

log = structlog.get_logger()

_TELL_S = 30.0
"""Collectors come by once or twice a minute."""


def schedule(scheduler: Any, settings: config.Config) -> Callable[[], None]:
    """Give the daemon's scheduler its chores, the first time at once. Returns what cuts them short."""
    soon = datetime.now(UTC)
    scheduler.add_job(back_up, "interval", [settings], seconds=backup.SOONER_S, next_run_time=soon, id="backup")
    teller = Teller(settings)
    if teller.has_listeners:
        scheduler.add_job(teller.tell, "interval", seconds=_TELL_S, next_run_time=soon, id="tell")
    return teller.stop


def once(settings: config.Config) -> None:
    """All of them, at the end of a run that does not stay."""
    back_up(settings)
    teller = Teller(settings)
    if teller.has_listeners:
        teller.tell()


def back_up(settings: config.Config) -> None:
    """Today's backup; a full disk is no reason to stop."""
    try:
        backup.daily(location.database(settings.state.path), time.time())
    except (StoreError, OSError) as error:
        log.warning("no backup today", reason=str(error))


class Teller:
    """`tell` is called from the scheduler, again and again."""

    def __init__(self, settings: config.Config) -> None:
        self._settings = settings
        self._hook = Hook(settings.hook, settings.state.path) if settings.hook.command else None

    @property
    def has_listeners(self) -> bool:
        """Whether anybody wants to be told."""
        return self._hook is not None or bool(self._settings.metrics.textfile)

    def stop(self) -> None:
        """Tell nobody any more."""
        if self._hook is not None:
            self._hook.stop()

    def tell(self) -> None:
        """Write the figures and call the hook. Failures are logged: one does not keep the other from being told, and
        none stops the daemon."""
        with _logged("health"):
            signs = health.gather(self._settings)
            findings = health.judge(signs)
            with _logged("metrics"):
                self._write(signs, worst(findings))
            with _logged("hook"):
                if self._hook is not None:
                    self._hook.turn(findings, time.time())

    def _write(self, signs: health.Signs, level: Level) -> None:
        if self._settings.metrics.textfile:
            text = metrics.render(signs.status, signs.progress, level)
            metrics.write(Path(self._settings.metrics.textfile), text)


@contextmanager
def _logged(of: str) -> Iterator[None]:
    try:
        yield
    except (StoreError, OSError) as error:
        log.warning("could not tell", of=of, reason=str(error), advice="`lowkeyd doctor`")
