"""What the owner lets go along does, in every format that can hold it, and the rest does not."""

import json
import shutil
import struct
import subprocess
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from lowkeyd import config
from lowkeyd.errors import UnsupportedPhoto
from lowkeyd.imaging.colour import SRGB
from lowkeyd.imaging.decode import decode
from lowkeyd.imaging.metadata import iptc
from lowkeyd.imaging.metadata.colorimetry import adobe_rgb
from lowkeyd.imaging.metadata.iptc import DataSet
from lowkeyd.imaging.metadata.labels import COMMENT, allowed
from tests.imaging.label import (
    GPS,
    PREVIEW,
    SECRETS,
    app13_with,
    exif_with,
    iptc_with,
    packet_of,
    photoshop_with,
    xmp_with,
)
from tests.imaging.make import COMMON, LIMITS, deep_tiff, delivered, heif, portrait, saved, saved_image

FACE = portrait()
LABELLED = ["JPEG", "progressive JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"]
"""Formats that hold EXIF and XMP; BMP holds nothing."""


def labelled(name: str, orientation: int = 1) -> bytes:
    """A photo with everything that can be said in its format, harmless or not."""
    exif, xmp = exif_with(orientation), xmp_with()
    match name:
        case "HEIF":
            pytest.importorskip("pillow_heif")
            return heif(FACE, exif=exif, xmp=xmp, thumbnails=[48])
        case "TIFF":
            return _labelled_tiff(exif, xmp)
        case "PNG":
            texts = PngImagePlugin.PngInfo()
            texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
            texts.add_text("Author", "Somebody")
            texts.add_text("Comment", "A remark")
            texts.add_text("Camera owner", "OWNER-0815")
            texts.add_text("Raw profile type exif", PREVIEW.hex())
            texts.add_text("Thumb::Image", PREVIEW.decode("latin-1"))
            texts.add_text("Description", PREVIEW.hex(), zip=True)
            return saved(FACE, format="PNG", exif=exif, pnginfo=texts)
        case "JPEG" | "progressive JPEG":
            return saved(FACE, **COMMON[name], exif=exif, xmp=xmp, comment=b"A remark", extra=app13_with())
    return saved(FACE, **COMMON[name], exif=exif, xmp=xmp)


def _labelled_tiff(exif: bytes, xmp: bytes) -> bytes:
    read = Image.Exif()
    read.load(exif)
    image = Image.fromarray(FACE)
    buffer = BytesIO()
    read[700], read[33723], read[34377] = xmp, iptc_with(), photoshop_with((0x040C, PREVIEW))
    image.save(buffer, format="TIFF", exif=read)
    return buffer.getvalue()


def exif_of(content: bytes) -> Image.Exif:
    image = Image.open(BytesIO(content))
    image.load()
    return image.getexif()


@pytest.mark.parametrize("name", LABELLED)
def test_by_default_labels_go_along_and_places_do_not(name: str) -> None:
    content = delivered(labelled(name))
    exif = exif_of(content)
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.DateTime]) == ("Kamera", "2026:01:02 03:04:05")
    assert camera[ExifTags.Base.LensModel] == "50 mm"
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert b"A title" in content
    assert b"PLACE-NAME" not in content
    assert b"GPSLatitude" not in content


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("policy", [{}, {"gps": "keep"}, {"marker": False}])
def test_no_preview_serial_number_or_face_name_goes_along_whatever_the_policy(name: str, policy: Any) -> None:
    source = labelled(name)
    content = delivered(source, **policy)
    assert any(secret in source for secret in SECRETS)
    assert [secret for secret in SECRETS if secret in content] == []
    assert PREVIEW.hex()[:200].encode() not in content
    assert content.count(b"\xff\xd8\xff") <= 1
    exif = exif_of(content)
    assert not exif.get_ifd(ExifTags.IFD.IFD1)
    assert not exif.get_ifd(ExifTags.IFD.MakerNote)
    assert getattr(Image.open(BytesIO(content)), "n_frames", 1) == 1


