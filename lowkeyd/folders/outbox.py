"""Writes delivered files so that no crash leaves half of one, and none ever takes a foreign file's place."""

import contextlib
import errno
import itertools
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lowkeyd.errors import OutboxUnavailable, UnsupportedPhoto
from lowkeyd.machine.files import sync_folder
from lowkeyd.model import Delivery, Stage, readable, sha256

_TEMP = re.compile(rb"\.lowkeyd-[0-9a-f]{32}\.tmp")
_TRASH = b".trash"
_PROBE_BYTES = 1 << 20
_MAX_NAME_BYTES = 255
_READ_ONLY = (
    "A service writes only where its unit lets it: if [outbox] path was changed, `sudo lowkeyd install-service --write`"
    " and restart it. Else the disk is mounted read-only, and the kernel's log says why."
)
_TOO_LONG_ADVICE = "Give the photo or its folders shorter names; then `lowkeyd retry`."


class Outbox:
    """A folder tree. Paths are bytes, relative to it. Methods raise OutboxUnavailable when the disk refuses, and
    UnsupportedPhoto when a path is too long for any disk."""

    def __init__(self, root: Path, require: Callable[[], None] = lambda: None) -> None:
        self._root = os.fsencode(root)
        self.require = require
        """Raises OutboxUnavailable when another folder than the outbox is in its place."""

    def absolute(self, path: bytes) -> bytes:
        """The path as the operating system takes it."""
        return os.path.join(self._root, path)

    def write_temp(self, folder: bytes, content: bytes, mtime_ns: int) -> bytes:
        """A complete hidden file in `folder`, on the disk for good. Returns its path."""
        path = os.path.join(folder, f".lowkeyd-{uuid.uuid4().hex}.tmp".encode())
        with self._translated():
            os.stat(self._root)  # never made here: it may be the mount point of a disk that is gone
            self.require()
            try:
                with contextlib.suppress(FileNotFoundError):
                    self._write(path, content, mtime_ns)
                    return path
                self._write(path, content, mtime_ns)  # `withdraw` took the folder away at this very moment
            except OSError:
                self.remove(path)
                raise
        return path

    def _write(self, path: bytes, content: bytes, mtime_ns: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.makedirs(os.path.dirname(self.absolute(path)), exist_ok=True)
        with os.fdopen(os.open(self.absolute(path), flags, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.utime(file.fileno(), ns=(mtime_ns, mtime_ns))  # galleries sort by it
            os.fsync(file.fileno())

    def candidates(self, path: bytes) -> Iterator[bytes]:
        """The wanted name, then the same with (1), (2) ... before the suffix; shortened where a disk needs it."""
        folder, name = os.path.split(path)
        stem, suffix = os.path.splitext(name)
        yield os.path.join(folder, _fitted(stem, suffix))
        for count in itertools.count(1):
            yield os.path.join(folder, _fitted(stem, b" (%d)%b" % (count, suffix)))

    def is_free(self, path: bytes, ours: Delivery | None) -> bool:
        """Whether the name can be taken: nothing is there, or our own older delivery, untouched since."""
        if not os.path.lexists(self.absolute(path)):
            return True
        return ours is not None and ours.path == path and self.holds(ours)

    def holds(self, delivery: Delivery) -> bool:
        """Whether exactly these bytes lie there."""
        content = self.read(delivery.path)
        return content is not None and sha256(content) == delivery.sha256

    def read(self, path: bytes) -> bytes | None:
        """A delivered file's bytes, or None when it is not to be had."""
        try:
            with open(self.absolute(path), "rb") as file:
                return file.read()
        except OSError:
            return None

    def place(self, temp: bytes, delivery: Delivery, ours: Delivery | None) -> bool:
        """Give the hidden file its name, once and for all. False when a foreign file holds that name."""
        with self._translated():
            if not self._take_name(temp, delivery.path, ours):
                return False
            try:
                self._sync_folder(os.path.dirname(delivery.path))
            except OSError:
                if ours is None or ours.path != delivery.path:
                    os.unlink(self.absolute(delivery.path))  # the next try must find the name free
                    raise
                # Our older copy is gone, so that this one has to count: were it forgotten, it would look like a
                # stranger's, and the next try would put another beside it.
        return True

    def _take_name(self, temp: bytes, path: bytes, ours: Delivery | None) -> bool:
        source, target = self.absolute(temp), self.absolute(path)
        if ours is not None and ours.path == path and self.holds(ours):
            os.replace(source, target)
            return True
        try:
            os.link(source, target)  # unlike a rename, it refuses to take a file's place
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            return _take_name_without_links(source, target)
        os.unlink(source)
        return True

    def unreserve(self, path: bytes) -> None:
        """Remove the empty file that held a name where there are no links, if a crash came before its content."""
        with contextlib.suppress(OSError):
            if os.lstat(self.absolute(path)).st_size == 0:
                os.unlink(self.absolute(path))

    def withdraw(self, delivery: Delivery, *, to_trash: bool = False) -> bool:
        """Remove a delivered file, or move it to the trash. False when it is not as it was delivered, so not ours."""
        self.require()
        if not self.holds(delivery):
            return False
        with self._translated():
            if to_trash:
                self._to_trash(delivery.path)
            else:
                os.unlink(self.absolute(delivery.path))
        self._prune(os.path.dirname(delivery.path))
        return True

    def _prune(self, folder: bytes) -> None:
        """An album whose last copy went leaves no empty folder; that of the watch stays."""
        with contextlib.suppress(OSError):
            while b"/" in folder:
                os.rmdir(self.absolute(folder))
                folder = os.path.dirname(folder)

    def _to_trash(self, path: bytes) -> None:
        for name in self.candidates(os.path.join(_TRASH, path)):
            if not os.path.lexists(self.absolute(name)):
                os.makedirs(os.path.dirname(self.absolute(name)), exist_ok=True)
                os.rename(self.absolute(path), self.absolute(name))
                return

    def _sync_folder(self, folder: bytes) -> None:
        """Also its parents up to the root: they may be as new as the file."""
        while True:
            sync_folder(self.absolute(folder))
            if not folder:
                return
            folder = os.path.dirname(folder)

    def remove(self, temp: bytes) -> None:
        """Remove one of our hidden files, if it is still there."""
        assert _TEMP.fullmatch(os.path.basename(temp)), f"bug: {temp!r} is no temporary file of ours"
        with contextlib.suppress(OSError):
            os.unlink(self.absolute(temp))

    def probe(self) -> None:
        """Write and remove a hidden file, to learn whether the outbox works again."""
        self.remove(self.write_temp(b"", b"\0" * _PROBE_BYTES, 0))

    def sweep(self, older_than_s: float) -> int:
        """Remove hidden files that a crash left and that nobody has touched for so long. Returns how many."""
        left = [temp for temp in self._temps() if self._untouched_s(temp) >= older_than_s]
        for temp in left:
            self.remove(temp)
        return len(left)

    def _untouched_s(self, temp: bytes) -> float:
        try:
            # Its mtime is the photo's; the kernel's own stamp cannot be set.
            return max(0.0, time.time() - os.lstat(self.absolute(temp)).st_ctime)
        except OSError:
            return -1.0

    def _temps(self) -> Iterator[bytes]:
        for folder, _, names in os.walk(self._root):
            for name in names:
                if _TEMP.fullmatch(name):
                    yield os.path.relpath(os.path.join(folder, name), self._root)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise UnsupportedPhoto(
                    "its path would be too long in the outbox", stage=Stage.PUBLISH, advice=_TOO_LONG_ADVICE
                ) from error
            where = _without_temp(os.fsencode(error.filename or self._root))
            reason = f"the outbox cannot be written: {error.strerror}: {readable(where)}"
            raise OutboxUnavailable(reason, advice=_READ_ONLY if error.errno == errno.EROFS else None) from error


def _without_temp(path: bytes) -> bytes:
    """A hidden file is told by its folder: photos that wait for the same disk then wait for the same reason."""
    folder, name = os.path.split(path)
    return folder if _TEMP.fullmatch(name) else path


def _fitted(stem: bytes, ending: bytes) -> bytes:
    """A name that Linux's file systems take. No character of UTF-8 is cut in two."""
    length = min(len(stem), _MAX_NAME_BYTES - len(ending))
    while 0 < length < len(stem) and stem[length] & 0xC0 == 0x80:
        length -= 1
    return stem[:length] + ending


def _take_name_without_links(source: bytes, target: bytes) -> bool:
    """For file systems such as exFAT: reserve the name with an empty file, which nobody else can then take."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    except FileExistsError:
        return False
    try:
        os.replace(source, target)
    except OSError:
        os.unlink(target)
        raise
    return True


def delivery_name(path: bytes, suffix: str) -> bytes:
    """The photo's own name, unless its copy has another format: `suffix`, with its dot, is the copy's."""
    stem, old = os.path.splitext(path)
    return path if _same_format(os.fsdecode(old).lower(), suffix) else stem + suffix.encode()


def _same_format(old: str, new: str) -> bool:
    families = ({".jpg", ".jpeg", ".jpe"}, {".tif", ".tiff"}, {new.lower()})
    return any(old in family and new.lower() in family for family in families)
