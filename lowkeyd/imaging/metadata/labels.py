"""Everything that is said about a photo, gathered from where its format keeps it, and what the owner lets go along."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PIL import Image

from lowkeyd.imaging import container, tiff
from lowkeyd.imaging.metadata import exif, iptc, packets, people, xmp
from lowkeyd.imaging.metadata.exif import NO_EXIF, Exif
from lowkeyd.imaging.metadata.iptc import DataSet
from lowkeyd.imaging.metadata.text import decoded, is_written
from lowkeyd.imaging.metadata.xmp import NO_XMP, Xmp

if TYPE_CHECKING:  # the configuration's library is slow to load, and the process that decodes needs none of it
    from lowkeyd import config

COMMENT = "Comment"
"""The name under which a PNG keeps what a JPEG or GIF calls its comment."""
_TEXTS = frozenset({"Title", "Author", "Description", "Copyright", "Creation Time", "Software", "Disclaimer", "Warning",
                    "Source", COMMENT})  # fmt: skip
"""The PNG standard's own names. Others hold whole blocks of other programs, thumbnails included."""
_TIFF_XMP, _TIFF_IPTC, _TIFF_PHOTOSHOP = 700, 33723, 34377


@dataclass(frozen=True)
class Labels:
    """What may go along. `texts` are named as in a PNG; `dpi` is across and down; `png_colour` are a PNG's chunks that
    say how its values are meant where no profile does."""

    exif: Exif = NO_EXIF
    xmp: Xmp = NO_XMP
    iptc: tuple[DataSet, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    dpi: tuple[float, float] | None = None
    png_colour: tuple[tuple[bytes, bytes], ...] = ()


def gather(image: Image.Image, content: bytes, kind: str) -> tuple[Labels, int]:
    """The labels of an opened picture, loaded already, and its EXIF orientation."""
    block, packet, captions = image.info.get("exif"), image.info.get("xmp"), _jpeg_captions(image)
    if kind == "TIFF":
        block, packet, captions = content, _tiff_bytes(content, _TIFF_XMP), _tiff_captions(content)
    kept, orientation = exif.read(block)
    labels = Labels(
        kept,
        xmp.read(packet, packets.of_file(content, kind)),
        iptc.read(captions),
        _texts(image, kind),
        _dpi(image),
        tuple(container.png_colour(content).items()) if kind == "PNG" else (),
    )
    return _without_people(labels), orientation


def _without_people(labels: Labels) -> Labels:
    """Whoever may not be recognised by the face is not to be named by a keyword."""
    in_iptc = [keyword for one in labels.iptc if (keyword := one.keyword) is not None]
    branches = people.in_branches([*labels.xmp.keywords, *labels.exif.keywords, *in_iptc])
    names = None if labels.xmp.people is None else labels.xmp.people | frozenset(branches)

    def is_out(keyword: str) -> bool:
        return names is None or people.is_named(keyword, names)

    return replace(
        labels,
        exif=labels.exif.without_keywords(is_out),
        xmp=labels.xmp.without_keywords(is_out),
        iptc=tuple(one for one in labels.iptc if one.keyword is None or not is_out(one.keyword)),
    )


def _jpeg_captions(image: Image.Image) -> object:
    resources = image.info.get("photoshop")
    return resources.get(iptc.RESOURCE) if isinstance(resources, dict) else None


def _tiff_bytes(content: bytes, tag: int) -> bytes | None:
    value = tiff.read(content, tiff.first(content)).get(tag)
    return None if value is None else value.raw


def _tiff_captions(content: bytes) -> bytes | None:
    resources = _tiff_bytes(content, _TIFF_PHOTOSHOP)
    return _tiff_bytes(content, _TIFF_IPTC) or (iptc.resource(resources) if resources else None)


def _texts(image: Image.Image, kind: str) -> dict[str, str]:
    if kind == "PNG":
        found = {name: image.info[name] for name in _TEXTS if isinstance(image.info.get(name), str)}
    else:
        comment = image.info.get("comment")
        found = {COMMENT: decoded(comment)} if isinstance(comment, bytes) else {}
    return {name: str(text) for name, text in found.items() if is_written(text)}


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    try:
        across, down = (float(number) for number in dpi)  # type: ignore[union-attr]
    except (TypeError, ValueError, ArithmeticError):
        return None
    return (across, down) if all(1 <= number <= 65_000 for number in (across, down)) else None


def allowed(labels: Labels, policy: "config.Metadata") -> Labels:
    """What of the labels the owner lets go along."""
    if policy.privacy:
        return Labels(dpi=labels.dpi, png_colour=labels.png_colour)
    kept = replace(
        labels,
        exif=labels.exif if policy.exif == "keep" else replace(labels.exif, main={}, camera={}),
        xmp=labels.xmp if policy.xmp == "keep" else NO_XMP,
        iptc=labels.iptc if policy.iptc == "keep" else (),
        texts=labels.texts if policy.comment == "keep" else {},
    )
    return kept if policy.gps == "keep" else _without_place(kept)


def _without_place(labels: Labels) -> Labels:
    return replace(
        labels,
        exif=replace(labels.exif, place={}),
        xmp=replace(labels.xmp, properties=tuple(one for one in labels.xmp.properties if not one.is_place)),
        iptc=tuple(one for one in labels.iptc if not one.is_place),
    )
