"""The colour profile goes along, private parts of it do not."""

import struct
from io import BytesIO

import pytest
from PIL import ImageCms

from lowkeyd.imaging.metadata.colorimetry import display_p3
from lowkeyd.imaging.metadata.profile import keep_profile
from tests.imaging.label import PREVIEW
from tests.imaging.make import SRGB


def with_part(profile: bytes, name: bytes, body: bytes) -> bytes:
    """The profile with one more part."""
    (count,) = struct.unpack_from(">I", profile, 128)
    table = bytearray(profile[132 : 132 + 12 * count])
    for entry in range(count):
        (start,) = struct.unpack_from(">I", table, 12 * entry + 4)
        struct.pack_into(">I", table, 12 * entry + 4, start + 12)
    data = profile[132 + 12 * count :]
    table += struct.pack(">4sII", name, 144 + 12 * count + len(data), len(body))
    whole = profile[:128] + struct.pack(">I", count + 1) + bytes(table) + data + body
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("profile", [SRGB, display_p3()])
def test_an_ordinary_profile_is_kept_to_the_byte(profile: bytes) -> None:
    assert keep_profile(profile, "RGB") == profile


@pytest.mark.parametrize("name", [b"mmod", b"vcgt", b"JPEG"])
def test_private_parts_are_left_out(name: bytes) -> None:
    kept = keep_profile(with_part(SRGB, name, b"data\0\0\0\0" + PREVIEW), "RGB")
    assert kept is not None
    assert PREVIEW[:100] not in kept
    profiles = [ImageCms.getOpenProfile(BytesIO(profile)) for profile in (SRGB, kept)]
    assert len({ImageCms.getProfileDescription(profile) for profile in profiles}) == 1


def test_what_is_attached_or_hidden_between_parts_is_left_out() -> None:
    attached = SRGB + PREVIEW
    assert keep_profile(attached, "RGB") is not None
    assert PREVIEW[:100] not in (keep_profile(attached, "RGB") or b"")


def test_a_description_the_size_of_a_picture_is_left_out() -> None:
    kept = keep_profile(with_part(SRGB, b"dmdd", b"desc\0\0\0\0" + PREVIEW * 10), "RGB")
    assert kept is not None
    assert PREVIEW[:100] not in kept


def test_parts_that_lie_over_one_another_make_no_profile() -> None:
    """Each would be written out for itself, and the copy could be any number of times as large."""
    count, body = 90, bytes(range(256)) * 20
    start = 132 + 12 * count
    table = b"".join(struct.pack(">4sII", b"A2B0", start + number, 4000) for number in range(count))
    assert keep_profile(SRGB[:128] + struct.pack(">I", count) + table + body, "RGB") is None


@pytest.mark.parametrize("odd", [None, b"", bytes(200), PREVIEW, SRGB[:140], SRGB[:200], SRGB[:36] + bytes(200)])
def test_what_is_no_profile_is_dropped(odd: object) -> None:
    assert keep_profile(odd, "RGB") is None


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_for_other_pixels_is_dropped(mode: str) -> None:
    assert keep_profile(SRGB, mode) is None


def test_display_p3_is_what_it_says() -> None:
    profile = ImageCms.getOpenProfile(BytesIO(display_p3()))
    assert ImageCms.getProfileDescription(profile).strip() == "Display P3"
    red = profile.profile.red_primary
    assert red is not None
    x, y = red[1][:2]  # chromaticity, seen under D50
    assert (round(x, 2), round(y, 2)) == (0.68, 0.32)
