"""XMP: of a packet, only named properties whose values are plain texts go along, in a packet of our own.

Previews, depth maps, hidden frames, editing histories and the names that face tagging ties to faces are structures or
have other names, so they stay behind without being known.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from lowkeyd.imaging.metadata.people import folded
from lowkeyd.imaging.metadata.text import is_tracking, is_written

MAX_PACKET_BYTES = 60_000
"""What fits into one segment of a JPEG, with room for its header."""
_MAX_SOURCE_CHARACTERS, _MAX_TAGS = 32_000_000, 300_000
_MAX_ITEMS = 500

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_LISTS = {f"{{{_RDF}}}{kind}": kind for kind in ("Alt", "Bag", "Seq")}
_ITEM = f"{{{_RDF}}}li"
_DESCRIPTION = f"{{{_RDF}}}Description"
_RESOURCE = f"{{{_RDF}}}resource"
_MARKED = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_FEW = 4
_DECLARED, _DECLARED_BYTES = re.compile(rb"encoding=[\"']([A-Za-z0-9._-]+)"), 200
_INSTRUCTION = re.compile(r"<\?[^<>]*>")
"""The packet's wrapper, and declarations of encodings that it is no longer in."""
_FORBIDDEN = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
"""XMP needs no document type, and entities can be made to multiply."""

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
}
_KEPT = {
    "dc": "title description creator rights subject source publisher contributor date type language",
    "xmp": "CreateDate ModifyDate MetadataDate CreatorTool Rating Label Nickname",
    "xmpRights": "Marked Owner UsageTerms WebStatement Certificate",
    "photoshop": "Headline Credit Source DateCreated Instructions AuthorsPosition CaptionWriter "
    "Category SupplementalCategories Urgency",
    "tiff": "Make Model Software Artist Copyright DateTime ImageDescription",
    "exif": "DateTimeOriginal DateTimeDigitized ExposureTime FNumber ExposureProgram ExposureBiasValue "
    "MaxApertureValue MeteringMode LightSource FocalLength FocalLengthIn35mmFilm ISOSpeedRatings ColorSpace "
    "WhiteBalance ExposureMode SceneCaptureType ShutterSpeedValue ApertureValue UserComment",
    "exifEX": "LensModel LensMake LensSpecification PhotographicSensitivity",
    "aux": "Lens LensID LensInfo",
    "Iptc4xmpCore": "IntellectualGenre Scene SubjectCode AltTextAccessibility ExtDescrAccessibility",
    "lr": "hierarchicalSubject",
    "digiKam": "TagsList",
    "MicrosoftPhoto": "Rating LastKeywordXMP",
    "GPano": "UsePanoramaViewer ProjectionType PoseHeadingDegrees PosePitchDegrees PoseRollDegrees "
    "InitialViewHeadingDegrees InitialViewPitchDegrees InitialViewRollDegrees InitialHorizontalFOVDegrees "
    "FullPanoWidthPixels FullPanoHeightPixels CroppedAreaImageWidthPixels CroppedAreaImageHeightPixels "
    "CroppedAreaLeftPixels CroppedAreaTopPixels StitchingSoftware",
}
_OF_PLACE = {
    "dc": "coverage",
    "photoshop": "City State Country",
    "Iptc4xmpCore": "Location CountryCode",
    "exif": "GPSVersionID GPSLatitude GPSLongitude GPSAltitude GPSAltitudeRef GPSTimeStamp GPSDateStamp GPSMapDatum "
    "GPSSpeed GPSSpeedRef GPSTrack GPSTrackRef GPSImgDirection GPSImgDirectionRef GPSHPositioningError",
}


