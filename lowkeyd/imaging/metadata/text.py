"""What counts as a text that somebody wrote: nothing in which a picture could travel."""

import unicodedata

MAX_CHARACTERS = 2000
"""IPTC's own limit for captions; the smallest thumbnail takes more once it is written as text."""
_MAX_WORD = 200
"""Addresses are shorter, coded bytes longer."""
_LAYOUT = "\t\n\r"
_NOT_WRITTEN = frozenset({"Cc", "Cs"})
"""Unicode's categories for control characters and halves of characters."""


def is_written(text: str) -> bool:
    """Whether a person or a camera may have meant it to be read."""
    if len(text) > MAX_CHARACTERS or not (words := text.split()) or max(map(len, words)) > _MAX_WORD:
        return False
    return all(character in _LAYOUT or unicodedata.category(character) not in _NOT_WRITTEN for character in text)


def is_tracking(text: str) -> bool:
    """Whether it is the number by which Facebook and Instagram know each photo that was loaded from them."""
    return text.startswith("FBMD")


def decoded(raw: bytes) -> str:
    """Bytes that should be text: UTF-8 where they can be, else Windows' Latin, else Latin-1, in which every byte is
    something."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")
