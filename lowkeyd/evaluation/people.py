"""Folders of people: who is in the gallery, and by which other photo each is looked for."""

import os
from dataclasses import dataclass
from pathlib import Path

from lowkeyd.errors import ConfigError
from lowkeyd.model import PHOTO_SUFFIXES, readable


@dataclass(frozen=True)
class Person:
    """An identity: its photo in the gallery, and another one of the same person, if there is one."""

    name: str
    gallery: Path
    probe: Path | None


def people(gallery: Path, probes: Path | None) -> list[Person]:
    """Everybody in `gallery`, by name.

    Without `probes`, every folder in `gallery` is a person, with one photo for the gallery and the next as the probe.
    With it, a photo (or a folder's first photo) in `gallery` belongs to the one of the same name in `probes`. Raises
    ConfigError when nobody is there who could be looked for.
    """
    found = _from_folders(gallery) if probes is None else _from_two(gallery, probes)
    if not any(person.probe for person in found):
        raise ConfigError(
            f"{readable(gallery)}: nobody has two photos; expected is a folder per person with two photos or more,"
            " or, with --probe, two folders in which photos of one person have the same name"
        )
    return found


def _from_folders(gallery: Path) -> list[Person]:
    folders = {path.name: _photos(path) for path in _entries(gallery) if path.is_dir()}
    return [
        Person(name, photos[0], photos[1] if len(photos) > 1 else None) for name, photos in folders.items() if photos
    ]


def _from_two(gallery: Path, probes: Path) -> list[Person]:
    theirs = _named(probes)
    return [Person(name, photo, theirs.get(name)) for name, photo in _named(gallery).items()]


def _named(folder: Path) -> dict[str, Path]:
    """One photo per name: a photo's stem, or a folder's name."""
    named = {}
    for path in _entries(folder):
        photos = _photos(path) if path.is_dir() else [path] * _is_photo(path)
        if photos:
            named[path.name if path.is_dir() else path.stem] = photos[0]
    return named


def _photos(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if _is_photo(path)]


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder))
    except OSError as error:
        raise ConfigError(f"{readable(folder)}: cannot be listed: {error.strerror}") from error
