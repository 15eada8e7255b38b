"""Files that belong to a photo by their name: the film of a Live Photo, edits and labels that programs keep beside it.

They are never copied: the film shows the unprotected face, and labels may say whose it is. What was left out is said.
"""

import os
from pathlib import Path

_FILMS = (b".mov", b".MOV", b".mp4", b".MP4")
_SIDECARS = (b".xmp", b".XMP", b".aae", b".AAE")


def beside(root: Path, path: bytes) -> list[bytes]:
    """Names of the companions of the photo `path`, relative to `root`."""
    stem = os.path.splitext(path)[0]
    candidates = [stem + suffix for suffix in (*_FILMS, *_SIDECARS)] + [path + suffix for suffix in _SIDECARS]
    base = os.fsencode(root)
    return [os.path.basename(name) for name in candidates if os.path.isfile(os.path.join(base, name))]
