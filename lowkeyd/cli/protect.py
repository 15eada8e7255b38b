"""`lowkeyd protect`: photos in, protected copies out, without a daemon; or, with `--queue`, by it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from lowkeyd.cli.albums import folders, spread
from lowkeyd.cli.options import ConfigFile, load, load_or_defaults, preset_named
from lowkeyd.config import Config
from lowkeyd.errors import LowkeydError, OutboxUnavailable, PhotoError, PhotoLeftAlone
from lowkeyd.folders import originals
from lowkeyd.folders.outbox import Outbox, delivery_name
from lowkeyd.folders.rules import is_raw_name
from lowkeyd.model import Delivery, NoFace, Protected, Strength, readable, sha256
from lowkeyd.worker.messages import Outcome, Reached, Stepped

_UNJUDGED = (
    "No independent judge: only the networks that were attacked looked at the copies. [attack] judges names others."
)


def protect(
    photos: Annotated[
        list[Path],
        typer.Argument(help="Photos to protect, or folders of them; they are only read.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the copies; this one if none is named.", file_okay=False),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Strength, subtle, balanced or strong; the configured one, if not given.")
    ] = None,
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Hand photos in watched folders, or whole folders of them, to the daemon."),
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Protect photos here and now, without the daemon. A name that is taken gets a number; nothing is overwritten.

    Of a folder all photos are protected, in subfolders too; the copies keep their places below --output.

    With --queue the daemon protects them, before all others, and the copies go to its outbox; what is done already
    stays as it is, what failed is tried again. If none runs, they wait for the next one.

    Exits with 1 if any photo failed, or has no face and [outbox] no_face is not "copy"; with --queue, if any is not for
    the daemon.

    Example: lowkeyd protect holiday.jpg album/ -o protected/
    """
    if queue:
        _hand_in(photos, output, preset, config)
    albums = folders(photos, output)
    settings = _with_preset(load_or_defaults(config), preset)
    places, unreadable = spread(photos, albums)
    for folder in unreadable:
        typer.echo(f"{readable(folder)}: this folder cannot be read", err=True)
    if not places:
        raise typer.BadParameter("no photo is in there")
    output = output or Path()
    console = Console(stderr=True, emoji=False)
    outbox = _outbox(output, albums)
    with console.status("Loading the networks ..."):
        from lowkeyd.worker.protect import Protector

        protector = Protector(settings, settings.attack.devices[0])
    with _progress(console) as progress:
        run = _Run(outbox, output, places, console, progress, progress.add_task("", total=len(places)))
        max_bytes = int(settings.worker.max_megabytes * 1e6)
        every = iter(places)
        while batch := list(islice(every, settings.worker.photos)):
            run.begin(len(batch))
            named: list[tuple[Path, Callable[[], bytes]]] = [
                (photo, partial(_read, photo, max_bytes)) for photo in batch
            ]
            for photo, outcome in protector.run(named, run.tell):
                run.file(photo, outcome)
    if run.unjudged:
        console.print(_UNJUDGED, style="yellow", markup=False, soft_wrap=True)
    raise typer.Exit(1 if run.failed or unreadable else 0)


def _hand_in(photos: list[Path], output: Path | None, preset: str | None, config: Path | None) -> NoReturn:
    if preset is not None:
        raise typer.BadParameter("with --queue, the daemon's configuration says how strong, so there is no --preset")
    if output is not None:
        raise typer.BadParameter("with --queue, copies go to the daemon's outbox, so there is no --output")
    from lowkeyd.cli.hand_in import hand_in

    raise typer.Exit(0 if hand_in(photos, load(config)) else 1)


def _with_preset(settings: Config, preset: str | None) -> Config:
    if preset is None:
        return settings
    attack = settings.attack.model_copy(update={"preset": preset_named(preset)})
    return settings.model_copy(update={"attack": attack})


def _outbox(folder: Path, albums: list[Path]) -> Outbox:
    """The folder, tried out: an hour of work is not to end with copies that have no place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutboxUnavailable(f"{folder}: the folder for the copies cannot be made: {error.strerror}") from error
    outbox = Outbox(folder, watched=albums)
    outbox.probe()
    return outbox


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
    places: dict[Path, bytes]
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
                self._fail(photo, f"at {error.stage}: {error.reason}. {error.advice}")

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


def _mtime_ns(photo: Path) -> int:
    try:
        return photo.stat().st_mtime_ns
    except OSError:  # taken away while it was worked on
        return time.time_ns()
