"""`lowkeyd demo`: the real daemon protects a real photo, in a library that it makes for the purpose."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.cli.options import preset_named
from lowkeyd.errors import StoreError
from lowkeyd.folders.rules import Rules
from lowkeyd.model import State, readable
from lowkeyd.store import location, snapshot
from lowkeyd.store.snapshot import Delivered, Snapshot

_LOOK_S = 0.5
_QUIET_S = 1.0
"""The demo writes its photos in one go, so it need not wait for a slow writer."""
_MEGAPIXELS, _MEGABYTES = 200.0, 500.0
_NO_JUDGE = (
    "No independent judge: every recogniser above was attacked itself. `lowkeyd models list` names networks that can"
    " judge; then run the demo with --judge NAME."
)
_ENDED = (State.DONE, State.NO_FACE, State.FAILED, State.IGNORED)


def demo(
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Photos to show it on; a portrait of an astronaut if none is given.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder to keep the demo's library in.")] = None,
    preset: Annotated[str, typer.Option(help="Strength: subtle, balanced or strong.")] = "balanced",
    judge: Annotated[
        list[str] | None, typer.Option(help="A face network that is not attacked and judges; may be given twice.")
    ] = None,
) -> None:
    """Make a small library, start the real daemon on it, drop a photo in, and show what came out, judged.

    Example: lowkeyd demo me.jpg
    """
    console = shown.console(120)
    chosen = photos or [_portrait()]
    _check(chosen)
    attack = {"preset": preset_named(preset), "judges": judge or []}
    library = _Library((output or Path(tempfile.mkdtemp(prefix="lowkeyd-demo-"))).absolute())
    library.make(attack)
    with _daemon(library) as daemon:
        library.drop(chosen)
        _wait(library, len(chosen), daemon, console)
    finished = snapshot.delivered(location.database(library.state))
    for photo in finished:
        _show(library, photo, console)
    if any(photo.state is not State.DONE for photo in finished):
        raise typer.Exit(1)


def _portrait() -> Path:
    """NASA's public-domain portrait of Eileen Collins, which scikit-image carries."""
    spec = find_spec("skimage")
    portrait = Path(spec.origin).parent / "data" / "astronaut.png" if spec and spec.origin else None
    if portrait is None or not portrait.exists():
        raise typer.BadParameter("give it a photo: lowkeyd demo me.jpg (the portrait comes with scikit-image)")
    return portrait


def _check(photos: list[Path]) -> None:
    """The demo ends when every photo has come to its end, so each must be one that the daemon will take."""
    for photo in photos:
        if not photo.is_file():
            raise typer.BadParameter(f"{readable(photo)}: no such file")
        if not Rules().takes(os.fsencode(photo.name)):
            raise typer.BadParameter(f"{readable(photo)}: by its name it is no photo, or a hidden one")
    if len({photo.name for photo in photos}) < len(photos):
        raise typer.BadParameter("two of the photos have the same name; the demo puts all into one folder")


class _Library:
    """The demo's folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inbox = root / "inbox"
        self.outbox = root / "outbox"
        self.state = root / "state"
        self.config = root / "config.toml"
        self.log = root / "daemon.log"

    def make(self, attack: dict[str, Any]) -> None:
        """Folders and configuration file."""
        if location.database(self.state).exists():
            raise typer.BadParameter(f"{readable(self.root)}: there is a demo's library already; name another folder")
        for folder in (self.inbox, self.outbox, self.state):
            folder.mkdir(parents=True, exist_ok=True)
        sections: dict[str, dict[str, Any]] = {
            "state": {"path": self.state},
            "outbox": {"path": self.outbox},
            "settle": {"quiet_s": _QUIET_S},
            "attack": attack,
            "[watch]": {"name": "inbox", "path": self.inbox, "mode": "events"},
        }
        lines = []
        for name, keys in sections.items():
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in keys.items())]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def drop(self, photos: list[Path]) -> None:
        """Copy photos into the watched folder, as anybody would."""
        for photo in photos:
            shutil.copyfile(photo, self.inbox / photo.name)

    def look(self) -> Snapshot | None:
        """Where things stand, once the daemon has a database."""
        try:
            return snapshot.read(location.database(self.state), rows=10)
        except StoreError:
            return None


def _toml(value: Any) -> str:
    """JSON's numbers, strings and lists of strings are TOML's, too."""
    return json.dumps(value, ensure_ascii=False, default=str)


@contextmanager
def _daemon(library: _Library) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-P", "-m", "lowkeyd", "run", "--config", str(library.config)]
    with library.log.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and not without the daemon
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def _wait(library: _Library, count: int, daemon: "subprocess.Popen[bytes]", console: Console) -> None:
    """Until every photo has come to its end, telling what the daemon is doing. Raises StoreError if it dies."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("The daemon starts", total=None)
        while True:
            seen = library.look()
            if seen is not None:
                if sum(number for (_, state), number in seen.counts.items() if state in _ENDED) >= count:
                    return
                progress.update(bar, **_doing(seen))
            if daemon.poll() is not None:
                *_, last = library.log.read_text(errors="replace").splitlines() or [""]
                raise StoreError(f"the daemon ended with exit code {daemon.returncode}: {last} (log: {library.log})")
            time.sleep(_LOOK_S)


