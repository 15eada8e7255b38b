"""No unprotected face survives in any picture that can be dug out of a copy, by a detector's and a recogniser's word.

The copies are made of pixels without any face, so that whichever face is found was smuggled along.
"""

import struct
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from lowkeyd.attack.detect import Detector
from lowkeyd.attack.networks import face_network
from lowkeyd.attack.verify import embeddings
from lowkeyd.config import Attack
from lowkeyd.imaging.decode import decode
from lowkeyd.model import Pixels
from tests.imaging.label import GPS, packet_of, photoshop_with
from tests.imaging.make import LIMITS, SRGB, deep_png, encoded, heif, portrait, saved
from tests.imaging.rasters import rasters

FACE = portrait(200)
BLANK = np.full((240, 240, 3), 120, np.uint8)
PREVIEW = saved(FACE, format="JPEG", quality=80)
PREVIEW_PNG = saved(FACE, format="PNG")


@cache
def detector() -> Detector:
    return Detector("cpu")


@cache
def dlib() -> Any:
    return face_network.load("dlib", Attack().models, "cpu")


@cache
def original() -> Any:
    """What dlib makes of the portrait's face."""
    (face,) = detector().find(FACE)
    return embeddings(dlib(), [(FACE, face)], "cpu")[0]


def shows_the_face(pixels: Pixels) -> bool:
    """Whether a face is found that dlib takes for the portrait's."""
    return any(
        float(np.linalg.norm(embeddings(dlib(), [(pixels, face)], "cpu")[0] - original())) < dlib().threshold
        for face in detector().find(pixels)
    )


def exif_block(*, thumbnail: bool = False, maker: bool = False, comment: bool = False) -> bytes:
    exif = Image.Exif()
    exif[271] = "Kamera"
    exif[34853] = GPS
    camera: dict[int, Any] = {33434: 0.01}
    if maker:
        camera[37500] = b"Nikon\0\2\x10\0\0" + PREVIEW
    if comment:
        camera[37510] = b"\0" * 8 + PREVIEW
    exif[34665] = camera
    block = exif.tobytes()
    if not thumbnail:
        return block
    header, tiff = block[:6], bytearray(block[6:])
    first = int.from_bytes(tiff[4:8], "little")
    link = first + 2 + 12 * int.from_bytes(tiff[first : first + 2], "little")
    tiff[link : link + 4] = len(tiff).to_bytes(4, "little")
    start = len(tiff) + 2 + 3 * 12 + 4
    entries = ((259, 6), (513, start), (514, len(PREVIEW)))
    tiff += struct.pack("<H", 3) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries) + bytes(4)
    return header + bytes(tiff) + PREVIEW


def jpeg(**options: Any) -> bytes:
    return saved(BLANK, format="JPEG", **options)


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def extended_xmp() -> bytes:
    """XMP too large for one segment, as Google's cameras write depth maps and the original in it."""
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    body = f"<x GImage:Data='{PREVIEW.hex()}'/>".encode()
    head = b"http://ns.adobe.com/xmp/extension/\0" + guid
    return segment(0xE1, head + struct.pack(">II", len(body), 0) + body)


