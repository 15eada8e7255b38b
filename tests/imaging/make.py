"""Photos made for the imaging tests, as bytes."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms
from skimage.data import astronaut

from lowkeyd import config
from lowkeyd.imaging.decode import Limits, Picture, decode
from lowkeyd.imaging.encode import Encoded, encode
from lowkeyd.model import Pixels

LIMITS = Limits(max_megapixels=10, max_megabytes=10)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

COMMON: dict[str, dict[str, Any]] = {
    "JPEG": {"format": "JPEG", "quality": 92, "subsampling": 0},
    "progressive JPEG": {"format": "JPEG", "quality": 92, "progressive": True},
    "PNG": {"format": "PNG"},
    "WEBP": {"format": "WEBP", "quality": 90},
    "lossless WEBP": {"format": "WEBP", "lossless": True},
    "TIFF": {"format": "TIFF"},
    "LZW TIFF": {"format": "TIFF", "compression": "tiff_lzw"},
    "BMP": {"format": "BMP"},
    "AVIF": {"format": "AVIF", "quality": 90, "subsampling": "4:4:4", "speed": 10},
}
"""Name: how Pillow is told to save it."""


def portrait(side_px: int = 96) -> Pixels:
    """The astronaut's face, (side, side, 3)."""
    face = Image.fromarray(astronaut()[20:220, 130:330])
    return np.array(face.resize((side_px, side_px)))


def deep_portrait(side_px: int = 96) -> npt.NDArray[np.uint16]:
    """The same with 16 bits per channel, of which the lower eight are noise: (side, side, 3)."""
    noise = np.random.default_rng(1).integers(0, 256, (side_px, side_px, 3))
    return (portrait(side_px).astype(np.uint16) << 8) + noise.astype(np.uint16)


def saved(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    """A file with these pixels."""
    return saved_image(Image.fromarray(pixels), **options)


def saved_image(image: Image.Image, **options: Any) -> bytes:
    """A file with this picture."""
    buffer = BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def heif(pixels: Pixels, **options: Any) -> bytes:
    """A HEIC file, as phones write them."""
    import pillow_heif

    buffer = BytesIO()
    image = Image.fromarray(pixels)
    if profile := options.pop("icc_profile", None):
        image.info["icc_profile"] = profile
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def cmyk_profile() -> bytes:
    """An ICC profile of a printing press that never was: its inks take away what they have to, and no more."""
    inks = np.stack(np.meshgrid(*[np.linspace(0, 1, 5)] * 4, indexing="ij"), -1).reshape(-1, 4)
    shares = np.rint(255 * (1 - inks[:, :3]) * (1 - inks[:, 3:])).astype(np.uint8)[None]
    seen = _converted(Image.fromarray(shares), "sRGB", "LAB").tobytes("raw", "LAB")
    steps = np.linspace(0, 255, 17).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(1, -1, 3)
    wanted = Image.frombytes("LAB", colours.shape[1::-1], _signs_flipped(colours.tobytes()), "raw", "LAB")
    cmy = 255 - np.array(_converted(wanted, "LAB", "sRGB"))[0]
    return _profile(
        b"prtrCMYKLab ",
        A2B0=_table(4, 3, 5, _signs_flipped(seen)),
        B2A0=_table(3, 4, 17, np.hstack((cmy, cmy[:, :1] * 0)).tobytes()),
        wtpt=b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
    )


def _converted(image: Image.Image, source: str, target: str) -> Image.Image:
    profiles = [ImageCms.createProfile(name) for name in (source, target)]  # type: ignore[arg-type]
    converted = ImageCms.profileToProfile(image, *profiles, outputMode=target.replace("sRGB", "RGB"))
    assert converted is not None
    return converted


def _signs_flipped(lab: bytes) -> bytes:
    """Between Pillow's a and b, which have signs, and a profile's, which have not."""
    values = np.frombuffer(lab, np.uint8).reshape(-1, 3).copy()
    values[:, 1:] ^= 128
    return values.tobytes()


def _table(inputs: int, outputs: int, steps: int, nodes: bytes) -> bytes:
    straight = bytes(range(256))
    head = b"mft1" + bytes(4) + bytes((inputs, outputs, steps, 0))
    unit = struct.pack(">9i", *(65536 * (number % 4 == 0) for number in range(9)))
    return head + unit + straight * inputs + nodes + straight * outputs


def _profile(kind: bytes, **parts: bytes) -> bytes:
    header = bytearray(128)
    header[8:12], header[12:24], header[36:40] = b"\x02\x40\0\0", kind, b"acsp"
    header[68:80] = parts["wtpt"][8:]
    index, body = struct.pack(">I", len(parts)), b""
    for name, part in parts.items():
        index += struct.pack(">4sII", name.encode(), 132 + 12 * len(parts) + len(body), len(part))
        body += part + bytes(-len(part) % 4)
    return struct.pack(">I", 128 + len(index) + len(body)) + bytes(header[4:]) + index + body


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One piece of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deep_png(values: npt.NDArray[np.uint16], *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with 16 bits per channel (H, W, 1 to 4), written without Pillow or our own writer."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def deep_tiff(values: npt.NDArray[Any], **options: Any) -> bytes:
    """A TIFF of any depth, written without Pillow or our own writer."""
    import tifffile

    buffer = BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def encoded(picture: Picture, pixels: Pixels, **settings: Any) -> Encoded:
    """As the worker encodes; `settings` are keys of [outbox] and [metadata], or `fine`."""
    fine = settings.pop("fine", False)
    outbox = {key: settings.pop(key) for key in ("format", "heic") if key in settings}
    return encode(picture, pixels, config.Outbox(**outbox), config.Metadata(**settings), fine=fine)


def delivered(content: bytes, **settings: Any) -> bytes:
    """The copy of a photo in which nothing had to be changed."""
    picture = decode(content, LIMITS)
    return encoded(picture, picture.pixels, **settings).content