def _doing(seen: Snapshot) -> dict[str, Any]:
    workers = seen.daemon["workers"] if seen.daemon else []
    steps = [(worker["done_steps"], worker["all_steps"]) for worker in workers if worker["all_steps"]]
    if steps:
        return {"description": "Optimising", "completed": steps[0][0], "total": steps[0][1]}
    if seen.running:
        return {"description": f"At work: {seen.running[0].stage}"}
    if seen.waiting:
        return {"description": f"Waiting: {seen.waiting[0].reason}"}
    return {"description": "Waiting until the photo is quiet, loading the networks"}


def _show(library: _Library, photo: Delivered, console: Console) -> None:
    name = os.fsdecode(photo.path)
    if photo.verdict is None or photo.delivery is None:
        why = f": {photo.reason}" if photo.reason else ""
        console.print(readable(f"{name}: {photo.state.value}{why} (log: {library.log})"), style="red", soft_wrap=True)
        return
    delivered = library.outbox / os.fsdecode(photo.delivery)
    sheet = library.root / f"{delivered.stem}-before-and-after.png"
    sheet.write_bytes(_before_and_after(library.inbox / name, delivered, _summary(photo.verdict)))
    console.print(_table(readable(name), photo.verdict))
    if all(score["attacked"] for face in photo.verdict["faces"] for score in face["scores"]):
        console.print(_NO_JUDGE, style="yellow")
    console.print(f"Protected in {photo.seconds:.1f} s: {readable(delivered)}", soft_wrap=True, highlight=False)
    console.print(f"Side by side: {readable(sheet)}", soft_wrap=True, highlight=False)


def _before_and_after(original: Path, delivered: Path, footer: str) -> bytes:
    from lowkeyd.imaging.decode import Limits, decode
    from lowkeyd.imaging.sheet import side_by_side

    before, after = (decode(path.read_bytes(), Limits(_MEGAPIXELS, _MEGABYTES)) for path in (original, delivered))
    return side_by_side(before.pixels, after.pixels, footer=footer)


def _summary(verdict: dict[str, Any]) -> str:
    """One line for the picture: the least protected face, by each recogniser."""
    scores = [score for face in verdict["faces"] for score in face["scores"]]
    weakest = {score["network"]: score for score in sorted(scores, key=lambda score: -score["after"])}
    told = " · ".join(f"{_role(score)}: {_distance(score)}" for score in weakest.values())
    return told if len(verdict["faces"]) == 1 else f"The least protected of {len(verdict['faces'])} faces: {told}"


def _role(score: dict[str, Any]) -> str:
    return f"{score['network']} ({'attacked' if score['attacked'] else 'not attacked'})"


def _distance(score: dict[str, Any]) -> str:
    return f"distance {score['before']:.2f} → {score['after']:.2f} (one person below {score['threshold']:.2f})"


def _table(name: str, verdict: dict[str, Any]) -> Table:
    """A row for each face and recogniser."""
    table = Table(title=name, title_justify="left", title_style="bold")
    table.add_column("face", justify="right")
    for title in ("recogniser", "against the original", "same person?", "face-LPIPS", "PSNR"):
        table.add_column(title)
    for number, face in enumerate(verdict["faces"], 1):
        seen = face["visibility"]
        for score in face["scores"]:
            same = Text("yes", "red") if score["accepted"] else Text("no", "green")
            visible = (f"{seen['lpips']:.4f}", f"{seen['psnr_db']:.1f} dB")
            moved = _distance(score).replace(" (", "\n(")
            table.add_row(str(number), _role(score), moved, same, *visible)
    return table
