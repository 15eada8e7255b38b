"""EXIF: fields are copied as they are, by their tags, or not at all."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL.ExifTags import IFD, Base

from lowkeyd.imaging import tiff
from lowkeyd.imaging.metadata.text import decoded, is_written
from lowkeyd.imaging.tiff import Directory, Field

_PREFIX = b"Exif\0\0"
_CAMERA, _PLACE, _INTEROPERABILITY = int(IFD.Exif), int(IFD.GPSInfo), int(IFD.Interop)
_UNCALIBRATED = 0xFFFF

_MAIN = frozenset({
    Base.ImageDescription, Base.Make, Base.Model, Base.XResolution, Base.YResolution, Base.ResolutionUnit,
    Base.Software, Base.DateTime, Base.Artist, Base.Copyright, Base.DocumentName, Base.PageName,
    Base.Rating, Base.RatingPercent, Base.XPTitle, Base.XPComment, Base.XPAuthor, Base.XPKeywords, Base.XPSubject,
})  # fmt: skip
_OF_CAMERA = frozenset({
    Base.ExposureTime, Base.FNumber, Base.ExposureProgram, Base.ISOSpeedRatings, Base.SensitivityType,
    Base.StandardOutputSensitivity, Base.RecommendedExposureIndex, Base.ISOSpeed, Base.ExifVersion,
    Base.DateTimeOriginal, Base.DateTimeDigitized, Base.OffsetTime, Base.OffsetTimeOriginal, Base.OffsetTimeDigitized,
    Base.SubsecTime, Base.SubsecTimeOriginal, Base.SubsecTimeDigitized, Base.ShutterSpeedValue, Base.ApertureValue,
    Base.BrightnessValue, Base.ExposureBiasValue, Base.MaxApertureValue, Base.SubjectDistance, Base.MeteringMode,
    Base.LightSource, Base.Flash, Base.FlashEnergy, Base.FocalLength, Base.ColorSpace, Base.ExposureIndex,
    Base.FocalPlaneXResolution, Base.FocalPlaneYResolution, Base.FocalPlaneResolutionUnit, Base.SensingMethod,
    Base.FileSource, Base.SceneType, Base.CustomRendered, Base.ExposureMode, Base.WhiteBalance, Base.DigitalZoomRatio,
    Base.FocalLengthIn35mmFilm, Base.SceneCaptureType, Base.GainControl, Base.Contrast, Base.Saturation, Base.Sharpness,
    Base.SubjectDistanceRange, Base.LensSpecification, Base.LensMake, Base.LensModel, Base.Gamma, Base.CompositeImage,
    Base.UserComment,
})  # fmt: skip
"""No MakerNote, which holds previews; no serial numbers, unique numbers and owner's name, which tie a photo to its
owner without any face; no SubjectArea, which says where the face is; no orientation, since pixels are upright;
no HostComputer, which is often called after its owner."""
_OF_PLACE = frozenset(range(32))
_WIDTH, _HEIGHT = int(Base.ExifImageWidth), int(Base.ExifImageHeight)
_ORIENTATION = int(Base.Orientation)
_KEYWORDS = int(Base.XPKeywords)

_WINDOWS_TEXTS = frozenset({Base.XPTitle, Base.XPComment, Base.XPAuthor, Base.XPKeywords, Base.XPSubject})
_COMMENT_CODES = {
    b"ASCII\0\0\0": "utf-8",  # which is what is written there
    b"UNICODE\0": "utf-16",
    b"\0\0\0\0\0\0\0\0": "utf-8",
    b"JIS\0\0\0\0\0": "iso2022_jp",
}
_TEXT_KINDS = frozenset({tiff.ASCII, 129})  # 129 is UTF-8, since EXIF 3
_MAX_NUMBERS = 8
_MAX_UNDEFINED_BYTES = 8  # versions and single flags


@dataclass(frozen=True)
class Exif:
    """What may go along, in the byte order `order`: fields of the photo, of its camera settings, of its place."""

    order: str
    main: Directory
    camera: Directory
    place: Directory

    def block(self, width: int, height: int) -> bytes:
        """An EXIF block for a picture of this size; empty when there is nothing to say."""
        camera = self._camera(width, height)
        if not (self.main or camera or self.place):
            return b""
        start = 8
        children = {_CAMERA: camera, _PLACE: self.place}
        return _PREFIX + tiff.header(self.order, start) + tiff.write(self.order, self.main, children, start)

    def children(self, width: int, height: int) -> dict[int, Directory]:
        """The directories that hang on a TIFF file's own."""
        return {_CAMERA: self._camera(width, height), _PLACE: self.place}

    @property
    def keywords(self) -> tuple[str, ...]:
        """Windows' own."""
        written = self.main.get(_KEYWORDS)
        return tuple(_windows_text(written.raw).split(";")) if written else ()

    def without_keywords(self, is_out: Callable[[str], bool]) -> "Exif":
        """The same, without some."""
        left = [keyword for keyword in self.keywords if not is_out(keyword)]
        if len(left) == len(self.keywords):
            return self
        main = {tag: value for tag, value in self.main.items() if tag != _KEYWORDS}
        if left:
            raw = ";".join(left).encode("utf-16-le") + b"\0\0"
            main[_KEYWORDS] = replace(self.main[_KEYWORDS], raw=raw, count=len(raw))
        return replace(self, main=main)

    def _camera(self, width: int, height: int) -> Directory:
        size = {_WIDTH: tiff.longs(self.order, width), _HEIGHT: tiff.longs(self.order, height)}
        return self.camera | size if self.camera else {}


