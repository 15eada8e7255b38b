from itertools import pairwise
from typing import get_args

from lowkeyd.attack.presets import PAPER, PRESETS, ladder
from lowkeyd.config import Attack


def test_the_configuration_knows_every_preset() -> None:
    assert set(get_args(Attack.model_fields["preset"].annotation)) == {*PRESETS, PAPER}


def test_each_preset_shows_more_than_the_one_before() -> None:
    budgets = list(PRESETS.values())
    for weaker, stronger in pairwise(budgets):
        assert weaker.psnr_db > stronger.psnr_db
        assert weaker.lpips < stronger.lpips


def test_a_weak_photo_is_done_once_more_with_the_next_stronger() -> None:
    assert ladder("subtle") == ("subtle", "balanced")
    assert ladder("balanced") == ("balanced", "strong")
    assert ladder("strong") == ("strong",)
    assert ladder(PAPER) == (PAPER,)
