"""The shares that an evaluation prints, against cases worked out by hand; photos that cannot be used."""

from math import lgamma, log
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from lowkeyd import config
from lowkeyd.evaluation.people import Person
from lowkeyd.evaluation.protocol import FORMS, Gallery, rates

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
