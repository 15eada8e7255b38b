"""A folder of photos through the whole daemon, judged afresh from the outside.

    uv run python benchmarks/photos.py FOLDER [--models FOLDER] [--judge mobilefacenet] [--preset balanced]

Every photo is copied, moved, and written slowly into nested new folders. What comes out is read back with Pillow, its
faces are detected anew, and compared with the original's by dlib's own library and by the judge, which was not
attacked: as delivered, shrunk to 1080 pixels, and that as JPEG 75. Photos called PERSON_1, PERSON_2 are compared with
each other too. Exit code 1 when a source changed, a photo got lost, or dlib's library still takes a face for the
original.
"""

import argparse
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.library import THRESHOLD, Library
from benchmarks.process import memory_mb
from lowkeyd import config
from lowkeyd.attack.detect import Detector, scaled
from lowkeyd.attack.networks import face_network
from lowkeyd.attack.verify import embeddings
from lowkeyd.imaging.encode import recompress
from lowkeyd.model import Face, Pixels
from tests.helpers.home import REAL, Daemon, Home, digests

PIECES, PAUSE_S = 6, 0.5
WAYS = ("copied", "moved", "slow")
SHARED_PX = 1080
Embedding = npt.NDArray[np.floating]


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--models", type=Path, default=config.Attack().models)
    parser.add_argument("--judge", default="mobilefacenet")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--out", type=Path, help="keep the library here")
    asked = parser.parse_args()
    models = asked.models.absolute()
    with nullcontext(asked.out) if asked.out else tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", REAL)
        home.configure(attack={"preset": asked.preset, "models": str(models), "judges": [asked.judge], "device": "cpu"})
        good = _through_the_daemon(home, asked.photos)
        pairs = [
            (asked.photos / Path(name).name, home.outbox / "inbox" / name)
            for name in sorted(home.delivered())
            if name.startswith("copied/")
        ]
        good = _from_outside(pairs, Outsiders(asked.judge, models)) and good
    return 0 if good else 1


def _through_the_daemon(home: Home, photos: Path) -> bool:
    """Drop the photos in and wait for the end of each. Returns whether nothing was lost or changed."""
    names = sorted(path.name for path in photos.iterdir())
    before = digests(photos)
    with home.daemon() as daemon:
        started = time.monotonic()
        _drop(home, photos, names)
        _wait(home, len(WAYS) * len(names))
        print(f"{len(WAYS) * len(names)} photos in {time.monotonic() - started:.0f} s, the worker's start included")
        _tell_memory(daemon)
        daemon.end()
    kept = before == digests(photos) and all(_by_name(home.inbox / way) == before for way in WAYS)
    print(f"states: {home.counts()}; sources unchanged: {kept}")
    for path, state, stage, reason in home.query(
        "SELECT path, state, stage, reason FROM photo WHERE state != 'done' ORDER BY path"
    ):
        print(f"  {path.decode()}: {state}: {stage or ''} {reason or ''}")
    twins = {way: _by_name(home.outbox / "inbox" / way) for way in WAYS}
    alike = twins["copied"].keys() == twins["moved"].keys() == twins["slow"].keys()
    print(f"delivered: {len(home.delivered())}; the same photos by every way: {alike}")
    return kept and alike


def _drop(home: Home, photos: Path, names: Sequence[str]) -> None:
    writers = [threading.Thread(target=_write_slowly, args=(photos / n, _place(home, "slow", n))) for n in names]
    for writer in writers:
        writer.start()
    for name in names:
        shutil.copyfile(photos / name, _place(home, "copied", name))
        aside = home.folder / name
        shutil.copyfile(photos / name, aside)
        aside.rename(_place(home, "moved", name))
    for writer in writers:
        writer.join()


def _place(home: Home, way: str, name: str) -> Path:
    folder = home.inbox / way / "a" / Path(name).stem / "b"
    folder.mkdir(parents=True)
    return folder / name


