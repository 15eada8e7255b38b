"""`lowkeyd models`: the face networks that can be attacked or can judge, and how their weights come here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.cli.options import ConfigFile, load_or_defaults
from lowkeyd.config import Attack
from lowkeyd.errors import WeightsError
from lowkeyd.model import readable

if TYPE_CHECKING:
    from lowkeyd.attack.download import Progress as Tell
    from lowkeyd.attack.networks.catalogue import Entry

app = typer.Typer(help="List, fetch, add and check the face networks.", no_args_is_help=True)

_PIPE_COLUMNS = 1_000
"""What a program reads has each network on one line."""

Name = Annotated[str, typer.Argument(help="One of those that `lowkeyd models list` names.", show_default=False)]


@app.command("list")
def list_(config: ConfigFile = None) -> None:
    """Name every network that can be attacked or can judge: what it is, whose licence, whether it is here.

    Example: lowkeyd models list
    """
    settings = load_or_defaults(config, service=True).attack
    from lowkeyd.attack.networks import catalogue

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("network", "family"):
        table.add_column(title, no_wrap=True)
    table.add_column("MB", justify="right")
    for title in ("licence", "here", "used"):
        table.add_column(title, min_width=8)
    for entry in catalogue.read(settings.models).values():
        table.add_row(*map(Text, _row(entry, settings)))
    shown.console(_PIPE_COLUMNS).print(table)


def _row(entry: "Entry", settings: Attack) -> tuple[str, ...]:
    path = entry.path(settings.models)
    here = path.is_file()
    size = path.stat().st_size if here else entry.size
    return (
        entry.name,
        entry.family.name,
        f"{size / 1e6:.0f}" if size else "?",
        entry.licence,
        ("yes" if entry.sha256 else "unchecked") if here else "no",
        "attacked" if entry.name in settings.ensemble else "judges" if entry.name in settings.judges else "",
    )


@app.command()
def fetch(network: Name, config: ConfigFile = None) -> None:
    """Fetch a network's weights, going on where an earlier try stopped, and check them.

    Weights whose hash nobody knows are tried out, and have their hash recorded: from then on they have to keep it.

    Example: lowkeyd models fetch facenet-vggface2
    """
    folder = load_or_defaults(config, service=True).attack.models
    from lowkeyd.attack.networks import catalogue, supply

    entry = catalogue.find(network, folder)
    if supply.is_here(entry, folder):
        typer.echo(f"{network} is here already: {readable(entry.path(folder))}")
        return
    size = f"{entry.size / 1e6:.0f} MB" if entry.size else "of unknown size"
    chip = " x ".join(map(str, entry.family.chip or ()))
    typer.echo(f"{network}: {entry.family.summary}{chip and f', shown {chip} pixels'}.")
    typer.echo(f"Licence of the weights: {entry.licence}.")
    typer.echo(f"Fetching {entry.url} ({size})")
    with _bar(network) as tell:
        digest = supply.fetch(entry, folder, tell)
    known = "as it should be" if entry.sha256 else "recorded, since it was not known"
    typer.echo(f"{readable(entry.path(folder))}: SHA-256 {digest}, {known}.")


@contextmanager
def _bar(title: str) -> Iterator["Tell"]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(title, total=None)
        yield lambda here, total: progress.update(bar, completed=here, total=total)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A checkpoint, or an ONNX file.", show_default=False)],
    family: Annotated[
        str, typer.Option(help="Its family: dlib, mobilefacenet, facenet, ir, resnet, iresnet or onnx.", metavar="F")
    ],
    name: Annotated[str | None, typer.Option(help="What settings call it; the file's name if not given.")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="One person below this distance of two embeddings; the family's if not given.", min=0.0),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Copy a network's weights from a file of yours to where lowkeyd finds them, once a face has come through it.

    The file is read, never run, and has to keep its hash from then on.

    Example: lowkeyd models add backbone_ir50_asia.pth --family ir --name ir50-asia
    """
    folder = load_or_defaults(config, service=True).attack.models
    from lowkeyd.attack.networks import supply

    entry, title = supply.add(file, family, name, threshold, folder)
    typer.echo(f"{entry.name}: {title}, in {readable(entry.path(folder))}, SHA-256 {entry.sha256}.")
    typer.echo(f"Two faces are one person to it below a distance of {entry.threshold:g}.")
    typer.echo(f'Name it in [attack] ensemble to attack it, or in judges to let it judge: "{entry.name}"')


@app.command()
def check(config: ConfigFile = None) -> None:
    """Load every network that is here or that the settings name, compare hashes, and show each a face.

    Exits with 78 if one is damaged or missing, or if attacked weights would judge themselves.

    Example: lowkeyd models check
    """
    settings = load_or_defaults(config, service=True).attack
    from lowkeyd.attack.networks import face_network, supply

    faults = 0
    for finding in supply.check(settings.models, frozenset(settings.networks)):
        typer.echo(f"{finding.name}: {readable(finding.fault) or f'ok, {finding.title}'}")
        faults += bool(finding.fault)
    if faults:
        raise WeightsError(f"{faults} network{'' if faults == 1 else 's'} cannot be used")
    attacked, judges = (
        [face_network.load(name, settings.models, "cpu") for name in names]
        for names in (settings.ensemble, settings.judges)
    )
    face_network.refuse_twins(attacked, judges)
