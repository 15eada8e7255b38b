"""What the attack changes in sRGB is written back into a photo's own colours, and nothing else changes."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from lowkeyd.imaging.colour import SRGB, Space, space_of
from lowkeyd.imaging.metadata.colorimetry import display_p3
from lowkeyd.model import Pixels
from tests.imaging.make import SRGB as SRGB_PROFILE
from tests.imaging.make import cmyk_profile, deep_portrait, portrait

FACE = portrait()
P3 = space_of("RGB", display_p3())


def changed(pixels: Pixels) -> Pixels:
    """Another smooth picture in one square."""
    wanted = pixels.copy()
    difference = np.random.default_rng(3).integers(-12, 13, (5, 5, 3)).repeat(10, 0).repeat(10, 1)
    wanted[20:70, 30:80] = np.clip(wanted[20:70, 30:80] + difference, 0, 255)
    return wanted


def cmyk(black: float) -> Any:
    """The face in inks, with a share of its darkness in black."""
    inks = np.array(Image.fromarray(FACE).convert("CMYK"))
    common = (inks[..., :3].min(-1) * black).astype(np.uint8)
    inks[..., :3] -= common[..., None]
    inks[..., 3] = common
    return inks


PHOTOS = {
    "sRGB": (SRGB, FACE),
    "P3": (P3, FACE),
    "16-bit": (SRGB, deep_portrait()),
    "16-bit P3": (P3, deep_portrait()),
    "inks with a profile": (space_of("CMYK", cmyk_profile()), cmyk(0)),
    "inks with a profile and black": (space_of("CMYK", cmyk_profile()), cmyk(0.7)),
    "inks": (Space("CMYK"), cmyk(0)),
    "inks with black": (Space("CMYK"), cmyk(0.7)),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_values_follow_what_is_wanted_and_stay_elsewhere(name: str) -> None:
    space, values = PHOTOS[name]
    shown = space.show(values)
    wanted = changed(shown)
    followed = space.follow(values, shown, wanted)
    assert (followed.dtype, followed.shape) == (values.dtype, values.shape)
    same = (wanted == shown).all(-1)
    np.testing.assert_array_equal(followed[same], values[same])
    error = np.abs(space.show(followed).astype(int) - wanted)[~same]
    assert error.mean() < 0.35
    assert np.abs(wanted.astype(int) - shown)[~same].mean() > 5  # what was asked for is far more


def test_grey_follows_in_brightness() -> None:
    space, values = Space("L"), FACE[..., :1]
    shown = space.show(values)
    wanted = np.clip(shown.astype(int) + np.array((10, 0, 0)), 0, 255).astype(np.uint8)
    moved = space.follow(values, shown, wanted).astype(int) - values
    assert set(np.unique(moved[values < 245])) <= {2, 3}  # 0.299 of 10
    np.testing.assert_array_equal(shown, FACE[..., :1].repeat(3, -1))


def test_what_is_not_changed_is_not_even_copied() -> None:
    assert SRGB.show(FACE) is FACE
    shown = P3.show(FACE)
    assert P3.follow(FACE, shown, shown) is FACE


def test_srgb_by_any_name_needs_no_conversion() -> None:
    assert space_of("RGB", SRGB_PROFILE).show(FACE) is FACE


def test_showing_is_what_a_colour_manager_does() -> None:
    profile = ImageCms.getOpenProfile(BytesIO(display_p3()))
    expected = ImageCms.profileToProfile(
        Image.fromarray(FACE), profile, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    np.testing.assert_allclose(P3.show(FACE).astype(int), np.array(expected).astype(int), atol=1)


@pytest.mark.parametrize("profile", [b"", bytes(200), display_p3()[:300], SRGB_PROFILE.replace(b"acsp", b"nope")])
def test_a_profile_that_cannot_be_used_does_not_count(profile: bytes) -> None:
    assert space_of("RGB", profile) == SRGB


def test_a_profile_for_inks_decides_how_they_look() -> None:
    space = space_of("CMYK", cmyk_profile())
    assert space.profile is not None
    assert np.abs(space.show(cmyk(0)).astype(int) - FACE).mean() < 2
    cyan, black = space.show(np.array([[[255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8))[0].tolist()
    assert (cyan[0] < 5, cyan[1] > 250, max(black) < 5) == (True, True, True)


def test_a_profile_of_another_mode_does_not_count() -> None:
    assert space_of("CMYK", display_p3()) == Space("CMYK")


def test_colours_that_srgb_cannot_show_stay_where_they_are() -> None:
    green = np.zeros((4, 4, 3), np.uint8)
    green[..., 1] = 255
    shown = P3.show(green)
    wanted = shown.copy()
    wanted[0, 0] = np.clip(shown[0, 0].astype(int) + np.array((6, -6, 6)), 0, 255)
    followed = P3.follow(green, shown, wanted)
    np.testing.assert_array_equal(followed[1:], green[1:])
    assert followed[0, 0, 1] > 235
