"""The catalogue as data: networks known by name from catalogue.toml, and those that the user added.

Nothing here loads a network, so that a list of them is quick.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lowkeyd.attack import weights
from lowkeyd.attack.networks import ledger
from lowkeyd.attack.networks.ledger import Record
from lowkeyd.errors import WeightsError

Template = str | tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Family:
    """An architecture and its conventions; catalogue.toml says what each key means."""

    name: str
    summary: str
    template: Template
    unit: bool
    threshold: float
    chip: tuple[int, int] | None = None


@dataclass(frozen=True)
class Entry:
    """A network that settings can name."""

    name: str
    family: Family
    file: str
    threshold: float
    licence: str
    url: str | None = None
    size: int | None = None
    sha256: str | None = None
    centre: str | None = None
    reach: float | None = None
    package: str | None = None

    def path(self, folder: Path) -> Path:
        """Where its weights lie, or would. Raises WeightsError when the package that carries them is missing."""
        return weights.packaged(self.package, self.file) if self.package else folder / self.file

    def require(self, folder: Path) -> Path:
        """Where its weights lie. Raises WeightsError when they are missing, or were never recorded."""
        path = self.path(folder)
        if not path.is_file():
            how = f"fetch it: lowkeyd models fetch {self.name}" if self.url else f"bring it: {self.bring()}"
            raise WeightsError(f"the face network '{self.name}' is not on this machine: {path} is missing; {how}")
        if self.sha256 is None:
            raise WeightsError(
                f"{path}: this file was never recorded, so that it may be any; record it: {self.bring(path)}"
            )
        return path

    def content(self, folder: Path) -> bytes:
        """Its weights, checked. Raises WeightsError when they are missing, are not what they should be, or are
        nothing that was ever recorded."""
        path = self.require(folder)
        assert self.sha256 is not None, f"bug: {path} was never recorded"
        return weights.read_checked(path, self.sha256)

    def bring(self, file: Path | str = "FILE") -> str:
        """The command by which a user brings its weights."""
        return f"lowkeyd models add {file} --family {self.family.name} --name {self.name}"


@cache
def _catalogue() -> tuple[dict[str, Family], tuple[Entry, ...]]:
    raw = tomllib.loads(files("lowkeyd.attack.networks").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    families = {name: Family(name, **_tuples(row)) for name, row in raw["family"].items()}
    return families, tuple(_entry(row, families[row["family"]]) for row in raw["network"])


def _entry(row: dict[str, Any], family: Family) -> Entry:
    return Entry(**{"threshold": family.threshold, **row, "family": family})


def _tuples(value: Any) -> Any:
    """Arrays of TOML as tuples, which nobody changes."""
    if isinstance(value, Mapping):
        return {key: _tuples(each) for key, each in value.items()}
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def families() -> dict[str, Family]:
    """Every family, by name."""
    return dict(_catalogue()[0])


def family(name: str) -> Family:
    """The family of this name. Raises WeightsError, naming the known ones."""
    if name not in families():
        raise WeightsError(f"there is no family '{name}' of face networks; known are {', '.join(families())}")
    return families()[name]


def read(folder: Path) -> dict[str, Entry]:
    """Every network that is known by name, whether its weights are there or not. Raises WeightsError."""
    known = {entry.name: entry for entry in _catalogue()[1]}
    for name, record in ledger.read(folder).items():
        known[name] = _recorded(known[name], record) if name in known else _added(name, record, folder)
    return known


def _recorded(entry: Entry, record: Record) -> Entry:
    threshold = entry.threshold if record.threshold is None else record.threshold
    return replace(entry, sha256=entry.sha256 or record.sha256, threshold=threshold)


def _added(name: str, record: Record, folder: Path) -> Entry:
    if record.family not in families():
        raise WeightsError(f"{folder / ledger.NAME}: '{name}' is of the family '{record.family}', which is not known")
    kind = family(record.family)
    threshold = kind.threshold if record.threshold is None else record.threshold
    return Entry(name, kind, record.file, threshold, "your own file", sha256=record.sha256)


def find(name: str, folder: Path) -> Entry:
    """The network of this name. Raises WeightsError, naming the known ones."""
    known = read(folder)
    if name not in known:
        raise WeightsError(f"there is no face network '{name}'; known are {', '.join(known)}")
    return known[name]


def require(names: Iterable[str], folder: Path) -> None:
    """Whether networks are known and their weights are there, which takes no time. Raises WeightsError."""
    for name in names:
        find(name, folder).require(folder)