def png(*chunks: tuple[bytes, bytes], **texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, body in chunks:
        info.add(name, body)
    for name, text in texts.items():
        info.add_text(name.replace("_", " "), text, zip=True)
    return saved(BLANK, format="PNG", pnginfo=info)


def tiff(**options: Any) -> bytes:
    """A TIFF with previews where TIFFs have them: on a sub-directory, and on a page marked as a smaller version."""
    import tifffile

    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(BLANK, photometric="rgb", subifds=1, **options)
        writer.write(FACE, photometric="rgb", subfiletype=1)
        writer.write(FACE, photometric="rgb", subfiletype=1)
    return buffer.getvalue()


def icc_with_picture() -> bytes:
    count = struct.unpack_from(">I", SRGB, 128)[0]
    table = bytearray(SRGB[132 : 132 + 12 * count])
    for entry in range(count):
        struct.pack_into(">I", table, 12 * entry + 4, struct.unpack_from(">I", table, 12 * entry + 4)[0] + 12)
    data = SRGB[132 + 12 * count :]
    table += struct.pack(">4sII", b"prvw", 144 + 12 * count + len(data), len(PREVIEW))
    whole = SRGB[:128] + struct.pack(">I", count + 1) + bytes(table) + data + PREVIEW
    return struct.pack(">I", len(whole)) + whole[4:]


def mpo() -> bytes:
    return saved(BLANK, format="MPO", save_all=True, append_images=[Image.fromarray(FACE)])


def heic_with_thumbnail() -> bytes:
    """Its main picture is the face, since the encoder makes the thumbnail of it."""
    pytest.importorskip("pillow_heif")
    return heif(portrait(480), thumbnails=[256])


SOURCES: dict[str, Callable[[], bytes]] = {
    "EXIF thumbnail in a JPEG": lambda: jpeg(exif=exif_block(thumbnail=True)),
    "EXIF thumbnail in a PNG": lambda: saved(BLANK, format="PNG", exif=exif_block(thumbnail=True)),
    "EXIF thumbnail in a 16-bit PNG": lambda: deep_png(
        BLANK.astype(np.uint16) * 257, (b"eXIf", exif_block(thumbnail=True)[6:])
    ),
    "EXIF thumbnail in a WebP": lambda: saved(BLANK, format="WEBP", exif=exif_block(thumbnail=True)),
    "EXIF thumbnail in an AVIF": lambda: saved(BLANK, format="AVIF", speed=10, exif=exif_block(thumbnail=True)),
    "maker's notes": lambda: jpeg(exif=exif_block(maker=True)),
    "user comment": lambda: jpeg(exif=exif_block(comment=True)),
    "second frame of an MPO": mpo,
    "film behind a JPEG": lambda: jpeg() + b"\0\0\0\x18ftypmp42\0\0\0\0" + PREVIEW,
    "picture behind a JPEG": lambda: jpeg() + PREVIEW,
    "picture behind a PNG": lambda: png() + PREVIEW,
    "picture behind a WebP": lambda: saved(BLANK, format="WEBP") + PREVIEW,
    "picture behind a BMP": lambda: saved(BLANK, format="BMP") + PREVIEW,
    "picture behind a GIF": lambda: saved(BLANK, format="GIF") + PREVIEW,
    "Photoshop's thumbnail": lambda: jpeg(
        extra=segment(0xED, b"Photoshop 3.0\0" + photoshop_with((0x040C, bytes(28) + PREVIEW)))
    ),
    "IPTC's preview": lambda: jpeg(
        extra=segment(
            0xED,
            b"Photoshop 3.0\0" + photoshop_with((0x0404, struct.pack(">BBBH", 0x1C, 2, 202, len(PREVIEW)) + PREVIEW)),
        )
    ),
    "unknown segment of a JPEG": lambda: jpeg(extra=segment(0xE5, b"Samsung\0" + PREVIEW)),
    "comment of a JPEG": lambda: jpeg(comment=PREVIEW),
    "comment of a GIF": lambda: saved(BLANK, format="GIF", comment=PREVIEW),
    "XMP thumbnail": lambda: jpeg(
        xmp=packet_of(
            "<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType='Resource'>"
            f"<xmpGImg:image>{PREVIEW.hex()}</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>"
        )
    ),
    "harmless XMP property": lambda: jpeg(xmp=packet_of(f"<dc:title>{PREVIEW.hex()}</dc:title>")),
    "extended XMP": lambda: jpeg(extra=extended_xmp()),
    "PNG texts": lambda: png(Raw_profile_type_exif=PREVIEW.hex(), Description=PREVIEW.hex()),
    "private chunk of a PNG": lambda: png((b"prVw", PREVIEW)),
    "compressed chunk of a PNG": lambda: png((b"prVw", zlib.compress(PREVIEW))),
    "colour profile": lambda: jpeg(icc_profile=icc_with_picture()),
    "colour profile of a PNG": lambda: saved(BLANK, format="PNG", icc_profile=SRGB + PREVIEW_PNG),
    "sub-directory and page of a TIFF": tiff,
    "TIFF's own fields": lambda: tiff(extratags=[(50784, "B", len(PREVIEW), PREVIEW, True)]),
    "thumbnail of a HEIC": heic_with_thumbnail,
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("wanted", ["same", "png"])
def test_no_face_is_smuggled_along(name: str, wanted: str) -> None:
    source = SOURCES[name]()
    if wanted == "same":  # the source does show it, and the digging does find it
        assert any(map(shows_the_face, rasters(source)))
    picture = decode(source, LIMITS)
    copy = encoded(picture, np.full_like(picture.pixels, 120), format=wanted, gps="keep").content
    found = list(rasters(copy))
    assert found, "the copy itself is a picture"
    assert not any(map(shows_the_face, found))
    assert PREVIEW[-400:] not in copy
