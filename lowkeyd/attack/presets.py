"""How strong: each preset is a row of numbers. What they buy, and at what visible price, is in the README."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Preset:
    """`step_size` is the root mean square of a step in [0, 1] (`l2`), or every pixel's step (`sign`).

    `alpha` weighs LPIPS against the distance averaged over embedding dimensions. `momentum`, and `colour`, which
    scales the gradient's colour part, belong to `l2` alone: visible tint is the first thing that people see.
    """

    rule: Literal["l2", "sign"]
    views: Literal["random", "paper"]
    steps: int
    step_size: float
    alpha: float
    momentum: float = 0.0
    colour: float = 1.0


START_NOISE = 0.005
"""The loop starts from uniform noise of this size, [0, 1]: at the clean face itself the distance has no gradient."""

PRESETS = {
    "paper": Preset("sign", "paper", steps=50, step_size=0.0025, alpha=0.05),
    "subtle": Preset("l2", "random", steps=50, step_size=0.0005, alpha=0.0102, momentum=0.8, colour=0.5),
    "balanced": Preset("l2", "random", steps=50, step_size=0.0008, alpha=0.0102, momentum=0.8, colour=0.5),
    "strong": Preset("l2", "random", steps=50, step_size=0.0013, alpha=0.0109, momentum=0.8, colour=0.5),
}
