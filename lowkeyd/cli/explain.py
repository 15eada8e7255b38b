"""`lowkeyd explain`: all that is known about one photo."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lowkeyd import config as configuration
from lowkeyd.cli import places, shown
from lowkeyd.cli.history import outcome
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.folders.rules import Rules
from lowkeyd.model import State, readable
from lowkeyd.store import location, lookup
from lowkeyd.store.lookup import Entry

_STRENGTHS = {
    "protected": ("green", "no recogniser that was asked accepts a face, neither as delivered nor as it is shared"),
    "weak": ("yellow", "some recogniser still accepts a face: see below which"),
    "failed": ("red", "a network that was attacked still accepts a face as delivered: the attack did not do its work"),
}
_NOBODY_INDEPENDENT = (
    "No independent judge had a say: every recogniser above was itself attacked, so this says nothing about others. "
    "Name one in [attack] judges."
)


def explain(
    photo: Annotated[Path, typer.Argument(help="A photo in a watched folder, or a copy in the outbox.")],
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the schema has a version.")] = False,
) -> None:
    """Tell all that is known about one photo: where it stands, why, and how well its copy protects.

    Exits with 1 if nothing is known about it.

    Example: lowkeyd explain ~/lowkeyd/inbox/holiday/beach.jpg
    """
    settings = load(config)
    entry = _find(photo, settings)
    obstacle = None if entry is None else _obstacle(entry, settings)
    if as_json:
        shown.document(_as_json(entry, settings, obstacle))
    elif entry is None:
        shown.console().print(Text(f"{readable(photo)}: {_why_unknown(photo, settings)}"))
    else:
        _show(entry, settings, obstacle, shown.console())
    if entry is None:
        raise typer.Exit(1)


def _find(photo: Path, settings: configuration.Config) -> Entry | None:
    database = location.database(settings.state.path)
    delivery = places.in_outbox(photo, settings)
    if delivery is not None:
        return lookup.photo_of(database, delivery)
    return lookup.photo(database, *places.photo(photo, settings))


def _obstacle(entry: Entry, settings: configuration.Config) -> str | None:
    """What stands in the way of a photo whose turn it could be, and is no fault of its own."""
    if entry.state not in (State.READY, State.WAITING):
        return None
    from lowkeyd.monitor.status import take

    status = take(settings, rows=0)
    if not status.alive:
        return "the daemon does not run"
    if entry.watch in status.offline:
        return f"its folder is offline: {status.offline[entry.watch]}"
    return None if status.hold is None else f"all work is held: {status.hold['reason']}"


def _no_file(photo: Path) -> str | None:
    try:
        os.lstat(photo)
    except PermissionError as error:
        return f"it cannot be looked at by you: {error.strerror}."
    except OSError:
        return "no such file, and no photo of this name was ever seen."
    return "it is a folder: name a photo in it." if photo.is_dir() else None


def _why_unknown(photo: Path, settings: configuration.Config) -> str:
    if (fault := _no_file(photo)) is not None:
        return fault
    if not Rules().takes_here(os.fsencode(photo.name)):
        return "by its name it is no photo, or a hidden one, so it is never looked at."
    found = places.in_watch(photo, settings)
    if found is not None:
        watch = next(watch for watch in settings.watch if watch.name == found[0])
        if not Rules(watch.ignore, watch.follow_symlinks).takes(found[1]):
            return "it lies in a hidden or system folder, or [[watch]] ignore names it, so it is never looked at."
        if photo.is_symlink() and not watch.follow_symlinks:
            return "it is a link, and [[watch]] follow_symlinks is off, so it is never looked at."
    return "not known. What was just written is taken once it is quiet; `lowkeyd status` says whether the daemon runs."


def _as_json(entry: Entry | None, settings: configuration.Config, obstacle: str | None) -> dict[str, Any]:
    if entry is None:
        return {"version": 1, "photo": None}
    told = asdict(entry) | {"path": readable(entry.path)}
    told["delivery"] = None if entry.delivery is None else readable(entry.delivery)
    return {
        "version": 1,
        "photo": told,
        "original": _readable(_original(entry, settings)),
        "copy": _readable(_copy(entry, settings)),
        "independent_judge": _independent(entry),
        "obstacle": None if obstacle is None else readable(obstacle),
    }


def _readable(path: Path | None) -> str | None:
    return None if path is None else readable(path)


def _original(entry: Entry, settings: configuration.Config) -> Path | None:
    roots = {watch.name: watch.path for watch in settings.watch}
    return roots[entry.watch] / os.fsdecode(entry.path) if entry.watch in roots else None


def _copy(entry: Entry, settings: configuration.Config) -> Path | None:
    return None if entry.delivery is None else settings.outbox.path / os.fsdecode(entry.delivery)


def _independent(entry: Entry) -> bool | None:
    return None if entry.verdict is None else bool(entry.verdict["independent"])


def _show(entry: Entry, settings: configuration.Config, obstacle: str | None, console: Console) -> None:
    console.print(Text(f"{readable(entry.watch)}/{readable(entry.path)}", "bold"))
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(entry, settings, obstacle):
        facts.add_row(name, value)
    console.print(facts)
    if entry.refused is not None:
        console.print(Text("\nMade, and not delivered", "bold"), end="")
        _verdict(entry.refused, console)
    elif entry.verdict is not None:
        _verdict(entry.verdict, console)
    if entry.history:
        console.print(Text("\nWhat happened, the newest first", "bold"))
    for event in entry.history:
        why = f"  at {event.stage}: {readable(event.reason)}" if event.reason else ""
        line = Text.assemble((shown.moment(event.at), "dim"), "  ", outcome(event), (why, "dim"))
        console.print(shown.indented(2, line))


def _facts(entry: Entry, settings: configuration.Config, obstacle: str | None) -> list[tuple[str, str]]:
    now = time.time()
    facts = [("state", _standing(entry))]
    if entry.reason:
        facts.append(("why", readable(f"at {entry.stage}: {entry.reason}" if entry.stage else entry.reason)))
    if entry.advice:
        facts.append(("advice", readable(entry.advice)))
    if obstacle:
        facts.append(("held up", readable(obstacle)))
    if entry.attempts:
        facts.append(("attempts", str(entry.attempts)))
    if entry.state is State.WAITING:
        facts.append(("next try", f"in {shown.duration(entry.next_try_at - now)}"))
    facts += [("first seen", shown.moment(entry.added_at)), ("since", shown.moment(entry.changed_at))]
    facts += _about_files(entry, settings)
    if entry.seconds is not None and entry.verdict is not None:
        tried = entry.verdict.get("tried")
        in_vain = f"; {tried} was tried too, and was no better" if tried else ""
        facts.append(("made", f"with preset {entry.verdict['preset']} in {entry.seconds:.1f} s{in_vain}"))
    if entry.fingerprint is not None:
        facts.append(("settings", f"{entry.fingerprint}{_of_today(entry.fingerprint, settings)}"))
    return facts


def _standing(entry: Entry) -> str:
    word = entry.state.value.replace("_", " ")
    return f"{word}, at {entry.stage}" if entry.state in (State.RUNNING, State.PUBLISHING) else word


def _about_files(entry: Entry, settings: configuration.Config) -> list[tuple[str, str]]:
    original, copy = _original(entry, settings), _copy(entry, settings)
    place = "its folder is no longer watched" if original is None else f"{readable(original)}{_absence(original)}"
    facts = [("original", place)]
    if entry.sha256:
        facts.append(("SHA-256", entry.sha256))
    if copy is not None:
        # What a copy was made with is known for as long as the photo stays what it was.
        current = entry.state in (State.DONE, State.NO_FACE) or entry.fingerprint is not None
        older = "" if current else " (of an earlier version)"
        if entry.refused is not None:
            older = " (made before, and still there; the new one was held back)"
        facts.append(("copy", f"{readable(copy)}{_absence(copy)}{older}"))
    return facts


def _absence(path: Path) -> str:
    return "" if os.path.lexists(path) else " (not there now)"


def _of_today(fingerprint: str, settings: configuration.Config) -> str:
    from lowkeyd.work import admit

    return "" if fingerprint == admit.fingerprint(settings) else " (they were changed since)"


def _verdict(verdict: dict[str, Any], console: Console) -> None:
    style, meaning = _STRENGTHS[verdict["strength"]]
    console.print(Text.assemble("\n", (verdict["strength"], f"bold {style}"), f": {meaning}."))
    for number, face in enumerate(verdict["faces"], 1):
        _face(number, face, console)
    if not verdict["independent"]:
        console.print(Text(_NOBODY_INDEPENDENT, "yellow"))


def _face(number: int, face: dict[str, Any], console: Console) -> None:
    seen, box = face["visibility"], ", ".join(f"{edge:.0f}" for edge in face["box"])
    console.print(Text(f"\nFace {number} of the copy (left, top, right, bottom: {box} px)", "bold"))
    if not face["found_again"]:
        console.print("  The detector no longer finds it; it was judged where it had been.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("  recogniser", min_width=12)
    for title in ("unprotected", "delivered", "shared", "same below"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("accepts it", min_width=7)
    for score in face["scores"]:
        distances = (f"{score[key]:.2f}" for key in ("before", "after", "shared", "threshold"))
        role = "attacked" if score["attacked"] else "independent"
        accepts = Text("yes", "red") if score["accepted"] else Text("no", "green")
        table.add_row(f"  {readable(score['network'])} ({role})", *distances, accepts)
    console.print(table)
    visible = f"face-LPIPS {seen['lpips']:.4f} · PSNR {seen['psnr_db']:.1f} dB · SSIM {seen['ssim']:.3f}"
    console.print(Text(f"  What can be seen: {visible} · colour {seen['chroma']:.2f}", "dim"))
