"""What a check has found out: `health` and `doctor` speak in these."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad it is; the number is the exit code of the command that reports it."""

    FINE = 0
    DEGRADED = 1
    BROKEN = 2


@dataclass(frozen=True)
class Finding:
    """One thing, and what a person can do about it, if anything has to be done."""

    level: Level
    about: str
    what: str
    advice: str = ""


def worst(findings: list[Finding]) -> Level:
    """As bad as the worst of them."""
    return max((finding.level for finding in findings), default=Level.FINE)
