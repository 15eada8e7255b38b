"""How strong: each preset is a budget of visible change, held for every face. What they buy stands in the README."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """`psnr_db` and `lpips` are what a face may show, as `visibility.py` measures it; `steps` what it may cost.

    `step_size` is the root mean square of the first step over a face, in [0, 1]. `reach`: the mean distance of a
    common face over the first half of the steps when dlib is attacked, by which those that fall behind are known.
    `spread`: how far its views differ (`views.random`); only many steps see enough of them to gain from wide ones.
    """

    psnr_db: float
    lpips: float
    steps: int
    step_size: float
    reach: float
    spread: float


PAPER = "paper"
"""The name of the released loop's own settings, which keep no budget: `attack/paper.py`."""

PRESETS = {  # from weak to strong
    "subtle": Preset(psnr_db=40.25, lpips=0.0060, steps=24, step_size=0.008, reach=0.622, spread=0.1),
    "balanced": Preset(psnr_db=37.45, lpips=0.0095, steps=15, step_size=0.0125, reach=0.624, spread=0.1),
    "strong": Preset(psnr_db=35.40, lpips=0.0119, steps=60, step_size=0.012, reach=1.01, spread=0.15),
}
STRONGEST = next(reversed(PRESETS))


def ladder(preset: str) -> tuple[str, ...]:
    """The preset, and the next stronger one, which faces get whose protection came out weak."""
    stronger = list(PRESETS)
    if preset not in stronger:
        return (preset,)
    return tuple(stronger[stronger.index(preset) :][:2])
