"""`lowkeyd evaluate`: does the protection hold on these people, against these recognisers?"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from lowkeyd.cli import shown
from lowkeyd.cli.options import ConfigFile, load_or_defaults, preset_named
from lowkeyd.model import readable

if TYPE_CHECKING:
    from lowkeyd.attack.engine import Engine
    from lowkeyd.evaluation.protocol import Evaluated, Gallery
    from lowkeyd.model import Face, Pixels

JSON_VERSION = 1
CLEAN = "clean"
_FEW_SKIPPED = 5
_NEAR = 50


def evaluate(
    people: Annotated[
        Path | None, typer.Argument(help="A folder per person, with two photos or more.", show_default=False)
    ] = None,
    gallery: Annotated[Path | None, typer.Option(help="Or: a folder with one photo per person ...")] = None,
    probe: Annotated[Path | None, typer.Option(help="... and other photos of them, under the same names.")] = None,
    protect: Annotated[int | None, typer.Option(help="How many people to protect; all, if not given.", min=1)] = None,
    preset: Annotated[list[str] | None, typer.Option(help="Presets to try; the configured one, if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a picture: recognition against visibility.")] = None,
    config: ConfigFile = None,
) -> None:
    """Protect some of the people in a gallery, and look for all of them by their other photos.

    Recognisers are the configured ensemble, which is attacked, and the judges, which are not.

    Example: lowkeyd evaluate people/ --protect 20 --preset subtle --preset balanced --plot people.png
    """
    if (people is None) == (gallery is None) or (gallery is None) != (probe is None):
        raise typer.BadParameter("name a folder of people, or --gallery and --probe")
    configured = load_or_defaults(config)
    if plot is not None and not plot.absolute().parent.is_dir():
        raise typer.BadParameter(f"--plot {readable(plot)}: its folder is not there")
    presets = [preset_named(name) for name in preset or [configured.attack.preset]]
    console = Console(stderr=True, markup=False, emoji=False)
    with console.status("Loading the networks ..."):
        from lowkeyd.attack.engine import Engine
        from lowkeyd.evaluation.people import people as found
        from lowkeyd.evaluation.protocol import Gallery

        everybody = found(people or gallery or Path(), probe)
        engine = Engine(configured.attack, configured.attack.devices[0], configured.worker.threads)
    with _progress(console) as progress:
        bar = progress.add_task("Finding faces", total=len(everybody))
        known = Gallery(everybody, engine, configured, lambda: progress.advance(bar))
        chosen = known.choose(protect)
        progress.update(bar, visible=False)
        results = _results(known, chosen, presets, engine, progress)
    _tell_skipped(known, console)
    if as_json:
        typer.echo(json.dumps(_document(known, chosen, results)))
    else:
        _show(known, chosen, results)
    if not configured.attack.judges:
        console.print(shown.NO_JUDGE, style="yellow", soft_wrap=True)
    if plot is not None:
        _write(plot, _plot(known, chosen, results))
        console.print(f"Plot: {readable(plot)}", highlight=False, soft_wrap=True)


def _write(plot: Path, content: bytes) -> None:
    """After the results were shown, which may have taken hours."""
    try:
        plot.write_bytes(content)
    except OSError as error:
        typer.echo(f"lowkeyd: --plot {readable(plot)}: cannot be written: {error.strerror}", err=True)
        raise typer.Exit(1) from error


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    )


def _results(
    known: "Gallery", chosen: list[int], presets: list[str], engine: "Engine", progress: Progress
) -> "list[Evaluated]":
    """The clean gallery first, then one entry per preset."""
    results = [known.evaluate(chosen, CLEAN, None)]
    for preset in presets:
        bar = progress.add_task(f"Protecting: {preset}", total=len(chosen))
        results.append(known.evaluate(chosen, preset, partial(_protect, engine, preset, progress, bar)))
        progress.update(bar, visible=False)
    return results


def _protect(
    engine: "Engine",
    preset: str,
    progress: Progress,
    bar: TaskID,
    photos: "Sequence[Pixels]",
    faces: "Sequence[Sequence[Face]]",
) -> "list[Pixels]":
    return engine.protect(photos, faces, preset, lambda _, steps: progress.advance(bar, len(photos) / steps))


def _tell_skipped(known: "Gallery", console: Console) -> None:
    for path, why in list(known.skipped.items())[:_FEW_SKIPPED]:
        console.print(f"{readable(path)}: left out: {why}", highlight=False, markup=False, soft_wrap=True)
    if len(known.skipped) > _FEW_SKIPPED:
        console.print(f"... and {len(known.skipped) - _FEW_SKIPPED} more photos that could not be used")


def _document(known: "Gallery", chosen: list[int], results: "Sequence[Evaluated]") -> dict[str, object]:
    return {
        "version": JSON_VERSION,
        "gallery": len(known),
        "protected": len(chosen),
        "skipped": {readable(path): why for path, why in known.skipped.items()},
        "results": [_without_near(asdict(result), len(known)) for result in results],
    }


def _without_near(result: dict[str, Any], gallery: int) -> dict[str, Any]:
    """In a gallery of fifty everybody is among the nearest fifty."""
    if gallery <= _NEAR:
        result["recognised"] = [seen | {"rank_50": None} for seen in result["recognised"]]
    return result


def _show(known: "Gallery", chosen: list[int], results: "Sequence[Evaluated]") -> None:
    console = shown.console(120)
    console.print(f"{len(chosen)} people protected in a gallery of {len(known)}; lower is better protected")
    console.print(_recognition(len(known), results))
    accepted = dict.fromkeys(f"{seen.recogniser} below {seen.threshold:.2f}" for seen in results[0].recognised)
    console.print(f"verified: the same person for {', '.join(accepted)}", style="dim", highlight=False)
    if len(results) > 1:
        console.print(_visibility(results[1:]))


def _recognition(gallery: int, results: "Sequence[Evaluated]") -> Table:
    """A row for each protection and recogniser, a column for each form."""
    title = "rank-1 / rank-50 / verified: share of probes that lead to their person, who is nearest, near, accepted"
    table = Table(title=title, title_justify="left", title_style="bold")
    forms = list(dict.fromkeys(seen.form for seen in results[0].recognised))
    for name in ("protection", "recogniser", *forms):
        table.add_column(name)
    for result in results:
        cells: dict[str, list[str]] = {}
        for seen in result.recognised:
            who = f"{seen.recogniser} ({'attacked' if seen.attacked else 'not attacked'})"
            near = f"{seen.rank_50:.2f}" if gallery > _NEAR else "-"  # in a smaller gallery everybody is
            cells.setdefault(who, []).append(f"{seen.rank_1:.2f} / {near} / {seen.verified:.2f}")
        for who, rates in cells.items():
            table.add_row(result.protection, who, *rates)
        table.add_section()
    return table


def _visibility(results: "Sequence[Evaluated]") -> Table:
    table = Table(title="what can be seen, mean over faces", title_justify="left", title_style="bold")
    for title in ("preset", "face-LPIPS", "PSNR", "SSIM", "chroma", "s/face"):
        table.add_column(title, justify="left" if title == "preset" else "right")
    for result in results:
        if (seen := result.visibility) is not None:
            table.add_row(
                result.protection,
                f"{seen.lpips:.4f}",
                f"{seen.psnr_db:.2f} dB",
                f"{seen.ssim:.4f}",
                f"{seen.chroma:.2f}",
                f"{result.seconds_per_face:.2f}",
            )
    return table


def _plot(known: "Gallery", chosen: list[int], results: "Sequence[Evaluated]") -> bytes:
    """Rank-1 and rank-50 of each recogniser over face-LPIPS, photos stored as JPEG 75."""
    from lowkeyd.imaging.plot import Series, trade

    clean, *protected = results
    lines: list[Series] = []
    for number, seen in enumerate(clean.recognised):
        if seen.form != "JPEG 75":
            continue
        who = f"{seen.recogniser}, {'attacked' if seen.attacked else 'not attacked'}"
        colour = len({line.colour for line in lines})
        for rank in ("rank_1", "rank_50") if len(known) > _NEAR else ("rank_1",):
            points = [
                (result.visibility.lpips, getattr(result.recognised[number], rank), result.protection)
                for result in protected
                if result.visibility is not None
            ]
            name = f"{who}: {rank.replace('_', '-')}"
            lines.append(Series(name, points, getattr(seen, rank), colour, dashed=rank != "rank_1"))
    return trade(
        lines,
        title=f"{len(chosen)} protected people in a gallery of {len(known)}, JPEG quality 75",
        x_name="visibility: face-LPIPS, mean over faces",
        y_name="found by another photo",
    )
