import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity

from lowkeyd.attack.detect import scaled
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.visibility import measure, ssim
from lowkeyd.model import Face, Pixels


def test_nothing_is_seen_where_nothing_changed(portrait: Pixels, face: Face, perceptual: Perceptual) -> None:
    seen = measure(portrait, portrait.copy(), face, perceptual, "cpu")
    assert (seen.lpips, seen.psnr_db, seen.chroma) == (0.0, 100.0, 0.0)
    assert seen.ssim == pytest.approx(1.0)


def test_a_change_outside_of_the_face_box_does_not_count(portrait: Pixels, face: Face, perceptual: Perceptual) -> None:
    changed = portrait.copy()
    changed[300:] = 0
    assert measure(portrait, changed, face, perceptual, "cpu").psnr_db == 100.0


def test_a_grey_shift_shows_in_psnr_and_not_in_chroma(portrait: Pixels, face: Face, perceptual: Perceptual) -> None:
    lighter = np.clip(portrait, 5, 255)
    seen = measure(lighter, lighter - 5, face, perceptual, "cpu")
    assert seen.psnr_db == pytest.approx(20 * np.log10(255 / 5), abs=0.1)
    assert seen.chroma < 0.05


def test_a_tint_shows_in_chroma(portrait: Pixels, face: Face, perceptual: Perceptual) -> None:
    blue = portrait.copy()
    blue[..., 2] = np.minimum(blue[..., 2].astype(int) + 10, 255)
    # BT.601: 10 levels of blue are 5 of Cb and 0.81 of Cr.
    assert measure(portrait, blue, face, perceptual, "cpu").chroma == pytest.approx((5 + 0.81) / 2, abs=0.2)


def test_ssim_agrees_with_scikit_image(portrait: Pixels) -> None:
    a = rgb2gray(portrait[:200, 100:300])
    b = np.clip(a + np.random.default_rng(0).normal(0, 0.05, a.shape), 0, 1)
    theirs = structural_similarity(
        a, b, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, win_size=11
    )
    ours = ssim(*(torch.from_numpy(x).float()[None, None] for x in (a, b)))
    assert ours == pytest.approx(float(theirs), abs=2e-3)


def test_of_a_picture_smaller_than_its_window_ssim_tells_whether_it_is_the_same() -> None:
    a = torch.rand(1, 1, 8, 30, generator=torch.Generator().manual_seed(0))
    assert (ssim(a, a), ssim(a, 1 - a)) == (1.0, 0.0)


def test_a_photo_of_four_times_the_pixels_has_about_the_same_ssim(
    portrait: Pixels, face: Face, perceptual: Perceptual
) -> None:
    noise = np.random.default_rng(0).normal(0, 5, portrait.shape)
    changed = np.clip(portrait + noise, 0, 255).astype(np.uint8)
    small = measure(portrait, changed, face, perceptual, "cpu")
    large = measure(
        *(photo.repeat(4, 0).repeat(4, 1) for photo in (portrait, changed)), scaled(face, 4), perceptual, "cpu"
    )
    assert large.ssim == pytest.approx(small.ssim, abs=0.015)
