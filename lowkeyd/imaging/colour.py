"""Between a photo's own colours and what a screen shows of them.

The attack sees sRGB, eight bits, as every recogniser does. What it changes is written back as a change of the photo's
own values, in their own colour space and depth, so that every other pixel keeps the value it had.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from lowkeyd.imaging.samples import Values, to_eight_bits
from lowkeyd.model import Pixels

_Conversion = Callable[[Image.Image], Image.Image]

_ROUNDS = {"L": 1, "RGB": 2, "CMYK": 4}
"""Until written-back values show what they should: a second round halves what rounding leaves, and ink that is mixed
otherwise than a profile would mix it takes more."""
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SAME_WITHIN = 1  # of 255: a profile that moves no colour further is sRGB by another name


@dataclass(frozen=True)
class Space:
    """What a photo's values mean: `mode` is L, RGB or CMYK, `profile` an ICC profile that fits it, or None."""

    mode: str
    profile: bytes | None = field(default=None, repr=False)

    def show(self, values: Values) -> Pixels:
        """Values (H, W, C), 8 or 16 bits, as sRGB (H, W, 3) of 8 bits. Plain RGB is returned as it is, not copied."""
        return self._to_srgb(to_eight_bits(values))

    def follow(self, values: Values, shown: Pixels, wanted: Pixels) -> Values:
        """The values (H, W, C), which are seen as `shown`, changed so that they are seen as `wanted`.

        Where both are the same, the values stay exactly what they are. Grey can follow in brightness only.
        """
        if wanted is shown:
            return values
        if self._is_plain and values.dtype == np.uint8:
            return wanted
        changed = (wanted != shown).any(-1)  # (H, W)
        followed = values.copy()
        followed[changed] = self._moved(values[changed][None], wanted[changed][None])[0]
        return followed

    @property
    def _is_plain(self) -> bool:
        return self.mode == "RGB" and _conversions(self.mode, self.profile) is None

    def _moved(self, values: Values, wanted: Pixels) -> Values:
        steps = np.iinfo(values.dtype).max // 255  # of the values in one of 255
        goal = self._from_srgb(wanted).astype(np.int32)
        moved = values.astype(np.int32)
        for _ in range(_ROUNDS[self.mode]):
            there = self._from_srgb(self.show(moved.astype(values.dtype)))
            moved = np.clip(moved + steps * (goal - there), 0, 255 * steps)
        return moved.astype(values.dtype)

    def _to_srgb(self, values: npt.NDArray[np.uint8]) -> Pixels:
        conversions = _conversions(self.mode, self.profile)
        if conversions is None and self.mode == "RGB":
            return values
        image = _image(values, self.mode)
        return np.array(conversions[0](image) if conversions else image.convert("RGB"))

    def _from_srgb(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        conversions = _conversions(self.mode, self.profile)
        if conversions is None and self.mode == "RGB":
            return pixels
        image = Image.fromarray(pixels)
        values = np.array(conversions[1](image) if conversions else image.convert(self.mode))
        return values[..., None] if self.mode == "L" else values


SRGB = Space("RGB")


def space_of(mode: str, profile: bytes | None) -> Space:
    """The space that a photo of this mode with this profile is in; a profile that cannot be used does not count."""
    if profile is not None:
        try:
            _conversions(mode, profile)
        except (ImageCms.PyCMSError, OSError, ValueError):
            return Space(mode)
    return Space(mode, profile)


def _image(values: npt.NDArray[np.uint8], mode: str) -> Image.Image:
    return Image.frombytes(mode, values.shape[1::-1], np.ascontiguousarray(values).tobytes())


@lru_cache(maxsize=8)
def _conversions(mode: str, profile: bytes | None) -> tuple[_Conversion, _Conversion] | None:
    """From the profile's colours to sRGB, and back; None where there is nothing to convert.

    Raises ImageCms.PyCMSError for a profile that is damaged or of another mode.
    """
    if profile is None:
        return None
    own = ImageCms.getOpenProfile(BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    there = _conversion(own, srgb, mode, "RGB")
    back = _conversion(srgb, own, "RGB", mode)
    return None if mode == "RGB" and _changes_nothing(there) else (there, back)


def _conversion(source: object, target: object, source_mode: str, target_mode: str) -> _Conversion:
    transform = ImageCms.buildTransform(source, target, source_mode, target_mode, _INTENT, _FLAGS)  # type: ignore[arg-type]

    def convert(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None, "bug: converted in place"
        return converted

    return convert


def _changes_nothing(conversion: _Conversion) -> bool:
    ramp = np.arange(0, 256, 17, dtype=np.uint8)
    colours = np.stack(np.meshgrid(ramp, ramp, ramp), -1).reshape(1, -1, 3)
    moved = np.array(conversion(Image.fromarray(colours))).astype(int) - colours
    return bool(np.abs(moved).max() <= _SAME_WITHIN)
