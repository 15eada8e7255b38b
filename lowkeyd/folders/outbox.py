"""Writes delivered files so that no crash leaves half of one, and none ever takes a foreign file's place."""

import contextlib
import errno
import itertools
import os
import re
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lowkeyd.errors import OutboxUnavailable, UnsupportedPhoto
from lowkeyd.machine.files import READ_WARILY, sync_folder
from lowkeyd.model import Delivery, Stage, readable, sha256

_TEMP = re.compile(rb"\.lowkeyd-[0-9a-f]{32}\.tmp")
_TRASH = b".trash"
_PROBE_BYTES = 1 << 20
_MAX_NAME_BYTES = 255
_MAX_PATH_BYTES = 4096 - 16  # Linux's limit, with room for a number
_MAX_COPY_BYTES = 1 << 32
"""Larger files are none of ours, and reading one would take memory and hours."""
_OF_THE_PLACE = (errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG)
"""What a disk says where it is well and this one path cannot be written, now or ever."""
_READ_ONLY = (
    "A service writes only where its unit lets it: if [outbox] path was changed, `sudo lowkeyd install-service --write`"
    " and restart it. Else the disk is mounted read-only, and the kernel's log says why."
)
_PLACE_ADVICE = (
    "Rename what is in its way in the outbox, or the photo or its folders: its disk may want shorter names, or other"
    " letters; then `lowkeyd retry`."
)


class Outbox:
    """A folder tree. Paths are bytes, relative to it. Methods raise OutboxUnavailable when the disk refuses, and
    UnsupportedPhoto when this one path can never be written: it is too long, or something else has its place. No link
    in it may lead into the `watched` trees."""

    def __init__(self, root: Path, require: Callable[[], None] = lambda: None, watched: Iterable[Path] = ()) -> None:
        self._root = os.fsencode(root)
        self._watched = [os.path.realpath(os.fsencode(tree)) for tree in watched]
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
        folder = os.path.dirname(self.absolute(path))
        real = os.path.realpath(folder)
        if any(os.path.commonpath((real, tree)) == tree for tree in self._watched):
            raise OSError(errno.ELOOP, "a link leads into a watched folder", os.fsdecode(folder))
        os.makedirs(folder, exist_ok=True)
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
        """A delivered file's bytes, or None when it is not to be had: a link, a pipe or a giant is no delivery."""
        try:
            with os.fdopen(self._opened(path), "rb") as file:
                status = os.fstat(file.fileno())
                is_copy = stat.S_ISREG(status.st_mode) and status.st_size <= _MAX_COPY_BYTES
                return file.read() if is_copy else None
        except OSError:
            return None

    def _opened(self, path: bytes) -> int:
        try:
            return os.open(self.absolute(path), READ_WARILY)
        except BlockingIOError:  # a file on which a server of shares holds a lease, which it is asked to give up
            return os.open(self.absolute(path), READ_WARILY & ~os.O_NONBLOCK)

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
        deep = os.path.join(_TRASH, path)
        is_too_deep = len(self.absolute(deep)) > _MAX_PATH_BYTES
        for name in self.candidates(os.path.join(_TRASH, os.path.basename(path)) if is_too_deep else deep):
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
            where = _without_temp(os.fsencode(error.filename2 or error.filename or self._root))
            if error.errno in _OF_THE_PLACE and where != self._root and not self._is_cut_off(where, error):
                reason = f"its copy cannot have its place in the outbox: {error.strerror}: {readable(where)}"
                raise UnsupportedPhoto(reason, stage=Stage.PUBLISH, advice=_PLACE_ADVICE) from error
            reason = f"the outbox cannot be written: {error.strerror}: {readable(where)}"
            raise OutboxUnavailable(reason, advice=_READ_ONLY if error.errno == errno.EROFS else None) from error

    def _is_cut_off(self, path: bytes, error: OSError) -> bool:
        """Whether the root is no folder, or a link on the way below it leads nowhere, as to a disk that is away."""
        way = [path]
        while way[-1].startswith(self._root + b"/"):
            way.append(os.path.dirname(way[-1]))
        leads_nowhere = any(os.path.islink(place) and not os.path.exists(place) for place in way)
        return (leads_nowhere and error.errno != errno.ELOOP) or not os.path.isdir(self._root)


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