@pytest.mark.parametrize("name", LABELLED)
def test_places_go_along_where_that_is_wished(name: str) -> None:
    content = delivered(labelled(name), gps="keep")
    assert {int(tag): value for tag, value in exif_of(content).get_ifd(ExifTags.IFD.GPSInfo).items()} == GPS
    assert b"PLACE-NAME" in content


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize(
    ("policy", "gone", "there"),
    [
        ({"exif": "strip"}, b"Kamera", b"A title"),
        ({"xmp": "strip"}, b"A title", b"Kamera"),
        ({"privacy": True}, b"Kamera", b"lowkeyd"),
        ({"privacy": True, "exif": "keep", "gps": "keep"}, b"A title", b"lowkeyd"),
        ({"marker": False}, b"lowkeyd", b"A title"),
    ],
)
def test_each_kind_of_label_can_be_stripped(name: str, policy: Any, gone: bytes, there: bytes) -> None:
    content = delivered(labelled(name), **policy)
    assert gone not in content
    assert there in content


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_iptc_goes_along_and_can_be_stripped(name: str) -> None:
    assert "Titel für alle".encode() in delivered(labelled(name))
    assert "Titel für alle".encode() not in delivered(labelled(name), iptc="strip")


def test_iptc_is_found_where_photoshop_puts_it() -> None:
    source = deep_tiff(
        FACE, photometric="rgb", extratags=[(34377, "B", None, photoshop_with((0x0404, iptc_with())), True)]
    )
    assert decode(source, LIMITS).labels.iptc


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_comments_go_along_and_can_be_stripped(name: str) -> None:
    assert b"A remark" in delivered(labelled(name))
    assert b"A remark" not in delivered(labelled(name), comment="strip")


def test_a_gifs_comment_becomes_a_text_of_its_png() -> None:
    content = delivered(saved(FACE, format="GIF", comment=b"A remark"))
    assert Image.open(BytesIO(content)).info["Comment"] == "A remark"


def test_of_a_pngs_texts_the_standards_own_go_along() -> None:
    assert decode(labelled("PNG"), LIMITS).labels.texts == {"Author": "Somebody", COMMENT: "A remark"}


def png_with(profile: bytes | None = None, **chunks: bytes) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, body in chunks.items():
        info.add(name.encode(), body)
    return saved(FACE, format="PNG", pnginfo=info, icc_profile=profile)


SRGB_GAMMA, ADOBE_GAMMA = (45_455).to_bytes(4, "big"), (45_470).to_bytes(4, "big")
ADOBE_POINTS = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)


@pytest.mark.parametrize("chunks", [{"gAMA": SRGB_GAMMA}, {"sRGB": b"\0", "gAMA": SRGB_GAMMA}, {"sBIT": b"\5\6\5"}])
def test_chunks_that_say_srgb_go_along_as_they_are(chunks: dict[str, bytes]) -> None:
    source = png_with(**chunks)
    assert decode(source, LIMITS).space == SRGB
    assert all(name.encode() + body in delivered(source) for name, body in chunks.items())


@pytest.mark.parametrize(
    ("chunks", "name", "seen"),
    [
        ({"gAMA": (100_000).to_bytes(4, "big")}, "PNG, gamma 1.00", (229, 188, 137)),
        ({"gAMA": ADOBE_GAMMA, "cHRM": ADOBE_POINTS}, "PNG, gamma 2.20", (222, 129, 57)),
        ({"cICP": b"\x0c\x0d\0\1"}, "Display P3", (212, 124, 47)),
    ],
)
def test_other_colours_are_seen_as_the_chunks_say_and_go_along_as_a_profile(
    chunks: dict[str, bytes], name: str, seen: tuple[int, int, int]
) -> None:
    source = png_with(**chunks)
    picture = decode(source, LIMITS)
    assert picture.space.profile is not None
    assert ImageCms.getProfileDescription(BytesIO(picture.space.profile)).strip() == name
    orange = np.full((1, 1, 3), (200, 128, 64), np.uint8)
    assert np.abs(picture.space.show(orange)[0, 0].astype(int) - seen).max() <= 1
    for form in ("same", "jpeg", "webp"):
        content = delivered(source, format=form)
        assert Image.open(BytesIO(content)).info["icc_profile"] == picture.space.profile
        assert b"cICP" not in content
        assert b"gAMA" not in content


def test_a_pngs_numbers_for_its_colours_come_before_its_profile() -> None:
    content = png_with(adobe_rgb("RGB"), cICP=b"\x0c\x0d\0\1")
    assert b"iCCP" in content
    profile = decode(content, LIMITS).space.profile
    assert profile is not None
    assert ImageCms.getProfileDescription(BytesIO(profile)).strip() == "Display P3"


@pytest.mark.parametrize("curve", [16, 18])
@pytest.mark.parametrize("profile", [None, adobe_rgb("RGB")])
def test_a_png_of_high_dynamic_range_is_refused(curve: int, profile: bytes | None) -> None:
    with pytest.raises(UnsupportedPhoto, match="high dynamic range"):
        decode(png_with(profile, cICP=bytes([9, curve, 0, 1])), LIMITS)


