"""The daemon's log: for people on a terminal, logfmt for everything else, with priorities where a journal reads it."""

import logging
import os
import sys
import time
from collections.abc import Callable

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from lowkeyd.model import readable

_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""Source: sd-daemon(3), SD_ERR and so on."""
_WINDOW_S = 60.0
_PER_WINDOW = 100
"""Lines of one kind a minute: enough to see what goes on, too few to fill a disk with. Taste."""
_OF_SEVERAL_LINES = ("exception", "trace")


class Throttle:
    """Of lines of one kind, passes so many a minute on, and says afterwards how many it kept back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_at = clock()
        self._passed: dict[str, int] = {}
        self._kept_back = 0

    def __call__(self, _logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
        """A processor of structlog's. Raises DropEvent for what is too much."""
        if self._clock() - self._began_at >= _WINDOW_S:
            self._began_at = self._clock()
            self._passed.clear()
            if self._kept_back:
                line["kept_back"] = self._kept_back
                self._kept_back = 0
        kind = str(line.get("event"))
        self._passed[kind] = self._passed.get(kind, 0) + 1
        if self._passed[kind] > _PER_WINDOW:
            self._kept_back += 1
            raise structlog.DropEvent
        return line


def legible(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
    """A processor of structlog's: what a stranger's file has made some library say moves no terminal's cursor."""
    return {
        key: readable(value) if isinstance(value, str) and key not in _OF_SEVERAL_LINES else value
        for key, value in line.items()
    }


def set_up() -> None:
    """Send everything to standard error. A journal sets the time itself, and takes the priority off again."""
    in_journal = "JOURNAL_STREAM" in os.environ
    processors: list[Processor] = [structlog.processors.add_log_level, Throttle(), legible]
    first = ["level", "event"]
    if not in_journal:
        first.insert(0, "timestamp")
        processors.append(structlog.processors.TimeStamper("%Y-%m-%d %H:%M:%S", utc=False))
    if sys.stderr.isatty():
        processors.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        processors += [
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=first, bool_as_flag=False),
        ]
    if in_journal:
        processors.append(_with_priority)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    other = "<4>" if in_journal else ""
    logging.basicConfig(level=logging.WARNING, format=f"{other}level=%(levelname)s logger=%(name)s event=%(message)r")


def keep_out() -> None:
    """For verbs that stand in for the daemon: what it would have put into its log is no part of their answer."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def _with_priority(_logger: WrappedLogger, name: str, line: object) -> str:
    return f"<{_PRIORITIES.get(name, 6)}>{line}"
