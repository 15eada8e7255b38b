"""The shares that an evaluation prints, against cases worked out by hand; photos that cannot be used."""

from math import lgamma, log
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from lowkeyd import config
from lowkeyd.evaluation.people import Person
from lowkeyd.evaluation.protocol import FORMS, Gallery, accepting, rates

GALLERY = np.array([[float(x), 0.0] for x in range(100)], np.float32)


def test_the_nearest_is_the_own_person() -> None:
    assert rates(GALLERY, GALLERY[[3, 7]], [3, 7], 0.5) == (1.0, 1.0, 1.0, 0.0)


def test_rank_50_counts_who_has_fewer_than_fifty_before_it() -> None:
    probes = np.array([[-1.0, 0.0], [-1.0, 0.0]], np.float32)  # the gallery lies before it in order
    rank_1, rank_50, verified, log_rank = rates(GALLERY, probes, [49, 50], 0.5)
    assert (rank_1, rank_50, verified) == (0.0, 0.5, 0.0)
    assert log_rank == pytest.approx((log(50) + log(51)) / 2 / (lgamma(101) / 100))  # lgamma(n + 1) = log(n!)


def test_verification_is_below_the_threshold() -> None:
    probes = np.array([[3.4, 0.0], [3.6, 0.0]], np.float32)
    assert rates(GALLERY, probes, [3, 3], 0.5)[:3] == (0.5, 1.0, 0.5)


@pytest.mark.parametrize("form", FORMS)
def test_forms_change_what_they_say(form: str) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    stored = FORMS[form](photo)
    assert stored.shape == ((20, 30, 3) if "half" in form else photo.shape)
    assert np.array_equal(stored, photo) == (form == "as delivered")


def test_a_photo_that_cannot_be_read_is_skipped_and_told_of(tmp_path: Path) -> None:
    gone, folder = tmp_path / "gone.jpg", tmp_path / "folder.jpg"
    folder.mkdir()
    no_networks = cast(Any, None)
    known = Gallery([Person("a", gone, None), Person("b", folder, None)], no_networks, config.Config(), lambda: None)
    assert len(known) == 0
    assert known.skipped == {gone: "cannot be read: No such file or directory", folder: "is not a regular file"}


def test_a_threshold_accepts_the_wanted_share_of_strangers() -> None:
    gallery = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    threshold = accepting(gallery, 0.01)
    pairs = [np.linalg.norm(a - b) < threshold for n, a in enumerate(gallery) for b in gallery[n + 1 :]]
    assert np.mean(pairs) == pytest.approx(0.01, abs=1e-4)


def test_networks_that_compare_directions_are_asked_where_a_thousandth_of_strangers_is_accepted() -> None:
    vectors = np.random.default_rng(0).standard_normal((150, 8)).astype(np.float32)
    for people, unit, own in ((150, True, False), (150, False, True), (100, True, True)):
        known = Gallery([], cast(Any, None), config.Config(), lambda: None)
        known._known = [cast(Any, SimpleNamespace(gallery=[vector])) for vector in vectors[:people]]
        threshold = known._threshold(0, cast(Any, SimpleNamespace(unit=unit, threshold=1.2)))
        assert threshold == pytest.approx(1.2 if own else accepting(vectors, 0.001)), (people, unit)