def test_a_palettes_sbit_does_not_go_into_a_copy_that_has_alpha() -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"sBIT", b"\5\6\5")
    image = Image.fromarray(FACE).convert("P")
    source = saved_image(image, format="PNG", pnginfo=info, transparency=3)
    assert b"sBIT" in source
    assert b"sBIT" not in delivered(source)


def test_a_cameras_adobe_rgb_is_known_and_goes_along_as_a_profile() -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ColorSpace: 0xFFFF, ExifTags.IFD.Interop: {1: "R03", 2: b"0100"}}
    source = saved(FACE, format="JPEG", exif=exif.tobytes())
    profile = decode(source, LIMITS).space.profile
    assert profile is not None
    assert ImageCms.getProfileDescription(BytesIO(profile)).strip() == "Adobe RGB (1998)"
    assert Image.open(BytesIO(delivered(source))).info["icc_profile"] == profile
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ColorSpace: 1, ExifTags.IFD.Interop: {1: "R98"}}
    assert decode(saved(FACE, format="JPEG", exif=exif.tobytes()), LIMITS).space == SRGB


def app1(body: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def with_packets(*packets: bytes) -> bytes:
    """A JPEG with keywords, and XMP in these segments."""
    captions = iptc.segment((DataSet(2, 25, b"Alice"), DataSet(2, 25, b"beach")))
    plain = saved(FACE, format="JPEG", quality=92, subsampling=0)
    return plain[:2] + captions + b"".join(map(app1, packets)) + plain[2:]


WHO = b"<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Alice</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>"
NAMING = packet_of(WHO.decode(), 'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"')
MORE = packet_of("", f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{"0" * 32}"')
EMPTY = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>  <?xpacket end="w"?>'
DECLARED = b'<?xml version="1.0" encoding="ISO-8859-1"?>'
LATIN = DECLARED + NAMING.replace(b"Alice", b"Alice</rdf:li><rdf:li>Zo\xeb")
PLAIN, SPREAD = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32
HALVES = [
    SPREAD + struct.pack(">II", len(NAMING), start) + NAMING[start : start + 300]
    for start in range(0, len(NAMING), 300)
]


@pytest.mark.parametrize(
    ("packets", "left"),
    [
        ((), [b"Alice", b"beach"]),
        ((PLAIN + NAMING,), [b"beach"]),
        ((PLAIN + NAMING.decode().encode("utf-16"),), [b"beach"]),
        ((PLAIN + NAMING, PLAIN + packet_of("")), [b"beach"]),
        ((PLAIN + MORE, *reversed(HALVES)), [b"beach"]),
        ((PLAIN + packet_of(""), HALVES[0]), [b"Alice", b"beach"]),
        ((PLAIN + packet_of(""), *HALVES), [b"beach"]),
        ((PLAIN + NAMING.replace(b"Alice", b"Alice\xc3"),), []),
        ((PLAIN + b"\0" * 50, PLAIN + EMPTY), [b"Alice", b"beach"]),
        ((PLAIN + b"\0" + NAMING,), [b"beach"]),
        ((PLAIN + LATIN,), [b"beach"]),
        ((PLAIN + NAMING[:-20],), []),
    ],
)
def test_names_are_found_wherever_xmp_stands_and_no_keyword_goes_along_where_it_cannot_be_read(
    packets: tuple[bytes, ...], left: list[bytes]
) -> None:
    kept = decode(with_packets(*packets), LIMITS).labels.iptc
    assert [one.value for one in kept if one.number == 25] == left


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", LABELLED)
def test_a_turned_photo_is_not_turned_twice(name: str, orientation: int) -> None:
    content = delivered(labelled(name, orientation))
    assert exif_of(content).get(ExifTags.Base.Orientation, 1) == 1
    assert b"tiff:Orientation" not in content


@pytest.mark.parametrize(
    "damage", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(range(256))]
)
def test_a_photo_does_not_fail_over_damaged_exif(damage: bytes) -> None:
    picture = decode(saved(FACE, format="PNG", exif=damage), LIMITS)
    assert picture.labels.exif.main == {}


def test_a_copy_is_known_by_its_mark_in_every_format_that_holds_one() -> None:
    for name in LABELLED:
        source = labelled(name)
        assert not decode(source, LIMITS).is_protected
        assert decode(delivered(source), LIMITS).is_protected, name
        assert decode(delivered(source, privacy=True), LIMITS).is_protected, name
        assert not decode(delivered(source, marker=False), LIMITS).is_protected, name


def test_privacy_leaves_colour_and_resolution() -> None:
    labels = decode(saved(FACE, format="JPEG", exif=exif_with(), dpi=(300, 300)), LIMITS).labels
    kept = allowed(labels, config.Metadata(privacy=True))
    assert (kept.dpi, kept.exif.main, kept.texts, kept.iptc) == ((300.0, 300.0), {}, {}, ())


# ---- an independent reader


def exiftool(content: bytes) -> dict[str, Any]:
    """All that exiftool finds in a file, embedded files and unknown tags included."""
    tool = shutil.which("exiftool")
    if tool is None:
        pytest.skip("exiftool (libimage-exiftool-perl) is not installed")
    answer = subprocess.run(
        [tool, "-j", "-G1", "-a", "-u", "-U", "-ee3", "-"], input=content, capture_output=True, check=True
    )
    found: dict[str, Any] = json.loads(answer.stdout)[0]
    return found


@pytest.mark.parametrize("name", LABELLED)
def test_exiftool_finds_the_labels_and_nothing_that_should_be_gone(name: str) -> None:
    before, after = exiftool(labelled(name)), exiftool(delivered(labelled(name)))
    assert after.get("ExifTool:Warning", "") == ""
    assert [after[f"{group}"] for group in ("IFD0:Make", "IFD0:Copyright", "ExifIFD:LensModel")] == [
        "Kamera",
        "Somebody",
        "50 mm",
    ]
    assert after["ExifIFD:DateTimeOriginal"] == before["ExifIFD:DateTimeOriginal"] == "2026:01:02 03:04:05"
    assert after["XMP-dc:Title"] == "A title"
    assert after["XMP-dc:Subject"] == ["holiday", "beach & sea"]
    assert str(after["XMP-xmp:Rating"]) == "4"
    suspicious = ("GPS", "Thumbnail", "Preview", "Serial", "Region", "OwnerName", "MakerNote", "City", "Orientation")
    assert [tag for tag in before if any(word in tag for word in suspicious)]
    assert [tag for tag in after if any(word in tag for word in suspicious)] == []


@pytest.mark.parametrize("name", LABELLED)
def test_exiftool_finds_nothing_said_under_privacy_but_the_mark(name: str) -> None:
    after = exiftool(delivered(labelled(name), privacy=True))
    groups = {tag.split(":")[0] for tag in after if ":" in tag}
    said = groups - {"ExifTool", "System", "File", "JFIF", "PNG", "RIFF", "Composite", "Meta", "PNG-pHYs", "QuickTime"}
    said -= {"IFD0", "XMP-x", "ItemList"} if name == "TIFF" else {"XMP-x", "ItemList"}
    assert said == {"XMP-lowkeyd"}


def with_fill(content: bytes) -> bytes:
    """The same JPEG with fill bytes before its first segment of XMP, as the standard allows."""
    place = content.index(b"\xff\xe1")
    return content[:place] + b"\xff\xff" + content[place:]


def test_names_are_found_behind_fill_bytes_and_in_every_packet_of_a_png() -> None:
    kept = decode(with_fill(with_packets(PLAIN + NAMING, PLAIN + packet_of(""))), LIMITS).labels.iptc
    assert [one.value for one in kept if one.number == 25] == [b"beach"]
    keywords = "<dc:subject><rdf:Bag><rdf:li>Alice</rdf:li><rdf:li>beach</rdf:li></rdf:Bag></dc:subject>"
    raw = f"\nxmp\n{len(NAMING):8}\n{NAMING.hex()}\n"
    for name, text in (("XML:com.adobe.xmp", NAMING.decode()), ("Raw profile type xmp", raw)):
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt(name, text) if name.startswith("XML") else texts.add_text(name, text, zip=True)
        texts.add_itxt("XML:com.adobe.xmp", packet_of(keywords).decode())
        assert decode(saved(FACE, format="PNG", pnginfo=texts), LIMITS).labels.xmp.keywords == ("beach",)


@pytest.mark.parametrize("points", [[31270, 32900] * 4, [64000, 33000, 31270, 32900, 30000, 60000, 15000, 6000]])
def test_primaries_that_can_be_none_do_not_count(points: list[int]) -> None:
    chunks = {"gAMA": SRGB_GAMMA, "cHRM": struct.pack(">8I", *points)}
    assert decode(png_with(**chunks), LIMITS).space == SRGB
