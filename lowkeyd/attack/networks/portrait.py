"""A drawn face, for looks at networks that need a face but no particular one."""

import torch
from torch import Tensor

_FEATURES = (
    # x, y, half width, half height (shares of the chip), and what they add to red, green and blue
    (0.50, 0.45, 0.48, 0.52, (0.10, 0.05, 0.02)),  # hair
    (0.50, 0.55, 0.36, 0.46, (0.60, 0.45, 0.38)),  # skin
    (0.34, 0.46, 0.08, 0.04, (-0.45, -0.38, -0.30)),  # eyes
    (0.66, 0.46, 0.08, 0.04, (-0.45, -0.38, -0.30)),
    (0.34, 0.38, 0.11, 0.02, (-0.35, -0.30, -0.25)),  # brows
    (0.66, 0.38, 0.11, 0.02, (-0.35, -0.30, -0.25)),
    (0.46, 0.62, 0.03, 0.10, (-0.12, -0.10, -0.08)),  # the nose's shadow
    (0.50, 0.82, 0.14, 0.03, (-0.15, -0.28, -0.22)),  # mouth
)
_EDGE = 12.0
"""How sharply features end."""


def portrait(chip: tuple[int, int]) -> Tensor:
    """1 x 3 x chip (height, width), RGB, [0, 1]."""
    height, width = chip
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    face = torch.full((3, height, width), 0.2)
    for across, down, half_width, half_height, colour in _FEATURES:
        distance = ((x - across) / half_width) ** 2 + ((y - down) / half_height) ** 2  # 1 at the feature's edge
        face = face + torch.tensor(colour).view(3, 1, 1) * torch.sigmoid(_EDGE * (1 - distance))
    light = 1.1 - 0.3 * x  # from the left
    return (face * light).clamp(0, 1).unsqueeze(0)
