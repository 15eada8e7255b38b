"""Which names in a watched tree are photos, and which are nobody's: hidden files, trash, leftovers of NAS systems."""

import os
import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

from lowkeyd.model import PHOTO_SUFFIXES, RAW_SUFFIXES

_JUNK_FOLDERS = frozenset({
    b"@eadir", b"@tmp", b"@recycle", b"@recently-snapshot", b"#recycle", b"#snapshot",  # Synology, QNAP
    b"__macosx", b"lost+found",  # archives made on a Mac, repaired disks
    b"$recycle.bin", b"recycler", b"system volume information",  # Windows
})  # fmt: skip
"""Lower case. Hidden folders need no list: `.stfolder`, `.stversions`, `.Trash-1000`, `.AppleDouble`, `.thumbnails`."""
_JUNK_FOLDER_ENDINGS = (b".download", b".lrdata")
"""Safari's unfinished downloads; Lightroom's previews."""
_JUNK_FILE_STARTS = (b".", b"~syncthing~", b"~$")
"""Hidden files are also AppleDouble's `._a.jpg`, rsync's and our own unfinished ones, and Syncthing's; those that it
makes on Windows are not hidden. Most unfinished files, `Thumbs.db` and `desktop.ini` end like no photo."""
_RAW = frozenset(suffix.encode() for suffix in RAW_SUFFIXES)
_SUFFIXES = frozenset(suffix.encode() for suffix in PHOTO_SUFFIXES) | _RAW

Identity = tuple[int, int]
"""Device and inode of a folder: what it is, whatever it is called."""


@dataclass(frozen=True)
class Rules:
    """What of a tree is looked at.

    `ignore` are the user's patterns, with `*`, `?` and `[abc]`: one without a slash is for the name of any file or
    folder, one with a slash for the whole path below the watched folder. What lies in an ignored folder is ignored.
    `follow` is whether links are followed. The folders `closed` are never entered, whatever way leads there.
    """

    ignore: tuple[str, ...] = ()
    follow: bool = False
    closed: frozenset[Identity] = frozenset()

    def takes(self, path: bytes) -> bool:
        """Whether the relative path is a photo's or RAW file's, and nothing on the way is to be left out."""
        return self.reaches(path[: max(0, path.rfind(b"/"))]) and self.takes_here(path)

    def reaches(self, folder: bytes) -> bool:
        """Whether a walk comes to the folder: neither it nor anything on the way is to be left out. b"" is the root."""
        ends = [end for end in range(len(folder)) if folder[end : end + 1] == b"/"]
        return not folder or all(self.enters(folder[:end]) for end in [*ends, len(folder)])

    def takes_here(self, path: bytes) -> bool:
        """The same, for a path whose folders were entered."""
        name = path[path.rfind(b"/") + 1 :]
        if name.startswith(_JUNK_FILE_STARTS) or _suffix(name) not in _SUFFIXES:
            return False
        return not (self.ignore and self._is_ignored(path))

    def enters(self, path: bytes) -> bool:
        """Whether to walk into the folder."""
        name = path[path.rfind(b"/") + 1 :].lower()
        if name.startswith(b".") or name in _JUNK_FOLDERS or name.endswith(_JUNK_FOLDER_ENDINGS):
            return False
        return not (self.ignore and self._is_ignored(path))

    def _is_ignored(self, path: bytes) -> bool:
        text = os.fsdecode(path)
        by_name, by_path = self._patterns
        return bool(by_name.match(os.path.basename(text)) or by_path.match(text))

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        paths = [pattern for pattern in self.ignore if "/" in pattern.strip("/")]
        return _any([pattern for pattern in self.ignore if pattern not in paths]), _any(paths)


def _any(patterns: list[str]) -> re.Pattern[str]:
    """A pattern that matches what any of them does; none matches nothing."""
    return re.compile("|".join(translate(pattern.strip("/")) for pattern in patterns) or r"(?!)")


def is_raw_name(path: bytes) -> bool:
    """Whether it is called as cameras call their RAW files."""
    return _suffix(path) in _RAW


def _suffix(name: bytes) -> bytes:
    """As bytes, because a walk asks for each file that there is."""
    return name[name.rfind(b".") :].lower()
