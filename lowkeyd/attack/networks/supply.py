"""How weights come into the folder of models: fetched after the catalogue, or brought by the user, and looked through.

A file gets its name once it is known to be the right one, and its hash is written down before: what lies there under
a name is whole, and stays what it was.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lowkeyd.attack import weights
from lowkeyd.attack.download import Progress, Source, downloaded
from lowkeyd.attack.networks import catalogue, ledger
from lowkeyd.attack.networks.catalogue import Entry
from lowkeyd.attack.networks.ledger import Record
from lowkeyd.errors import WeightsError
from lowkeyd.machine import files
from lowkeyd.model import sha256

_FARTHEST = 2.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def is_here(entry: Entry, folder: Path) -> bool:
    """Whether its weights lie where they should and are the right ones. Raises WeightsError where nobody knows."""
    path = entry.path(folder)
    if not path.is_file():
        return False
    return bool(entry.content(folder)) if entry.sha256 is None else sha256(weights.read(path)) == entry.sha256


def fetch(entry: Entry, folder: Path, tell: Progress) -> str:
    """Have its weights in the folder; their SHA-256, which is recorded if it was not known.

    Raises FetchFailed for what another try may mend, WeightsError for the rest.
    """
    if entry.url is None:
        raise WeightsError(f"'{entry.name}' cannot be fetched: nobody is known to offer it; bring it: {entry.bring()}")
    with ledger.written_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path, part = entry.path(folder), folder / f".{entry.file}.part"
    with downloaded(Source(entry.url, entry.size, entry.sha256 is not None), part, tell):
        digest = _vouched(entry, weights.read(part), path)
        if entry.sha256 is None:
            ledger.record(folder, entry.name, Record(entry.family.name, entry.file, digest))
        files.land(part, path)
    return digest


def _vouched(entry: Entry, content: bytes, path: Path) -> str:
    """The hash of the right file: the one that is known, or else that of any network of its family."""
    digest = sha256(content)
    if entry.sha256 is None:
        _try_out(entry.family.name, content, path)
    elif digest != entry.sha256:
        raise WeightsError(
            f"{entry.url}: not the file that is known: its SHA-256 is {digest}, expected {entry.sha256}; it was thrown"
            " away"
        )
    return digest


def _try_out(family: str, content: bytes, source: Path) -> str:
    """The architecture in the file, once a face has come through it. Raises WeightsError."""
    from lowkeyd.attack.networks import face_network  # torch takes seconds, and most fetches need none

    module = face_network.build(catalogue.family(family), content, source)
    if not face_network.signature(module, module.chip).isfinite().all():
        raise WeightsError(f"{source}: a damaged network: what it makes of a face are no numbers")
    return module.title


def add(file: Path, family: str, name: str | None, threshold: float | None, folder: Path) -> tuple[Entry, str]:
    """Take a file of the user's in, once it has been seen to be a network of that family; its entry and architecture.

    Raises WeightsError.
    """
    if threshold is not None and catalogue.family(family).unit and threshold >= _FARTHEST:
        raise WeightsError(f"--threshold {threshold:g}: embeddings of unit length are never {_FARTHEST:g} apart")
    content = weights.read(file)
    title = _try_out(family, content, file)
    name = name or file.stem
    record = Record(family, _place(name, family, file.suffix, sha256(content), folder), sha256(content), threshold)
    with ledger.written_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        ledger.record(folder, name, record)
        if not is_here(catalogue.find(name, folder), folder):
            files.write(folder / record.file, content)
    return catalogue.find(name, folder), title


def _place(name: str, family: str, suffix: str, digest: str, folder: Path) -> str:
    """The file's name in the folder. Raises WeightsError for a network's name that is not free for it."""
    if not _NAME.fullmatch(name):
        raise WeightsError(f"'{name}' is no name for a network: letters, digits, dots and dashes make one; use --name")
    known = catalogue.read(folder)
    if (entry := known.get(name)) is not None:
        if entry.package or entry.family.name != family or entry.sha256 not in (None, digest):
            raise WeightsError(
                f"'{name}' stands for another network: of the family {entry.family.name}, with the SHA-256"
                f" {entry.sha256}; use another --name"
            )
        return entry.file
    path = folder / (name + suffix)
    taken = path.exists() and sha256(weights.read(path)) != digest
    if taken or any(path.name == entry.file for entry in known.values()):
        raise WeightsError(f"{path}: is another network's file; use another --name")
    return path.name


@dataclass(frozen=True)
class Finding:
    """What a look at one network has shown: the architecture in its file, or what is wrong with it."""

    name: str
    title: str = ""
    fault: str = ""


def check(folder: Path, wanted: frozenset[str]) -> Iterator[Finding]:
    """Look through every network that is here, and those `wanted` by name that are not. Raises WeightsError."""
    known = catalogue.read(folder)
    here = [name for name, entry in known.items() if entry.path(folder).is_file()]
    for name in [*here, *sorted(wanted - set(here))]:
        try:
            entry = catalogue.find(name, folder)
            yield Finding(name, _try_out(entry.family.name, entry.content(folder), entry.path(folder)))
        except WeightsError as error:
            yield Finding(name, fault=str(error))
