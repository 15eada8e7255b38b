"""What the attack costs beside the paper's loop, what the limit is, and where the rest of the time goes.

    uv run python benchmarks/speed.py [PHOTO_OR_FOLDER...] [--faces 16] [--threads 2]

All in one run, on the same faces at once: the paper's loop (50 steps, two views, mirror images) on whole photos, as
released, where they have one size, and on faces at working size; each preset; and the limit of `balanced`: the views,
network and LPIPS passes that it makes, alone. Then where the time of a whole photo goes, stage by stage, and what the
whole command takes, where stages overlap. Without photos it takes NASA's astronaut. Also printed: face-LPIPS of what
each gives, before the file is coded.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.protection import released
from lowkeyd import config
from lowkeyd.attack import optimise, views
from lowkeyd.attack.crop import SIDE, WORKING_PX, Difference, Square, WorkingFaces, paste
from lowkeyd.attack.engine import Engine
from lowkeyd.attack.objective import embed
from lowkeyd.attack.presets import PAPER, PRESETS
from lowkeyd.attack.verify import Versions
from lowkeyd.imaging.decode import Limits, decode
from lowkeyd.imaging.encode import as_shared, encode
from lowkeyd.model import PHOTO_SUFFIXES, Place, Stage
from lowkeyd.worker.messages import Reached, Stepped
from lowkeyd.worker.protect import Protector

LIMITS = Limits(200, 500)
ROUNDS = 3


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--faces", type=int, default=16, help="faces optimised together")
    parser.add_argument("--presets", nargs="*", default=list(PRESETS))
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    engine = Engine(config.Attack(), "auto", asked.threads)
    files = _files(asked.photos)
    contents = [path.read_bytes() for path in files] or [_astronaut()]
    places = _places(engine, contents, asked.faces)
    print(f"{len(places)} faces at once, {asked.threads} threads, {engine.device}, ensemble: dlib")
    _beside_the_paper(engine, places, asked.presets)
    _limit(engine, places)
    _whole_photos(engine, contents)
    _whole_command(contents, asked.threads)


def _files(named: list[Path]) -> list[Path]:
    return [
        file
        for path in named
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.suffix.lower() in PHOTO_SUFFIXES
    ]


def _astronaut() -> bytes:
    buffer = BytesIO()
    Image.fromarray(astronaut()).save(buffer, "PNG")
    return buffer.getvalue()


def _places(engine: Engine, contents: list[bytes], count: int) -> list[Place]:
    """Faces of as many photos as it takes; those that are there again and again, if there are too few."""
    found: list[Place] = []
    for content in contents:
        photo = decode(content, LIMITS).pixels
        found += [(photo, face) for face in engine.detect(photo)]
        if len(found) >= count:
            break
    return (found * -(-count // len(found)))[:count]


def _beside_the_paper(engine: Engine, places: list[Place], presets: list[str]) -> None:
    print(f"\n{'':20}{'s/face':>9}{'of the paper’s loop':>22}{'face-LPIPS':>12}{'PSNR':>10}")
    base = 0.0
    if len({photo.shape for photo, _ in places}) == 1:
        photos, faces = zip(*places, strict=True)
        _, base = _timed(lambda: torch.from_numpy(np.stack(released(engine, photos, faces, 0.2))), 1)
        print(f"{'paper, whole photos':20}{base / len(places):9.3f}{'1/1.0':>22}", flush=True)
    for preset in (PAPER, *presets):
        rounds = 1 if preset == PAPER else ROUNDS
        deltas, seconds = _timed(partial(_optimise, engine, places, preset), rounds)
        base = base or seconds
        seen = [
            engine.visibility(photo, paste(photo, [Difference(Square.around(face, SIDE), delta)]), face)
            for (photo, face), delta in zip(places, deltas, strict=True)
        ]
        print(
            f"{preset:20}{seconds / len(places):9.3f}{f'1/{base / seconds:.1f}':>22}"
            f"{np.mean([v.lpips for v in seen]):12.4f}{np.mean([v.psnr_db for v in seen]):7.2f} dB",
            flush=True,
        )


def _optimise(engine: Engine, places: list[Place], preset: str) -> Tensor:
    return engine.optimise(WorkingFaces.of(places), preset, lambda _done, _all: None)


def _timed(work: Callable[[], Tensor], rounds: int) -> tuple[Tensor, float]:
    """The fastest of some rounds: what disturbs only ever slows down."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # what was only queued has not been done
        seconds.append(time.perf_counter() - started)
    return result, min(seconds)


