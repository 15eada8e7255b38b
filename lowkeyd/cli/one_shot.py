"""The work of `lowkeyd protect` without a daemon: photos go through the networks here and now, and copies are filed."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from lowkeyd.cli import shown
from lowkeyd.config import Config
from lowkeyd.errors import RETRY, LowkeydError, OutboxUnavailable, PhotoError, PhotoLeftAlone
from lowkeyd.folders import originals
from lowkeyd.folders.outbox import Outbox, delivery_name
from lowkeyd.folders.rules import is_raw_name
from lowkeyd.model import Delivery, NoFace, Protected, Strength, readable, sha256
from lowkeyd.worker.messages import Outcome, Reached, Stepped

_INTERRUPTED = 130
"""What a shell says of a program that ended by Ctrl-C."""


def protect(places: Mapping[Path, bytes], outbox: Outbox, output: Path, settings: Config, console: Console) -> bool:
    """Protect photos, and write each one's copy to its folder below `output`, where `outbox` writes. Returns whether
    any failed. Raises typer.Exit when a person has enough."""
    with console.status("Loading the networks ..."):
        from lowkeyd.worker.protect import Protector

        protector = Protector(settings, settings.attack.devices[0])
    with _progress(console) as progress:
        run = _Run(outbox, output, places, console, progress, progress.add_task("", total=len(places)))
        max_bytes = int(settings.worker.max_megabytes * 1e6)
        every = iter(places)
        try:
            while batch := list(islice(every, settings.worker.photos)):
                run.begin(len(batch))
                named: list[tuple[Path, Callable[[], bytes]]] = [
                    (photo, partial(_read, photo, max_bytes)) for photo in batch
                ]
                for photo, outcome in protector.run(named, run.tell):
                    run.file(photo, outcome)
        except KeyboardInterrupt:
            progress.stop()
            console.print(f"Stopped after {run.filed:,} of {len(places):,}; --skip-existing goes on from there.")
            raise typer.Exit(_INTERRUPTED) from None
    if run.unjudged:
        console.print(shown.NO_JUDGE, style="yellow", markup=False, soft_wrap=True)
    return run.failed


def _read(photo: Path, max_bytes: int) -> bytes:
    if is_raw_name(os.fsencode(photo)):
        raise PhotoLeftAlone.raw()
    return originals.read(Path(os.path.realpath(photo)), max_bytes)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


@dataclass
class _Run:
    outbox: Outbox
    output: Path
    places: Mapping[Path, bytes]
    """The folder below the output that each photo's copy goes to."""
    console: Console
    progress: Progress
    bar: TaskID
    failed: bool = False
    unjudged: bool = False
    filed: int = 0
    in_hand: int = 0
    share: float = 0.0

    def begin(self, photos: int) -> None:
        """So many are worked on together from now."""
        self.in_hand, self.share = photos, 0.0

    def tell(self, news: Reached[Path] | Stepped) -> None:
        match news:
            case Reached(photo, stage):
                self.progress.update(self.bar, description=escape(f"{readable(photo.name)}: {stage}"))
            case Stepped(done, total):
                self.share = done / total
                self._advance()

    def _advance(self) -> None:
        # The optimiser's steps take most of the time: they stand for the photos that are in hand together.
        self.progress.update(self.bar, completed=self.filed + self.in_hand * self.share)

    def file(self, photo: Path, outcome: Outcome) -> None:
        """Write the copy, or say in one line why there is none."""
        self.filed += 1
        self.in_hand -= 1
        self._advance()
        match outcome:
            case Protected():
                self.unjudged |= not outcome.verdict.independent
                weak = f" (weak: {outcome.verdict.told})" if outcome.verdict.strength is Strength.WEAK else ""
                self._place(photo, outcome.content, outcome.suffix, weak)
            case NoFace(content=bytes() as content, suffix=suffix):
                self._place(photo, content, suffix, " (no face was found)")
            case NoFace():
                self._fail(photo, "no face was found")
            case PhotoLeftAlone():
                self._say(f"{readable(photo)}: {readable(outcome.reason)}. {outcome.advice}")
            case error:
                self._fail(photo, f"at {error.stage}: {error.reason}. {_here(error.advice)}")

    def _place(self, photo: Path, content: bytes, suffix: str, remark: str) -> None:
        try:
            delivered = self._write(photo, content, suffix)
        except (OutboxUnavailable, PhotoError) as error:
            self._fail(photo, error)
            return
        self._say(f"{readable(photo)} → {readable(delivered)}{remark}")

    def _write(self, photo: Path, content: bytes, suffix: str) -> Path:
        folder = self.places[photo]
        wanted = delivery_name(os.path.join(folder, os.fsencode(photo.name)), suffix)
        temp = self.outbox.write_temp(folder, content, _mtime_ns(photo))
        digest = sha256(content)
        try:
            for name in self.outbox.candidates(wanted):
                if self.outbox.place(temp, Delivery(name, digest), None):
                    return self.output / os.fsdecode(name)
        finally:
            self.outbox.remove(temp)
        raise AssertionError("bug: names do not run out")

    def _fail(self, photo: Path, why: str | LowkeydError) -> None:
        self.failed = True
        self._say(f"{readable(photo)}: {readable(str(why))}")

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


def _here(advice: str) -> str:
    """Advice, which speaks to who has a daemon, for who has none."""
    told = advice.replace(RETRY, "then protect it again.").replace("; `lowkeyd retry` runs it again", "")
    return told.replace("`lowkeyd retry`", "protect it again")


def _mtime_ns(photo: Path) -> int:
    try:
        return photo.stat().st_mtime_ns
    except OSError:  # taken away while it was worked on
        return time.time_ns()
