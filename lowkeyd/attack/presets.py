"""How strong: each preset is a budget of visible change, held for every face. What they buy stands in the README."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """`psnr_db` and `lpips` are what a face may show, as `visibility.py` measures it; `steps` what it may cost.

    `step_size` is the root mean square of the first step over a face, in [0, 1].
    """

    psnr_db: float
    lpips: float
    steps: int
    step_size: float


PAPER = "paper"
"""The name of the released loop's own settings, which keep no budget: `attack/paper.py`."""

PRESETS = {  # from weak to strong
    "subtle": Preset(psnr_db=40.2, lpips=0.0056, steps=27, step_size=0.008),
    "balanced": Preset(psnr_db=37.5, lpips=0.0085, steps=18, step_size=0.01),
    "strong": Preset(psnr_db=35.5, lpips=0.011, steps=60, step_size=0.012),
}


def ladder(preset: str) -> tuple[str, ...]:
    """The preset, and the next stronger one, which a photo gets whose protection came out weak."""
    stronger = list(PRESETS)
    if preset not in stronger:
        return (preset,)
    return tuple(stronger[stronger.index(preset) :][:2])
