"""The delivered file shows the face once: protected. No preview, place or maker's note goes along."""

from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from lowkeyd.imaging.decode import decode
from lowkeyd.imaging.encode import encode
from tests.imaging.make import COMMON, LIMITS, heif, portrait, saved, saved_image

FACE = portrait()
PREVIEW = saved(FACE[::2, ::2], format="JPEG")
"""An unprotected small copy, as cameras embed it."""
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

EXIF_FORMATS = ["JPEG", "progressive JPEG", "PNG", "WEBP", "TIFF"]
SECRETS = (PREVIEW[:300], PREVIEW[-300:], b"SERIAL-4711", b"a name")


def exif_with() -> Image.Exif:
    """An EXIF block with a camera's usual fields, some of which must not be published."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Kamera"
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.DateTime] = "2026:01:02 03:04:05"
    exif[ExifTags.Base.ImageDescription] = "a name, and another"
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.ExposureTime: 0.01,
        ExifTags.Base.LensModel: "50 mm",
        ExifTags.Base.ColorSpace: 1,
        ExifTags.Base.BodySerialNumber: "SERIAL-4711",
        ExifTags.Base.MakerNote: b"MakerNote" + PREVIEW,
        ExifTags.Base.UserComment: b"ASCII\0\0\0" + PREVIEW,
    }
    return exif


def with_thumbnail(exif: bytes) -> bytes:
    """The EXIF block with a second directory behind it that holds a JPEG, which Pillow itself never writes."""
    header, tiff = exif[:6], bytearray(exif[6:])
    order = "little" if tiff.startswith(b"II") else "big"
    directory = int.from_bytes(tiff[4:8], order)
    entries = int.from_bytes(tiff[directory : directory + 2], order)
    link = directory + 2 + 12 * entries
    tiff[link : link + 4] = len(tiff).to_bytes(4, order)
    start = len(tiff) + 2 + 2 * 12 + 4
    tiff += (2).to_bytes(2, order)
    for tag, value in ((0x0201, start), (0x0202, len(PREVIEW))):
        tiff += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order) + value.to_bytes(4, order)
    return header + bytes(tiff) + bytes(4) + PREVIEW


def delivered(content: bytes) -> bytes:
    picture = decode(content, LIMITS)
    return encode(picture, picture.pixels).content


def exif_of(content: bytes) -> Image.Exif:
    image = Image.open(BytesIO(content))
    image.load()
    return image.getexif()


def assert_only_one_picture(content: bytes) -> None:
    assert [secret for secret in SECRETS if secret in content] == []
    exif = exif_of(content)
    assert not exif.get_ifd(ExifTags.IFD.IFD1)
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert not exif.get_ifd(ExifTags.IFD.MakerNote)
    assert content.count(b"\xff\xd8\xff") <= 1
    assert getattr(Image.open(BytesIO(content)), "n_frames", 1) == 1


def test_a_cameras_jpeg_is_delivered_without_thumbnail_place_and_makers_note() -> None:
    source = saved(FACE, format="JPEG", exif=with_thumbnail(exif_with().tobytes()))
    assert exif_of(source).get_ifd(ExifTags.IFD.IFD1)  # the source does have one
    assert all(secret in source for secret in SECRETS)
    assert_only_one_picture(delivered(source))


@pytest.mark.parametrize("name", EXIF_FORMATS)
def test_harmless_fields_go_along(name: str) -> None:
    content = delivered(saved(FACE, **COMMON[name], exif=exif_with().tobytes()))
    exif = exif_of(content)
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    assert exif[ExifTags.Base.Make] == "Kamera"
    assert exif[ExifTags.Base.DateTime] == "2026:01:02 03:04:05"
    assert float(camera[ExifTags.Base.ExposureTime]) == pytest.approx(0.01)
    assert camera[ExifTags.Base.LensModel] == "50 mm"
    assert_only_one_picture(content)


def test_a_phones_heif_is_delivered_without_its_secrets() -> None:
    pytest.importorskip("pillow_heif")
    content = delivered(heif(FACE, exif=with_thumbnail(exif_with().tobytes()), thumbnails=[48]))
    assert exif_of(content)[ExifTags.Base.Make] == "Kamera"
    assert_only_one_picture(content)


@pytest.mark.parametrize("name", EXIF_FORMATS)
def test_a_turned_photo_is_not_turned_twice(name: str) -> None:
    picture = decode(saved(FACE[:64], **COMMON[name], exif=exif_with().tobytes()), LIMITS)
    content = encode(picture, picture.pixels).content
    assert picture.pixels.shape == (96, 64, 3)
    assert exif_of(content).get(ExifTags.Base.Orientation, 1) == 1
    assert decode(content, LIMITS).pixels.shape == (96, 64, 3)


def test_the_second_frame_of_an_mpo_stays_behind() -> None:
    source = saved(FACE, format="MPO", save_all=True, append_images=[Image.fromarray(FACE[::2, ::2])])
    assert source.count(b"\xff\xd8\xff") == 2
    assert_only_one_picture(delivered(source))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_what_is_attached_after_the_picture_stays_behind(name: str) -> None:
    film = b"\0\0\0\x18ftypmp42" + PREVIEW
    content = delivered(saved(FACE, **COMMON[name]) + film)
    assert b"ftypmp42" not in content
    assert_only_one_picture(content)


def test_xmp_and_comments_stay_behind() -> None:
    xmp = b"<x:xmpmeta>a name</x:xmpmeta>"
    for name in ("JPEG", "WEBP"):
        source = saved(FACE, **COMMON[name], xmp=xmp, comment=b"a name")
        assert b"a name" in source
        assert b"a name" not in delivered(source)


def test_png_texts_stay_behind() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "a name")
    texts.add_itxt("XML:com.adobe.xmp", "a name")
    source = saved(FACE, format="PNG", pnginfo=texts)
    assert b"a name" in source
    assert b"a name" not in delivered(source)


def test_a_long_text_is_dropped_for_a_picture_could_hide_in_it() -> None:
    exif = exif_with()
    exif[ExifTags.Base.Copyright] = PREVIEW.hex()
    exif[ExifTags.Base.Artist] = "short"
    kept = exif_of(delivered(saved(FACE, format="JPEG", exif=exif)))
    assert ExifTags.Base.Copyright not in kept
    assert kept[ExifTags.Base.Artist] == "short"


@pytest.mark.parametrize(
    "damage", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(range(256))]
)
def test_a_photo_does_not_fail_over_damaged_exif(damage: bytes) -> None:
    picture = decode(saved(FACE, format="PNG", exif=damage), LIMITS)
    assert picture.exif is None
    np.testing.assert_array_equal(picture.pixels, FACE)


def test_damaged_fields_cost_metadata_only() -> None:
    random = np.random.default_rng(5)
    block = np.frombuffer(exif_with().tobytes(), np.uint8)
    for _ in range(300):
        damaged = block.copy()
        damaged[random.integers(6, 200, size=5)] = random.integers(0, 256, size=5)
        assert_only_one_picture(delivered(saved(FACE[:24, :24], format="JPEG", exif=damaged.tobytes())))


def test_a_profile_with_something_attached_is_dropped() -> None:
    assert decode(saved(FACE, format="JPEG", icc_profile=SRGB), LIMITS).icc_profile == SRGB
    assert decode(saved(FACE, format="JPEG", icc_profile=SRGB + PREVIEW), LIMITS).icc_profile is None
    assert decode(saved(FACE, format="JPEG", icc_profile=PREVIEW), LIMITS).icc_profile is None


def test_a_grey_photos_profile_does_not_fit_rgb() -> None:
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]
    source = saved_image(Image.fromarray(FACE).convert("L"), format="JPEG", icc_profile=grey)
    assert decode(source, LIMITS).icc_profile is None