def _table(names: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {f"{{{_NAMESPACES[prefix]}}}{name}": (prefix, name) for prefix in names for name in names[prefix].split()}


_KEPT_TAGS, _PLACE_TAGS = _table(_KEPT), _table(_OF_PLACE)

_KEYWORDS = frozenset({
    ("dc", "subject"), ("lr", "hierarchicalSubject"), ("digiKam", "TagsList"), ("MicrosoftPhoto", "LastKeywordXMP"),
    ("photoshop", "SupplementalCategories"),
})  # fmt: skip
_PERSON_TAGS = frozenset(
    {
        "{http://www.metadataworkinggroup.com/schemas/regions/}Name",
        "{http://ns.microsoft.com/photo/1.2/t/Region#}PersonDisplayName",
        "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}PersonName",
        "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}PersonInImage",
        "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}Name",
        "{http://ns.acdsee.com/regions/}Name",
        "{http://ns.iview-multimedia.com/mediapro/1.0/}People",
        "{http://ns.microsoft.com/expressionmedia/1.0/}People",
        "{http://xmp.gettyimages.com/gift/1.0/}Personality",
    }
)
"""Where programs write who is in the photo. None of them goes along."""
_OF_NOBODY = frozenset(f"{{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}}{name}" for name in ("rCtype", "rRole"))
"""What kind of region it is, which has a name too."""

_MARKER_NAMESPACE = "urn:lowkeyd:1.0:"
_MARKER_TAG = f"{{{_MARKER_NAMESPACE}}}Protected"
_MARKER = f'<rdf:Description rdf:about="" xmlns:lowkeyd="{_MARKER_NAMESPACE}" lowkeyd:Protected="True"/>'
"""The same bytes in every copy: they say that, and not by whom, when or how."""


def is_marked(content: bytes) -> bool:
    """Whether our mark stands anywhere in a file's bytes: all formats carry it as it is. For files of our own, which
    need no decoder for that."""
    return _MARKER.encode() in content


@dataclass(frozen=True)
class Property:
    """One property: its values, each with its language if it has one, and the kind of list they stand in, if any."""

    prefix: str
    name: str
    kind: str | None
    values: tuple[tuple[str | None, str], ...]
    is_place: bool

    @property
    def is_keywords(self) -> bool:
        """Whether its values are keywords."""
        return (self.prefix, self.name) in _KEYWORDS


@dataclass(frozen=True)
class Xmp:
    """What may go along; `marked` tells of our own mark, which says that the photo is protected already. `people` are
    the names, casefolded, of who is said to be in the photo; None where that cannot be read."""

    properties: tuple[Property, ...] = ()
    marked: bool = False
    people: frozenset[str] | None = field(default=frozenset(), compare=False)

    @property
    def keywords(self) -> tuple[str, ...]:
        """All of them, as their programs write them."""
        return tuple(text for one in self.properties if one.is_keywords for _, text in one.values)

    def without_keywords(self, is_out: Callable[[str], bool]) -> "Xmp":
        """The same, without some."""
        left = (
            replace(one, values=tuple(value for value in one.values if not is_out(value[1])))
            if one.is_keywords
            else one
            for one in self.properties
        )
        return replace(self, properties=tuple(one for one in left if one.values))


NO_XMP = Xmp()
_UNREAD = Xmp(people=None)


def read(packet: object, others: Iterable[bytes] = ()) -> Xmp:
    """What may go along of a packet. One that is damaged, huge or odd counts as empty. Of `others` in the same file,
    only the names of people are taken."""
    read = _read(packet)
    people = [read.people, *(_read(other).people for other in others if other != packet)]
    known = [names for names in people if names is not None]
    return replace(read, people=frozenset().union(*known) if len(known) == len(people) else None)


def _read(packet: object) -> Xmp:
    text = _text(packet)
    if text is not None and not text.strip():
        return NO_XMP
    if text is None or _FORBIDDEN.search(text) or not _is_readable(text):
        return _UNREAD
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        return _UNREAD
    found: dict[tuple[str, str], Property] = {}
    marked = False
    for description in _descriptions(root):
        marked = marked or _MARKER_TAG in description.attrib or description.find(_MARKER_TAG) is not None
        for one in _properties(description):
            found.setdefault((one.prefix, one.name), one)
    return Xmp(tuple(found.values()), marked, frozenset(_people(root)))


def _is_readable(text: str) -> bool:
    """In seconds: long packets hold a few large pictures, not many small elements."""
    return len(text) <= _MAX_SOURCE_CHARACTERS and text.count("<") <= _MAX_TAGS


def _text(packet: object) -> str | None:
    """What a packet says, in whichever of its encodings, without its wrapper; None for what is no text."""
    if packet is None:
        return ""
    if isinstance(packet, bytes):
        packet = _decoded(packet)
    if not isinstance(packet, str):
        return None
    text = packet.strip("\ufeff\0 \n\r\t")
    return None if "\0" in text else _INSTRUCTION.sub("", text)


def _decoded(packet: bytes) -> str | None:
    """By its mark, or else by where its zeros stand, since most letters are Latin ones; or as it says itself."""
    marked = [name for mark, name in _MARKED if packet.startswith(mark)]
    high, low = packet[::2].count(0), packet[1::2].count(0)
    if not marked and abs(high - low) > len(packet) / _FEW:
        marked = ["utf-16-be" if high > low else "utf-16-le"]
    declared = [name.decode("ascii") for name in _DECLARED.findall(packet[:_DECLARED_BYTES])]
    for encoding in marked or ("utf-8", *declared):
        try:
            return packet.decode(encoding)
        except (UnicodeError, LookupError):
            continue
    return None


def _people(root: ElementTree.Element) -> Iterator[str]:
    """Who is named, outside of what speaks of other things by the same words."""
    left = [(root, False)]
    while left:
        element, is_inside = left.pop()
        if element.tag in _OF_NOBODY:
            continue
        is_person = is_inside or element.tag in _PERSON_TAGS
        texts = [text for tag, text in element.attrib.items() if tag in _PERSON_TAGS]
        texts += [element.text] if is_person and element.text else []
        yield from (folded(text) for text in texts if text.strip())
        left.extend((child, is_person) for child in element)


def _descriptions(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The photo's own, not those nested in structures, which speak of other things."""
    for rdf in root.iter(f"{{{_RDF}}}RDF"):
        yield from rdf.findall(_DESCRIPTION)


def _properties(description: ElementTree.Element) -> Iterator[Property]:
    for tag, value in description.attrib.items():
        yield from _property(tag, None, [(None, value)])
    for child in description:
        entries = list(child)
        if not entries and not child.attrib.keys() - {_XML_LANG}:
            yield from _property(child.tag, None, [(child.get(_XML_LANG), child.text or "")])
        elif len(entries) == 1 and entries[0].tag in _LISTS:
            items = [item for item in entries[0].findall(_ITEM) if not list(item)]
            yield from _property(
                child.tag, _LISTS[entries[0].tag], [(item.get(_XML_LANG), item.text or "") for item in items]
            )


def _property(tag: str, kind: str | None, values: Iterable[tuple[str | None, str]]) -> Iterator[Property]:
    named = _KEPT_TAGS.get(tag) or _PLACE_TAGS.get(tag)
    texts = ((language, text.strip()) for language, text in values if is_written(text) and not is_tracking(text))
    written = tuple(texts)[:_MAX_ITEMS]
    if named and written:
        yield Property(*named, kind, written, tag in _PLACE_TAGS)


def packet(xmp: Xmp, *, mark: bool) -> bytes:
    """A packet with these properties, and our mark if asked for; empty when there is nothing to say.

    Where the properties are too many for a JPEG, the mark goes alone.
    """
    for properties in (xmp.properties, ()):
        if not properties and not mark:
            return b""
        written = _packet(properties, mark).encode("utf-8")
        if len(written) <= MAX_PACKET_BYTES:
            return written
    raise AssertionError("bug: the mark alone fits")


def _packet(properties: tuple[Property, ...], mark: bool) -> str:
    prefixes = dict.fromkeys(one.prefix for one in properties)
    spaces = "".join(f" xmlns:{prefix}={quoteattr(_NAMESPACES[prefix])}" for prefix in prefixes)
    body = "".join(map(_element, properties))
    described = f'<rdf:Description rdf:about=""{spaces}>{body}</rdf:Description>' if properties else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
        f"{described}{_MARKER if mark else ''}</rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    )


def _element(one: Property) -> str:
    name = f"{one.prefix}:{one.name}"
    if one.kind is None:
        return f"<{name}>{escape(one.values[0][1])}</{name}>"
    items = "".join(f"<rdf:li{_language(language)}>{escape(text)}</rdf:li>" for language, text in one.values)
    return f"<{name}><rdf:{one.kind}>{items}</rdf:{one.kind}></{name}>"


def _language(language: str | None) -> str:
    return f" xml:lang={quoteattr(language)}" if language and is_written(language) else ""
