"""The shares that an evaluation prints, against cases worked out by hand."""

import numpy as np
import pytest

from lowkeyd.work.evaluate import FORMS, rates

GALLERY = np.array([[float(x), 0.0] for x in range(100)], np.float32)


def test_the_nearest_is_the_own_person() -> None:
    assert rates(GALLERY, GALLERY[[3, 7]], [3, 7], 0.5) == (1.0, 1.0, 1.0)


def test_rank_50_counts_who_has_fewer_than_fifty_before_it() -> None:
    probes = np.array([[-1.0, 0.0], [-1.0, 0.0]], np.float32)  # the gallery lies before it in order
    rank_1, rank_50, verified = rates(GALLERY, probes, [49, 50], 0.5)
    assert (rank_1, rank_50, verified) == (0.0, 0.5, 0.0)


def test_verification_is_below_the_threshold() -> None:
    probes = np.array([[3.4, 0.0], [3.6, 0.0]], np.float32)
    assert rates(GALLERY, probes, [3, 3], 0.5) == (0.5, 1.0, 0.5)


@pytest.mark.parametrize("form", FORMS)
def test_forms_change_what_they_say(form: str) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    stored = FORMS[form](photo)
    assert stored.shape == ((20, 30, 3) if "half" in form else photo.shape)
    assert np.array_equal(stored, photo) == (form == "as delivered")