def _write_slowly(source: Path, place: Path) -> None:
    content = source.read_bytes()
    size = -(-len(content) // PIECES)
    for start in range(0, len(content), size):
        with place.open("ab") as file:
            file.write(content[start : start + size])
        time.sleep(PAUSE_S)


def _by_name(folder: Path) -> dict[str, str]:
    return {Path(name).name: digest for name, digest in digests(folder).items()}


def _wait(home: Home, count: int) -> None:
    while sum(home.counts().get(state, 0) for state in ("done", "no_face", "failed", "ignored")) < count:
        print(f"\r{home.counts()}", end="", file=sys.stderr, flush=True)
        time.sleep(1)
    print(file=sys.stderr)


def _tell_memory(daemon: Daemon) -> None:
    workers = ", ".join(f"{memory_mb(pid, 'VmHWM'):.0f}" for pid in daemon.children())
    print(f"memory at most: daemon {memory_mb(daemon.pid, 'VmHWM'):.0f} MB, worker {workers} MB")


class Outsiders:
    """Those who look at the files alone: a detector, dlib's library, and a network that was not attacked."""

    def __init__(self, judge: str, models: Path) -> None:
        self._detector = Detector("cpu")
        self._library = Library()
        self._judge = face_network.load(judge, models, "cpu")

    @property
    def threshold(self) -> float:
        return self._judge.threshold

    def faces(self, photo: Pixels) -> list[Face]:
        return list(self._detector.find(photo))

    def look(
        self, photo: Pixels, faces: list[Face], scale: float = 1.0
    ) -> tuple[Sequence[Embedding], Sequence[Embedding]]:
        """What dlib's library and the judge make of faces, each found anew where it can be."""
        small = [scaled(face, scale) for face in faces]
        again = self._detector.find_again([(photo, face) for face in small])
        places = [now or face for now, face in zip(again, small, strict=True)]
        judged = list(embeddings(self._judge, [(photo, face) for face in places], "cpu")) if places else []
        return self._library.embeddings(photo, places), judged


@dataclass(frozen=True)
class Seen:
    """One photo's faces in one form, as dlib's library and the judge see them."""

    library: Sequence[Embedding]
    judge: Sequence[Embedding]


FORMS = ("as delivered", "1080 px", "1080 px, JPEG 75")


def _from_outside(pairs: list[tuple[Path, Path]], outsiders: Outsiders) -> bool:
    """Print a line a photo, and the shares accepted. Returns whether dlib's library takes no face for the original."""
    originals: dict[str, Seen] = {}
    clean: dict[str, list[Seen]] = {}
    protected: dict[str, list[Seen]] = {}
    for original, delivered in pairs:
        before, after = _read(original), _read(delivered)
        faces = outsiders.faces(before)
        originals[original.name] = Seen(*outsiders.look(before, faces))
        clean[original.name] = [_seen(outsiders, before, faces, form) for form in FORMS]
        protected[original.name] = [_seen(outsiders, after, faces, form) for form in FORMS]
    print("\nnearest face to its original, dlib's library (one person below 0.60), as delivered / 1080 / JPEG 75")
    for name, forms in protected.items():
        nearest = [min(_distances(originals[name].library, form.library)) for form in forms]
        print(f"  {name:28}{len(forms[0].library):3} faces" + "".join(f"{value:7.2f}" for value in nearest))
    print(f"\nshare of faces accepted{'':22}{'clean':>24}{'protected':>24}")
    for column, form in enumerate(FORMS):
        for recogniser, threshold in (("library", THRESHOLD), ("judge", outsiders.threshold)):
            shares = [
                [
                    _share(_same(originals, forms, column, recogniser), threshold),
                    _share(_others(originals, forms, column, recogniser), threshold),
                ]
                for forms in (clean, protected)
            ]
            cells = "".join(f"{against_own:>12}{against_other:>12}" for against_own, against_other in shares)
            print(f"  {recogniser:8} {form:33}{cells}")
    print("  (two columns each: against the very original, against another photo of the person)")
    return all(
        distance > THRESHOLD
        for column in range(len(FORMS))
        for distance in _same(originals, protected, column, "library")
    )


def _seen(outsiders: Outsiders, photo: Pixels, faces: list[Face], form: str) -> Seen:
    stored = photo
    if form != "as delivered":
        image = Image.fromarray(photo)
        image.thumbnail((SHARED_PX, SHARED_PX), Image.Resampling.LANCZOS)
        stored = recompress(np.asarray(image)) if "JPEG" in form else np.asarray(image)
    return Seen(*outsiders.look(stored, faces, stored.shape[0] / photo.shape[0]))


def _same(originals: dict[str, Seen], forms: dict[str, list[Seen]], column: int, recogniser: str) -> list[float]:
    """Distances of each face to the very face of the original file."""
    return [
        distance
        for name, seen in forms.items()
        for distance in _distances(getattr(originals[name], recogniser), getattr(seen[column], recogniser))
    ]


def _others(originals: dict[str, Seen], forms: dict[str, list[Seen]], column: int, recogniser: str) -> list[float]:
    """Distances of portraits to the original files of the same person's other portraits."""
    return [
        float(np.linalg.norm(getattr(originals[other], recogniser)[0] - getattr(seen[column], recogniser)[0]))
        for name, seen in forms.items()
        for other in originals
        if other != name and _person(name) is not None and _person(name) == _person(other)
        if len(originals[other].library) == len(originals[name].library) == 1
    ]


def _distances(a: Sequence[Embedding], b: Sequence[Embedding]) -> list[float]:
    return [float(np.linalg.norm(one - other)) for one, other in zip(a, b, strict=True)]


def _share(distances: list[float], threshold: float) -> str:
    return f"{sum(d < threshold for d in distances)}/{len(distances)}"


def _person(name: str) -> str | None:
    found = re.fullmatch(r"(.+)_\d+\.\w+", name)
    return found[1] if found else None


def _read(path: Path) -> Pixels:
    """With Pillow alone, as anybody would."""
    with Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


if __name__ == "__main__":
    sys.exit(main())
