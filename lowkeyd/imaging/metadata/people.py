"""People's names: face tagging ties them to faces in a photo, and the same programs write them among its keywords.

A keyword names somebody if a face or a person in the photo has that name, or if it stands in a branch for people, such
as digiKam's `People/Alice` and Lightroom's `People|Alice`; Alice is a name then wherever else it is a keyword.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

_BETWEEN = re.compile(r"[|/\\]")
_LISTED = re.compile(r"[,;]")
_BRANCHES = frozenset({
    "people", "persons", "person", "faces", "personen", "leute", "menschen", "gesichter", "personnes", "gens",
    "visages", "personas", "gente", "caras", "persone", "volti", "pessoas", "rostos", "mensen", "gezichten", "osoby",
    "ludzie", "люди", "лица", "人物", "人々", "人",
})  # fmt: skip
"""What programs and their users call such a branch; casefolded."""


def in_branches(keywords: Iterable[str]) -> Iterator[str]:
    """Names, casefolded, that keywords give by standing in a branch for people."""
    for keyword in keywords:
        for one in _readings(keyword):
            yield from _below_branch(_parts(one))


def is_named(keyword: str, names: frozenset[str]) -> bool:
    """Whether the keyword tells who is in the photo."""
    read = [_parts(one) for one in _readings(keyword)]
    said = {folded(keyword), *(part for parts in read for part in parts)}
    return any(map(_below_branch, read)) or not names.isdisjoint(said)


def _readings(keyword: str) -> list[str]:
    """A comma may stand in a name, or between keywords, which some programs write all as one."""
    listed = _LISTED.split(keyword)
    are_several = any(map(_BETWEEN.search, listed[1:]))  # each with branches of its own
    return listed if are_several else [keyword, *keyword.split(";"), *listed]


def folded(name: str) -> str:
    """As names are compared: programs write accents in two ways, and capitals as they like."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def _below_branch(parts: list[str]) -> list[str]:
    branch = next((number for number, part in enumerate(parts) if part in _BRANCHES), len(parts))
    return parts[branch + 1 :]


def _parts(keyword: str) -> list[str]:
    return [part for part in map(folded, _BETWEEN.split(keyword)) if part]
