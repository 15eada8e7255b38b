"""SIGHUP: the configuration is read again, and taken only if the daemon can live with it.

A service manager cannot see whether a reload went well, so nothing may depend on that: bad settings leave the old ones
in force, and the log says why. Networks are tried in a process of their own first, which takes a few seconds.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from lowkeyd import config
from lowkeyd.errors import ConfigError

log = structlog.get_logger()

_PATIENCE_S = 300.0
"""Loading torch from a cold and slow disk takes a minute; a driver or a network drive may hang for ever."""


class Reload:
    """`ask` may be called from a signal handler; everything else from one thread. `check` looks at the folders that
    settings name, and raises ConfigError."""

    def __init__(self, path: Path | None, check: Callable[[config.Config], None]) -> None:
        self._path = path
        self._check = check
        self._asked = False
        self._reading = False
        self._candidate: config.Config | None = None
        self._trial: subprocess.Popen[str] | None = None
        self._begun_at = 0.0
        self.refused: str | None = None
        """Why what the file says now is not in force, if it was read again and refused."""

    def ask(self) -> None:
        """Read the file again, soon."""
        self._asked = True

    @property
    def pending(self) -> bool:
        """Whether new settings may be about to come."""
        return self._asked or self._reading

    def ready(self, current: config.Config) -> config.Config | None:
        """New settings that are good, once there are any. Never waits."""
        found = None
        if self._asked and self._trial is None:
            self._reading, self._asked = True, False
            found = self._begin(current)
        elif self._trial is not None and self._trial.poll() is not None:
            found = self._end(self._trial)
        elif self._trial is not None and time.monotonic() - self._begun_at > _PATIENCE_S:
            self.stop()
            self._refuse(f"its networks were not loaded within {_PATIENCE_S:.0f} s")
        self._reading = self._trial is not None
        return found

    def stop(self) -> None:
        """Nothing is left running."""
        if self._trial is not None:
            self._trial.kill()
            self._trial.communicate()
            self._trial = None

    def _begin(self, current: config.Config) -> config.Config | None:
        if self._path is None:
            return None
        try:
            candidate = config.load(self._path)
            self._check(candidate)
            if candidate.state != current.state:
                raise ConfigError("[state] path: changes with a restart only")
        except ConfigError as error:
            self._refuse(str(error))
            return None
        if candidate == current:
            self.refused = None
            log.info("configuration read again", changed=False)
            return None
        if candidate.attack == current.attack:
            return self._accept(candidate)
        self._candidate = candidate
        command = [sys.executable, "-P", "-m", "lowkeyd.worker.probe", str(self._path), "cpu"]
        self._trial = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._begun_at = time.monotonic()
        return None

    def _end(self, trial: "subprocess.Popen[str]") -> config.Config | None:
        _, trouble = trial.communicate()
        self._trial = None
        assert self._candidate is not None, "bug: a trial without a candidate"
        if trial.returncode:
            silent = f"the networks do not load: the trial ended with {trial.returncode}"
            self._refuse(trouble.strip().splitlines()[-1] if trouble.strip() else silent)
            return None
        return self._accept(self._candidate)

    def _accept(self, candidate: config.Config) -> config.Config:
        self.refused = None
        log.info("configuration read again", changed=True)
        return candidate

    def _refuse(self, reason: str) -> None:
        self.refused = reason
        log.error("configuration kept as it was", reason=reason)


def has_terminal() -> bool:
    """Whether SIGHUP would mean that our terminal is gone: then it is no order to read anything again."""
    try:
        with open("/dev/tty", "rb"):
            return True
    except OSError:
        return False
