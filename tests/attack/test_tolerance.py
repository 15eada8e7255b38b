import numpy as np
import pytest
import torch

from lowkeyd.attack.align import Points
from lowkeyd.attack.pixels import to_tensor
from lowkeyd.attack.tolerance import allowance, tolerance
from lowkeyd.model import Pixels

SIZE = 64
INNER = slice(4, -4)
"""Inside the rim."""


def points(x: float = 32, y: float = 32) -> Points:
    """Eyes 18 pixels apart and a nose, whose mean is (x, y)."""
    eyes_and_nose = np.array([[-9, -4], [9, -4], [0, 8]])
    mouth_and_more = np.array([[-6, 18], [6, 18], [0, -14], [0, 28]])
    face = np.concatenate([eyes_and_nose, mouth_and_more])
    return (face + np.array([x, y]))[None].astype(np.float32)


def grey() -> torch.Tensor:
    return torch.full((1, 3, SIZE, SIZE), 0.5)


def half_textured(strength: float = 0.2) -> torch.Tensor:
    x = grey()
    x[..., 32:] += strength * torch.randn(1, 1, SIZE, 32, generator=torch.Generator().manual_seed(0))
    return x.clamp(0, 1)


def test_texture_bears_more_than_smoothness() -> None:
    bearable = tolerance(half_textured(), points())
    assert bearable.shape == (1, 1, SIZE, SIZE)
    assert bearable[..., INNER, 40:-4].mean() > 1.5 * bearable[..., INNER, 4:24].mean()


def test_every_face_has_the_same_total_whatever_its_light(portrait: Pixels) -> None:
    bright = to_tensor(portrait[60:188, 160:288])
    both = torch.cat([bright, bright * 0.3])
    total = tolerance(both, points(64, 64).repeat(2, 0)).square().mean((1, 2, 3))
    assert torch.allclose(total, torch.ones(2), atol=1e-4)


def test_smooth_skin_bears_something_and_an_edge_not_everything() -> None:
    x = torch.zeros(1, 3, SIZE, SIZE)
    x[..., 32:] = 1.0  # the strongest edge there is
    across = tolerance(x, points())[0, 0, 32, INNER] / tolerance(grey(), points())[0, 0, 32, INNER]
    assert across.max() == pytest.approx(2 * float(across.min()), rel=0.01)


def test_the_middle_of_the_face_bears_most_wherever_it_is() -> None:
    for x, y in ((32, 32), (24, 38)):
        bearable = tolerance(grey(), points(x, y))[0, 0]
        row, column = divmod(int(bearable.argmax()), SIZE)
        assert abs(column - x) <= 1
        assert abs(row - y) <= 1
        assert bearable.max() > 1.5 * bearable[5, 5]


def test_the_rim_bears_nothing() -> None:
    bearable = tolerance(half_textured(), points())
    assert bearable[..., 0, :].max() < 0.1 > bearable[..., -1].max()


def test_faces_do_not_influence_each_other() -> None:
    x = half_textured()
    two = torch.cat([x, x.flip(2)])
    assert torch.allclose(tolerance(two, np.concatenate([points(), points(20, 20)]))[:1], tolerance(x, points()))
    assert torch.allclose(allowance(two)[:1], allowance(x))


def test_a_smooth_face_is_allowed_less() -> None:
    smooth, some, much = (float(allowance(x)) for x in (grey(), half_textured(0.03), half_textured(0.2)))
    assert smooth < some < much
    assert smooth == pytest.approx(0.03 / 0.0437, rel=0.01), "the floor, in units of what a common face bears"


def test_a_real_face_is_allowed_about_what_a_common_one_is(portrait: Pixels) -> None:
    assert float(allowance(to_tensor(portrait[60:188, 160:288]))) == pytest.approx(1.0, abs=0.25)