def _limit(engine: Engine, places: list[Place]) -> None:
    """The passes that `balanced` cannot do without, each timed alone."""
    faces = WorkingFaces.of(places)
    x, points = faces.x.to(engine.device), faces.points
    preset = PRESETS["balanced"]
    looks = list(islice(views.random(WORKING_PX, engine.device, 0, preset.spread), preset.steps))

    def networks() -> Tensor:
        for view in looks:
            leaf = x.clone().requires_grad_()
            total = torch.stack([embed(network, leaf, points, view).sum() for network in engine.ensemble]).sum()
            torch.autograd.grad(total, leaf)
        return x

    def lpips() -> Tensor:
        clean = [layer.detach() for layer in engine.perceptual.features(x)]
        for _ in range(preset.steps - int(optimise.LPIPS_FROM * preset.steps)):
            leaf = (x + 0.01).requires_grad_()
            torch.autograd.grad(engine.perceptual.distance(clean, engine.perceptual.features(leaf)).sum(), leaf)
        return x

    _, network_s = _timed(networks, ROUNDS)
    _, lpips_s = _timed(lpips, ROUNDS)
    _, whole_s = _timed(lambda: _optimise(engine, places, "balanced"), ROUNDS)
    limit = network_s + lpips_s
    print(f"\nbalanced takes {whole_s / limit:.2f} times its limit:")
    for name, seconds in (
        ("views and networks, forward and backward", network_s),
        ("LPIPS, forward and backward", lpips_s),
        ("the rest: clean features, steps, projection", whole_s - limit),
    ):
        print(f"  {name:48}{seconds / len(places):8.3f} s/face{seconds / whole_s:7.0%}")


@dataclass
class _Clock:
    """Seconds by stage."""

    spent: dict[str, float]

    def stamp(self, names: list[str], stamps: list[float]) -> None:
        for name, (start, end) in zip(names, pairwise(stamps), strict=True):
            self.spent[name] = self.spent.get(name, 0.0) + end - start


def _whole_photos(engine: Engine, contents: list[bytes]) -> None:
    """Every stage of every photo, in groups as the daemon forms them."""
    stages = ["decode", "detect", "optimise", "encode", "verify"]
    clock, faces_in_all = _Clock({}), 0
    settings = config.Config()
    for start in range(0, len(contents), settings.worker.photos):
        stamps = [time.perf_counter()]
        pictures = [decode(content, LIMITS) for content in contents[start : start + settings.worker.photos]]
        stamps.append(time.perf_counter())
        faces = [engine.detect(picture.pixels) for picture in pictures]
        stamps.append(time.perf_counter())
        photos = [picture.pixels for picture in pictures]
        protected = engine.protect(photos, faces, "balanced", lambda _done, _all: None) if any(faces) else photos
        stamps.append(time.perf_counter())
        encoded = [
            encode(picture, pixels, settings.outbox, settings.metadata)
            for picture, pixels in zip(pictures, protected, strict=True)
        ]
        stamps.append(time.perf_counter())
        for picture, copy, found in zip(pictures, encoded, faces, strict=True):
            delivered = decode(copy.content, LIMITS).pixels
            versions = Versions(picture.pixels, as_shared(picture.pixels), delivered, as_shared(delivered))
            if found:
                engine.verify(versions, found, "balanced")
        stamps.append(time.perf_counter())
        clock.stamp(stages, stamps)
        faces_in_all += sum(map(len, faces))
    whole = sum(clock.spent.values())
    megapixels = sum(decode(content, LIMITS).pixels.size // 3 for content in contents) / 1e6
    print(f"\n{len(contents)} photos, {megapixels:.0f} megapixels, {faces_in_all} faces, all stages of `protect`:")
    for stage, seconds in clock.spent.items():
        print(f"  {stage:12}{seconds:8.2f} s{seconds / whole:7.0%}")
    others = whole - clock.spent["optimise"]
    print(f"  all but the optimiser: {others / clock.spent['optimise']:.2f} of its time")


class _Watch:
    """Hears from the protector when it optimises, and adds that up."""

    def __init__(self) -> None:
        self.optimised_s = 0.0
        self._since: float | None = None

    def tell(self, news: Reached[int] | Stepped) -> None:
        if isinstance(news, Stepped):
            return
        if news.stage is Stage.OPTIMISE and self._since is None:
            self._since = time.perf_counter()
        elif news.stage is Stage.ENCODE and self._since is not None:
            self.optimised_s += time.perf_counter() - self._since
            self._since = None


def _whole_command(contents: list[bytes], threads: int) -> None:
    """What `lowkeyd protect` and the daemon's worker do, where two photos at a time are in work."""
    settings = config.Config(worker=config.Worker(threads=threads))
    protector = Protector(settings, "auto")
    readers = [(number, lambda content=content: content) for number, content in enumerate(contents)]
    list(protector.run(readers[:1], lambda _: None))
    watch, started = _Watch(), time.perf_counter()
    for start in range(0, len(readers), settings.worker.photos):
        list(protector.run(readers[start : start + settings.worker.photos], watch.tell))
    whole = time.perf_counter() - started
    print(
        f"\nthe same photos through `protect`, where stages overlap: {whole:.2f} s, optimiser {watch.optimised_s:.2f} s"
    )
    print(f"  all but the optimiser: {(whole - watch.optimised_s) / watch.optimised_s:.2f} of its time")


if __name__ == "__main__":
    main()
