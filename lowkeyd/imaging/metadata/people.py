"""People's names: face tagging ties them to faces in a photo, and the same programs write them among its keywords.

A keyword names somebody if a face or a person in the photo has that name, or if it stands in a branch for people, such
as digiKam's `People/Alice` and Lightroom's `People|Alice`; Alice is a name then wherever else it is a keyword.
"""

import re
from collections.abc import Iterable, Iterator

_BETWEEN = re.compile(r"[|/]")
_BRANCHES = frozenset({
    "people", "persons", "person", "faces", "personen", "leute", "menschen", "gesichter", "personnes", "gens",
    "visages", "personas", "gente", "caras", "persone", "volti", "pessoas", "rostos", "mensen", "gezichten", "osoby",
    "ludzie", "люди", "лица", "人物", "人々", "人",
})  # fmt: skip
"""What programs and their users call such a branch; casefolded."""


def in_branches(keywords: Iterable[str]) -> Iterator[str]:
    """Names, casefolded, that keywords give by standing in a branch for people."""
    for keyword in keywords:
        first, *below = _parts(keyword)
        if first in _BRANCHES:
            yield from below


def is_named(keyword: str, names: frozenset[str]) -> bool:
    """Whether the keyword tells who is in the photo."""
    first, *below = _parts(keyword)
    return (first in _BRANCHES and bool(below)) or not names.isdisjoint((first, *below))


def _parts(keyword: str) -> list[str]:
    return [part.strip().casefold() for part in _BETWEEN.split(keyword)]
