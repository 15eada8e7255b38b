"""What goes along with the pixels into the delivered file.

A photo carries more pictures than the one that is seen: the camera's thumbnail in the EXIF block, previews in the
maker's own notes and in XMP, further frames, the film of a Motion Photo. Each shows the unprotected face. So nothing is
copied from the source except what is named here: harmless EXIF fields and the colour profile.
"""

import struct

from PIL import ExifTags, Image

METADATA_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, EOFError,
    struct.error,
)  # fmt: skip
"""What Pillow has been seen to raise on damaged EXIF blocks."""

_Base = ExifTags.Base
_ORIENTATION = int(_Base.Orientation)

_KEPT = frozenset({
    _Base.Make, _Base.Model, _Base.XResolution, _Base.YResolution, _Base.ResolutionUnit, _Base.Software, _Base.DateTime,
    _Base.Artist, _Base.Copyright,
})  # fmt: skip
"""No ImageDescription: captions tend to name the people in the photo."""
_KEPT_FROM_CAMERA = frozenset({
    _Base.ExposureTime, _Base.FNumber, _Base.ExposureProgram, _Base.ISOSpeedRatings, _Base.SensitivityType,
    _Base.ExifVersion, _Base.DateTimeOriginal, _Base.DateTimeDigitized, _Base.OffsetTime, _Base.OffsetTimeOriginal,
    _Base.OffsetTimeDigitized, _Base.ShutterSpeedValue, _Base.ApertureValue, _Base.BrightnessValue,
    _Base.ExposureBiasValue, _Base.MaxApertureValue, _Base.SubjectDistance, _Base.MeteringMode, _Base.LightSource,
    _Base.Flash, _Base.FocalLength, _Base.SubsecTime, _Base.SubsecTimeOriginal, _Base.SubsecTimeDigitized,
    _Base.ColorSpace, _Base.SensingMethod, _Base.CustomRendered, _Base.ExposureMode, _Base.WhiteBalance,
    _Base.DigitalZoomRatio, _Base.FocalLengthIn35mmFilm, _Base.SceneCaptureType, _Base.GainControl, _Base.Contrast,
    _Base.Saturation, _Base.Sharpness, _Base.SubjectDistanceRange, _Base.LensSpecification, _Base.LensMake,
    _Base.LensModel,
})  # fmt: skip
"""No GPS, no MakerNote, no UserComment, and no serial numbers: those tie a photo to its owner without any face."""

_MAX_TEXT_BYTES = 1000
"""A longer value is not a caption any more, and a picture could hide in it. The number is taste."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_exif(image: Image.Image) -> Image.Exif:
    """The picture's EXIF block, empty when there is none or it is damaged: a photo does not fail over it.

    `Image.getexif` is asked for TIFF only, where EXIF fields lie among the file's own. Elsewhere it would mix in XMP,
    which viewers do not turn pictures by.
    """
    try:
        if image.format == "TIFF":
            exif = image.getexif()
        else:
            exif = Image.Exif()
            exif.load(image.info.get("exif", b""))
        exif.get_ifd(ExifTags.IFD.Exif)
    except METADATA_ERRORS:
        return Image.Exif()
    return exif


def upright(image: Image.Image, exif: Image.Exif) -> Image.Image:
    """The picture as viewers show it: turned and mirrored as EXIF's orientation says."""
    orientation = exif.get(_ORIENTATION)
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def keep_exif(exif: Image.Exif) -> bytes | None:
    """The fields that go along, as a new EXIF block, or None. Orientation is not among them: pixels are upright."""
    kept = Image.Exif()
    try:
        kept.update(_harmless(dict(exif), _KEPT))
        camera = _harmless(exif.get_ifd(ExifTags.IFD.Exif), _KEPT_FROM_CAMERA)
        if camera:
            kept.get_ifd(ExifTags.IFD.Exif).update(camera)
            kept[int(ExifTags.IFD.Exif)] = camera
        return kept.tobytes() if len(kept) else None
    except METADATA_ERRORS:
        return None


def _harmless(fields: dict[int, object], names: frozenset[ExifTags.Base]) -> dict[int, object]:
    return {int(tag): fields[tag] for tag in names if tag in fields and _is_small(fields[tag])}


def _is_small(value: object) -> bool:
    if isinstance(value, tuple):
        return len(value) <= 4
    return not isinstance(value, (str, bytes)) or len(value) <= _MAX_TEXT_BYTES


def keep_profile(image: Image.Image) -> bytes | None:
    """The colour profile, when it is one for RGB and nothing is attached to it."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or len(profile) < 128:
        return None
    whole = int.from_bytes(profile[:4], "big") == len(profile) and profile[36:40] == b"acsp"
    # A grey photo's profile does not fit the RGB pixels that are written.
    return profile if whole and profile[16:20] == b"RGB " else None
