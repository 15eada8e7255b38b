"""The table of failures names tests and scripts that exist, and counts itself rightly."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
TABLE = (REPOSITORY / "docs" / "failures.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \|(.*)$", TABLE, re.MULTILINE)
BAR = 36
"""Of the ways, how many have to be shown."""


def shown(row: str) -> list[str]:
    """Tests as `file::name`, and scripts."""
    return re.findall(r"`((?:tests|benchmarks)/[^`]+)`", row)


@pytest.mark.parametrize("name", sorted({name for _, row in ROWS for name in shown(row)}))
def test_what_the_table_names_exists(name: str) -> None:
    file, _, test = name.partition("::")
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    assert not test or re.search(rf"^def {test}\(", text, re.MULTILINE)


def test_there_are_forty_or_more_and_enough_of_them_are_shown() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= 40
    count = sum(bool(shown(row)) for _, row in ROWS)
    assert count >= BAR
    assert f"Of the {len(ROWS)}, {count} are shown." in TABLE


def test_what_is_not_shown_says_why() -> None:
    assert [number for number, row in ROWS if not shown(row) and "not shown: " not in row] == []
