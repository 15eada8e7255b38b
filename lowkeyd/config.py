"""The configuration: one TOML file, read once, frozen. The example file says what each key is for."""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from lowkeyd.errors import ConfigError

ENVIRONMENT_VARIABLE = "LOWKEYD_CONFIG"
SERVICE = Path("/etc/lowkeyd/config.toml")
"""The configuration of the machine's service, if it has one."""
_WINDOW = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")
_INDEX = re.compile("[0-9]{1,3}")


def _absolute(path: Path) -> Path:
    try:
        expanded = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no such user here: '{path}'") from error
    if "\0" in str(expanded):
        raise ValueError("a path has no zeros in it")
    if not expanded.is_absolute():
        raise ValueError(f"must be an absolute path, got '{path}'")
    return expanded


def _word(word: str) -> str:
    if "\0" in word:
        raise ValueError("a command has no zeros in it")
    return word


def _folder_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise ValueError(f"must be usable as a folder's name and not start with a dot, got '{name}'")
    return name


def _window(window: str) -> str:
    if window and not _WINDOW.fullmatch(window):
        raise ValueError(f"must be two times of day such as '22:00-07:00', got '{window}'")
    start, _, end = window.partition("-")
    if window and start == end:
        raise ValueError(f"must begin and end at different times, got '{window}'; leave it empty to work at any time")
    return window


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key if name else name
    except (ValueError, OSError) as error:
        raise ValueError(f"must be a time zone's name such as 'Europe/Berlin', got '{name}'") from error
    except ZoneInfoNotFoundError as error:
        raise ValueError(f"no time zone of that name is known here: '{name}'") from error


def _at_home(path: str) -> Path:
    """In a container there may be no home: then the configuration has to name every folder."""
    try:
        return Path.home() / path
    except RuntimeError:
        return Path("/nonexistent") / path


Folder = Annotated[Path, AfterValidator(_absolute)]


_YEAR_S = 365 * 86_400.0
_WARN_MB = 300.0
"""Space for some hundred copies beyond what has to stay free."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class State(_Section):
    """Where the daemon keeps its database, lock and control socket."""

    path: Folder = _at_home(".local/state/lowkeyd")


class Outbox(_Section):
    """Where protected copies go, as `<path>/<watch name>/<relative path>`."""

    path: Folder = _at_home("lowkeyd/outbox")
    no_face: Literal["skip", "copy"] = "skip"
    weak: Literal["deliver", "hold"] = "deliver"
    format: Literal["same", "jpeg", "png", "webp"] = "same"
    heic: Literal["jpeg", "heic"] = "jpeg"
    animated: Literal["refuse", "ignore"] = "refuse"
    on_rename: Literal["follow", "keep"] = "follow"
    on_delete: Literal["keep", "delete", "trash"] = "keep"
    min_free_mb: float = Field(default=200.0, ge=0)

    @property
    def tight_bytes(self) -> float:
        """Whoever has less space than this is told, while there is still time to make some."""
        return (self.min_free_mb + _WARN_MB) * 1e6


class Metadata(_Section):
    """What is said about a photo and goes along with its copy. Embedded pictures and maker's notes never do."""

    gps: Literal["keep", "strip"] = "strip"
    exif: Literal["keep", "strip"] = "keep"
    xmp: Literal["keep", "strip"] = "keep"
    iptc: Literal["keep", "strip"] = "keep"
    comment: Literal["keep", "strip"] = "keep"
    privacy: bool = False
    marker: bool = True


class Watch(_Section):
    """One watched folder tree."""

    name: Annotated[str, AfterValidator(_folder_name)]
    path: Folder
    mode: Literal["auto", "events", "scan"] = "auto"
    ignore: tuple[str, ...] = ()
    follow_symlinks: bool = False


class Settle(_Section):
    """When a file counts as completely written."""

    quiet_s: float = Field(default=5.0, gt=0, le=3600)


class Scan(_Section):
    """The sure walk over every watched tree that finds what events missed."""

    every_s: float = Field(default=900.0, ge=1, le=_YEAR_S)
    blind_every_s: float = Field(default=300.0, ge=1, le=_YEAR_S)


class Queue(_Section):
    """In which order photos are done."""

    order: Literal["newest", "oldest"] = "newest"


class Schedule(_Section):
    """When work is done."""

    active: Annotated[str, AfterValidator(_window)] = ""
    timezone: Annotated[str, AfterValidator(_zone)] = ""


