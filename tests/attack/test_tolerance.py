import torch

from lowkeyd.attack.pixels import to_tensor
from lowkeyd.attack.tolerance import tolerance
from lowkeyd.model import Pixels


def half_textured() -> torch.Tensor:
    x = torch.full((1, 3, 64, 64), 0.5)
    x[..., 32:] += 0.2 * torch.randn(1, 1, 64, 32, generator=torch.Generator().manual_seed(0))
    return x.clamp(0, 1)


def test_texture_bears_more_than_smoothness() -> None:
    bearable = tolerance(half_textured())
    assert bearable.shape == (1, 1, 64, 64)
    assert bearable[..., 40:].mean() > 1.5 * bearable[..., :24].mean()


def test_every_face_has_the_same_total_whatever_its_light(portrait: Pixels) -> None:
    bright = to_tensor(portrait[60:188, 160:288])
    both = torch.cat([bright, bright * 0.3])
    assert torch.allclose(tolerance(both).square().mean((1, 2, 3)), torch.ones(2), atol=1e-4)


def test_smooth_skin_bears_something_and_an_edge_not_everything() -> None:
    x = torch.zeros(1, 3, 64, 64)
    x[..., 32:] = 1.0  # the strongest edge there is
    bearable = tolerance(x)
    assert bearable.max() <= 2.01 * bearable.min()


def test_faces_do_not_influence_each_other() -> None:
    x = half_textured()
    assert torch.allclose(tolerance(torch.cat([x, x.flip(2)]))[:1], tolerance(x), atol=1e-6)