NO_EXIF = Exif(">", {}, {}, {})


def read(block: object) -> tuple[Exif, int]:
    """What may go along of an EXIF block or a TIFF file, and the orientation it names (1 if none).

    Whatever is damaged is left out: a photo does not fail over it.
    """
    opened = _opened(block)
    if opened is None:
        return NO_EXIF, 1
    block, order, main = opened
    orientation = next(iter(tiff.integers(main.get(_ORIENTATION), order)), 1)
    return Exif(
        order,
        _kept(main, _MAIN, order),
        _kept(_child(block, main, _CAMERA, order), _OF_CAMERA, order),
        _kept(_child(block, main, _PLACE, order), _OF_PLACE, order),
    ), orientation


def says_adobe_rgb(block: object) -> bool:
    """Whether a camera says that colours are Adobe RGB's in the only way that cameras have: no profile, a colour space
    that is "uncalibrated", and R03 for interoperability. Source: DCF 2.0 (2010), 3.3.3."""
    opened = _opened(block)
    if opened is None:
        return False
    block, order, main = opened
    camera = _child(block, main, _CAMERA, order)
    index = _child(block, camera, _INTEROPERABILITY, order).get(1)
    is_other = next(iter(tiff.integers(camera.get(int(Base.ColorSpace)), order)), 1) == _UNCALIBRATED
    return is_other and index is not None and index.raw.startswith(b"R03")


def _opened(block: object) -> tuple[bytes, str, Directory] | None:
    """An EXIF block without its prefix, or a TIFF file, with its byte order and first directory; None for neither."""
    if not isinstance(block, bytes):
        return None
    block = block.removeprefix(_PREFIX)
    try:
        return block, tiff.order_of(block), tiff.read(block, tiff.first(block))
    except struct.error:
        return None


def _child(block: bytes, main: Directory, tag: int, order: str) -> Directory:
    place = next(iter(tiff.integers(main.get(tag), order)), 0)
    try:
        return tiff.read(block, place) if place else {}
    except struct.error:
        return {}


def _kept(directory: Directory, tags: frozenset[int] | frozenset[Base], order: str) -> Directory:
    kept = {int(tag): _harmless(int(tag), directory[tag], order) for tag in tags if tag in directory}
    return {tag: value for tag, value in kept.items() if value is not None}


def _harmless(tag: int, value: Field, order: str) -> Field | None:
    """The field if it holds what its tag promises: a few numbers, or a text that can be read."""
    if tag in (Base.UserComment, Base.Copyright):
        of_bytes = value.kind in (*_TEXT_KINDS, 1, tiff.UNDEFINED)
        return (_user_comment(value, order) if tag == Base.UserComment else _copyright(value)) if of_bytes else None
    if tag in _WINDOWS_TEXTS:
        return value if value.kind == 1 and is_written(_windows_text(value.raw)) else None
    if value.kind in _TEXT_KINDS:
        raw = value.raw.partition(b"\0")[0]
        return replace(value, raw=raw + b"\0", count=len(raw) + 1) if is_written(decoded(raw)) else None
    if value.kind in (tiff.UNDEFINED, 1):
        return value if value.count <= _MAX_UNDEFINED_BYTES else None
    return value if value.count <= _MAX_NUMBERS else None


def _user_comment(value: Field, order: str) -> Field | None:
    raw = value.raw.rstrip(b"\0")  # some reserve kilobytes for it
    raw += bytes(len(raw) % 2 if raw.startswith(b"UNICODE") else 0)  # half of the last character may be a zero
    return replace(value, raw=raw, count=len(raw)) if is_written(_comment(raw, order)) else None


def _copyright(value: Field) -> Field | None:
    """The photographer's, a zero, the editor's (EXIF 3.0, 4.6.5)."""
    parts = [part if is_written(decoded(part)) else b" " for part in value.raw.split(b"\0")[:2]]
    raw = b"\0".join(parts).rstrip(b"\0 ") + b"\0"
    return replace(value, raw=raw, count=len(raw)) if raw.strip(b"\0 ") else None


def _comment(raw: bytes, order: str) -> str:
    code = _COMMENT_CODES.get(raw[:8])
    if code == "utf-16":
        code = "utf-16-le" if order == "<" else "utf-16-be"
    try:
        return raw[8:].decode(code).strip("\0 ") if code else ""
    except UnicodeDecodeError:
        return ""


def _windows_text(raw: bytes) -> str:
    try:
        return raw.decode("utf-16-le").rstrip("\0")
    except UnicodeDecodeError:
        return ""
