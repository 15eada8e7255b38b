"""The family of errors is as its drawing says, and each tells the user what to do."""

import re

import pytest

from lowkeyd import errors
from lowkeyd.errors import AlreadyRunning, ConfigError, Fatal, LowkeydError, PhotoError, StoreError, TryLater
from lowkeyd.model import Stage

Drawn = dict[str, tuple[str | None, int | None]]
"""Name: the parent's name, and the exit code."""


def drawn() -> Drawn:
    """The tree in the docstring: four columns of indentation for each generation."""
    tree: Drawn = {}
    branch: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([│├└─ ]*)([A-Z]\w+)(?:\s+(\d+)$)?", line)
        if not match or (match[2] != "LowkeydError" and not match[1]):
            continue
        branch[len(match[1]) // 4 :] = [match[2]]
        tree[match[2]] = (branch[-2] if len(branch) > 1 else None, int(match[3]) if match[3] else None)
    return tree


def family(parent: type[LowkeydError]) -> list[type[LowkeydError]]:
    return [one for child in parent.__subclasses__() for one in (child, *family(child))]


def public_parent(error: type[LowkeydError]) -> str:
    return next(base.__name__ for base in error.__mro__[1:] if not base.__name__.startswith("_"))


def ours() -> list[type[LowkeydError]]:
    return [error for error in family(LowkeydError) if not error.__name__.startswith("_")]


ABOUT_PHOTOS = [error for group in (PhotoError, TryLater) for error in family(group)]


def test_the_drawing_shows_the_whole_family() -> None:
    assert {name: parent for name, (parent, _) in drawn().items() if parent} == {
        error.__name__: public_parent(error) for error in ours()
    }


def test_the_family_lives_in_one_file() -> None:
    assert {error.__module__ for error in ours()} == {"lowkeyd.errors"}


def test_exit_codes_are_as_drawn() -> None:
    codes = {name: code for name, (_, code) in drawn().items() if code is not None}
    assert codes == {error.__name__: error.exit_code for error in family(Fatal) if issubclass(error, Fatal)}
    assert (ConfigError.exit_code, AlreadyRunning.exit_code, StoreError.exit_code) == (78, 11, 1)


@pytest.mark.parametrize("error", ABOUT_PHOTOS)
def test_an_error_about_a_photo_says_where_and_what_to_do(error: type[PhotoError | TryLater]) -> None:
    raised = error("the reason")
    assert (str(raised), raised.reason) == ("the reason", "the reason")
    assert isinstance(raised.stage, Stage)
    assert raised.advice.endswith(".")


@pytest.mark.parametrize("error", ABOUT_PHOTOS)
def test_stage_and_advice_can_be_told_more_exactly(error: type[PhotoError | TryLater]) -> None:
    raised = error("reason", stage=Stage.VERIFY, advice="Do this.")
    assert (raised.stage, raised.advice) == (Stage.VERIFY, "Do this.")
    assert error("reason", advice="").advice == ""


@pytest.mark.parametrize("error", ours())
def test_each_says_what_it_is(error: type[LowkeydError]) -> None:
    assert error.__doc__


def test_every_error_has_one_of_three_consequences() -> None:
    groups = (Fatal, PhotoError, TryLater)
    assert [error for error in ours() if sum(issubclass(error, group) for group in groups) != 1] == []