class Attack(_Section):
    """The LowKey attack: how strong, against which networks, on which devices."""

    preset: Literal["paper", "subtle", "balanced", "strong"] = "balanced"
    ensemble: tuple[str, ...] = Field(default=("dlib",), min_length=1)
    judges: tuple[str, ...] = ()
    models: Folder = _at_home(".local/share/lowkeyd/models")
    device: str | tuple[str, ...] = "auto"
    seed: int = Field(default=0, ge=0, le=2**63 - 1)

    @property
    def devices(self) -> tuple[str, ...]:
        """One entry per worker."""
        return (self.device,) if isinstance(self.device, str) else self.device

    @property
    def networks(self) -> tuple[str, ...]:
        """Those that are attacked, and those that judge."""
        return (*self.ensemble, *self.judges)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if not self.devices:
            raise ValueError("device: at least one is needed")
        for device in self.devices:
            kind, _, index = device.partition(":")
            if device not in ("auto", "cpu") and (kind != "cuda" or not (_INDEX.fullmatch(index) or device == "cuda")):
                raise ValueError(f"device: expected auto, cpu, cuda or cuda:0 and so on, got '{device}'")
        if twice := {name for names in (self.ensemble, self.judges) for name in names if names.count(name) > 1}:
            raise ValueError(f"ensemble, judges: {', '.join(sorted(twice))} is named more than once")
        if len(set(self.devices)) != len(self.devices):
            raise ValueError("device: each device can be named once")
        judged_twice = sorted(set(self.ensemble) & set(self.judges))
        if judged_twice:
            raise ValueError(f"judges: {', '.join(judged_twice)} is attacked, so it cannot be an independent judge")
        return self


class Worker(_Section):
    """The child process that holds the networks."""

    photos: int = Field(default=8, ge=1, le=64)
    idle_s: float = Field(default=300.0, gt=0, le=_YEAR_S)
    recycle: int = Field(default=500, ge=1)
    stall_s: float = Field(default=900.0, gt=0, le=_YEAR_S)
    free_vram_mb: float = Field(default=0.0, ge=0)
    threads: int = Field(default=0, ge=0, le=1024)
    max_megapixels: float = Field(default=100.0, gt=0, le=10_000)
    max_megabytes: float = Field(default=200.0, gt=0, le=10_000)
    max_decode_s: float = Field(default=120.0, gt=0, le=_YEAR_S)


class Metrics(_Section):
    """Figures for Prometheus."""

    textfile: Annotated[str, AfterValidator(lambda name: str(_absolute(Path(name))) if name else "")] = ""


class Hook(_Section):
    """A command of the user's own that is told what happened, as JSON on its standard input."""

    command: tuple[Annotated[str, AfterValidator(_word)], ...] = ()
    every_s: float = Field(default=3600.0, ge=1, le=_YEAR_S)


class Config(_Section):
    """Everything the daemon can be told. Rooms are handed their section only."""

    state: State = State()
    outbox: Outbox = Outbox()
    metadata: Metadata = Metadata()
    watch: tuple[Watch, ...] = Field(
        default=(Watch(name="inbox", path=_at_home("lowkeyd/inbox")),), min_length=1, strict=False
    )
    settle: Settle = Settle()
    scan: Scan = Scan()
    queue: Queue = Queue()
    schedule: Schedule = Schedule()
    attack: Attack = Attack()
    worker: Worker = Worker()
    metrics: Metrics = Metrics()
    hook: Hook = Hook()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [watch.name for watch in self.watch]
        if len(set(names)) != len(names):
            raise ValueError("watch: every watched folder needs a name of its own")
        return self


def named(option: Path | None) -> Path | None:
    """The file that a person named: `--config`, else `$LOWKEYD_CONFIG`."""
    if option is None and (path := os.environ.get(ENVIRONMENT_VARIABLE)):
        return Path(path)
    return option


def own(option: Path | None) -> Path:
    """The user's file: the one that is named, else that in the platform's configuration folder."""
    return named(option) or platformdirs.user_config_path("lowkeyd") / "config.toml"


def locate(option: Path | None) -> Path:
    """The file that speaks of the daemon: the user's, or the service's where the user named and has none."""
    path = own(option)
    is_lacking = named(option) is None and not os.path.lexists(path)
    return SERVICE if is_lacking and os.path.exists(SERVICE) else path


def load(path: Path) -> Config:
    """Read and validate the file; the disk it speaks of is looked at by `intake/check.py`.

    Raises ConfigError, naming the file and every bad key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; `lowkeyd config init` writes one to start from") from error
    except (OSError, ValueError, RecursionError) as error:  # no UTF-8, no TOML, numbers of 5,000 digits, nested lists
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
    return parse(raw, str(path))


def parse(raw: dict[str, Any], source: str) -> Config:
    """Validate settings that came from `source`. Raises ConfigError, naming every bad key."""
    try:
        # By way of JSON, whose strict mode takes a string for a path and a list for a tuple, but no "8" for 8.
        return Config.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        faults = _without_consequences(error.errors(include_url=False))
        sentences = (_describe(fault["loc"], fault["msg"], fault["type"]) for fault in faults)
        raise ConfigError(f"{source}: {'; '.join(sentences)}") from error


def _without_consequences(faults: list[ErrorDetails]) -> list[ErrorDetails]:
    """A list with a bad entry is also said to be too short, since the entry does not count: only the entry is named."""
    places = [fault["loc"] for fault in faults]
    return [
        fault
        for fault, place in zip(faults, places, strict=True)
        if not any(len(inner) > len(place) and inner[: len(place)] == place for inner in places)
    ]


def _describe(location: tuple[int | str, ...], message: str, kind: str) -> str:
    if not location:
        return message.removeprefix("Value error, ")
    section, *rest = [str(part) for part in location]
    where = f"[{section}] {'.'.join(rest)}" if rest else f"[{section}]"
    if kind == "extra_forbidden":
        return f"{where}: unknown key; `lowkeyd config show` lists the known ones"
    return f"{where}: {message.removeprefix('Value error, ')}"
