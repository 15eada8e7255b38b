"""Fetches a file over HTTP into a part file, going on where an earlier try stopped.

What arrives is nothing yet: the caller checks it and gives it its name.
"""

import errno
import fcntl
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from lowkeyd import __version__
from lowkeyd.errors import FetchFailed, WeightsError

Progress = Callable[[int, int | None], None]
"""Is told the bytes that are here and those of the whole, if that is known."""

SILENCE_S = 30.0
"""A server that says nothing for so long is taken for gone."""
_CHUNK_BYTES = 1 << 18
_MOST_BYTES = 4_000_000_000
"""Of a file whose size nobody knows: no face network is as large."""
_FREE_BYTES = 50_000_000
"""Of the disk, left for others."""
_OUT_OF_RANGE = 416
_BUSY = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Source:
    """Where a file comes from. `size` in bytes, where it is known. `pinned`: a hash will tell whether it is the right
    one, so that two halves of different files cannot pass for it."""

    url: str
    size: int | None
    pinned: bool


@contextmanager
def downloaded(source: Source, part: Path, tell: Progress) -> Iterator[None]:
    """Have the whole file in `part`, which is the caller's alone, to check it and rename it, until the block ends.

    Raises FetchFailed for what another try may mend, after which `part` holds what arrived; WeightsError when the
    server has not that file, and for a second download of the same file at the same time.
    """
    with _disk_translated(part), _alone(part) as file:
        _Transfer(source, part, file, tell).finish()
        try:
            yield
        except FetchFailed:
            raise
        except BaseException:
            _forget(part)
            raise
        _forget(part)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _tag_file(part: Path) -> Path:
    """Remembers which version of the file the part is of."""
    return part.with_name(part.name + ".tag")


@contextmanager
def _alone(part: Path) -> Iterator[IO[bytes]]:
    """The part file, open at its end, which nobody else writes to."""
    while True:
        with part.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise WeightsError(f"{part}: another process is fetching this file; let it finish") from error
            if _is_at(file, part):
                yield file
                return
        # Whoever held the lock has finished the file and given it its name meanwhile: what was opened is no part.


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _disk_translated(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise FetchFailed(f"{part}: the disk is full; make room and fetch it again to go on from there") from error
        raise WeightsError(f"{part}: cannot be written: {error.strerror}") from error


class _Cut(Exception):
    """The connection ended before the file did."""


class _Transfer:
    """One file on its way. `here`: the bytes that have arrived."""

    def __init__(self, source: Source, part: Path, file: IO[bytes], tell: Progress) -> None:
        self._source, self._part, self._file, self._tell = source, part, file, tell
        self.here = os.fstat(file.fileno()).st_size
        if (not _remembered(part) and not source.pinned) or self.here > (source.size or self.here):
            self._start_over()

    def _start_over(self) -> None:
        self._file.truncate(0)
        self.here = 0

    def finish(self) -> None:
        """Connect as often as it takes, as long as something comes. Raises FetchFailed, WeightsError."""
        whole = self.here == self._source.size
        while not whole:
            before = self.here
            try:
                self._connect()
                whole = True
            except _Cut as cut:
                if self.here <= before:
                    raise FetchFailed(
                        f"{self._source.url}: {cut} after {self.here / 1e6:.1f} MB; fetch it again to go on from there"
                    ) from cut

    def _connect(self) -> None:
        """One connection's worth. Raises _Cut when it ends too soon."""
        tag = _remembered(self._part) if self.here else None
        with _opened(self._source.url, self.here, tag) as response:
            is_page = response.headers.get_content_type() == "text/html"
            if is_page and response.status != _OUT_OF_RANGE:  # what had arrived must not go for it
                raise FetchFailed(
                    f"{self._source.url}: a web page came instead of the file: a network's login page, or the file has"
                    " moved; fetch it again once the address opens in a browser"
                )
            if response.status == _OUT_OF_RANGE and tag and _size_told(response) == self.here:
                return  # all of this version had arrived, and nobody was left to say so
            if response.status == _OUT_OF_RANGE or not self._fits(response, tag):
                self._start_over()
                raise FetchFailed(f"{self._source.url}: the server has another file than before; fetch it again")
            if response.status != http.client.PARTIAL_CONTENT:
                self._start_over()
            if self.here == 0:
                _remember(self._part, response.headers.get("ETag"))
            self._receive(response, self._expected(response))

    def _fits(self, response: Any, tag: str | None) -> bool:
        """Whether what the server sends is what was asked for: the rest, or the whole."""
        if response.status != http.client.PARTIAL_CONTENT:
            return True
        same_version = tag is None or response.headers.get("ETag") in (None, tag)
        return same_version and self.here > 0 and _first_byte(response) == self.here

    def _expected(self, response: Any) -> int | None:
        """The size of the whole, as far as anybody knows it, once it is the right one and has room."""
        length = response.headers.get("Content-Length", "")
        total = self.here + int(length) if length.isdigit() else self._source.size
        self._refuse_size(total)
        coming, free = (total or 0) - self.here, shutil.disk_usage(self._part.parent).free - _FREE_BYTES
        if coming > free:
            raise FetchFailed(
                f"{self._part.parent}: {coming / 1e6:.0f} MB are to come and {max(0, free) / 1e6:.0f} MB are free;"
                " make room and fetch it again"
            )
        return total

    def _refuse_size(self, total: int | None) -> None:
        if self._source.size not in (None, total):
            _forget(self._part)
            raise WeightsError(
                f"{self._source.url}: the server has {total} bytes, expected {self._source.size}: not the file that is"
                " known"
            )

    def _receive(self, response: Any, total: int | None) -> None:
        self._tell(self.here, total)
        while (total is None or self.here < total) and (chunk := _next(response)):
            self._file.write(chunk)
            self._file.flush()  # what was told is here
            self.here += len(chunk)
            self._tell(self.here, total)
            if total is None:
                self._refuse_endless()
        if total is not None and self.here < total:
            raise _Cut("the connection ended")
        self._refuse_size(self.here)

    def _refuse_endless(self) -> None:
        if self.here > _MOST_BYTES:
            _forget(self._part)
            raise WeightsError(f"{self._source.url}: more than {_MOST_BYTES / 1e9:.0f} GB came, and no end: no network")
        if shutil.disk_usage(self._part.parent).free < _FREE_BYTES:
            raise FetchFailed(f"{self._part.parent}: the disk is nearly full; make room and fetch it again")


def _remembered(part: Path) -> str | None:
    try:
        return _tag_file(part).read_text(encoding="utf-8") or None
    except FileNotFoundError:
        return None


def _remember(part: Path, tag: str | None) -> None:
    """The version's tag, if it is one that stands for these very bytes."""
    strong = tag if tag and not tag.startswith("W/") else ""
    _tag_file(part).write_text(strong, encoding="utf-8")


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from an encrypted connection to an open one."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise WeightsError(f"{req.full_url}: the server wants to send the file unencrypted, from {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _opened(url: str, here: int, tag: str | None) -> Iterator[Any]:
    """The response, also when the server says that there is nothing beyond what is here."""
    headers = {"User-Agent": f"lowkeyd/{__version__}", "Accept-Encoding": "identity"}
    if here:
        headers["Range"] = f"bytes={here}-"
    if tag:
        headers["If-Range"] = tag
    opener = urllib.request.build_opener(_NoDowngrade)
    try:
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=SILENCE_S)
    except urllib.error.HTTPError as error:
        if error.code != _OUT_OF_RANGE:
            error.close()
            raise _refusal(url, error) from error
        response = error
    except (OSError, http.client.HTTPException, ValueError) as error:  # the last for a redirect to no address at all
        raise _unreachable(url, error) from error
    with response:
        yield response


def _refusal(url: str, error: urllib.error.HTTPError) -> FetchFailed | WeightsError:
    said = f"{url}: the server says {error.code} {error.reason}"
    if error.code in _BUSY:
        return FetchFailed(f"{said}; try again later")
    return WeightsError(f"{said}; find the file elsewhere and bring it: lowkeyd models add")


def _unreachable(url: str, error: Exception) -> FetchFailed:
    why = getattr(error, "reason", None) or error
    said = getattr(why, "strerror", None) or str(why) or type(why).__name__
    return FetchFailed(
        f"{urlsplit(url).hostname} cannot be reached ({said}): try again online, or fetch {url} elsewhere and bring it:"
        " lowkeyd models add"
    )


def _first_byte(response: Any) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _size_told(response: Any) -> int | None:
    match = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _next(response: Any) -> bytes:
    try:
        chunk: bytes = response.read1(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(f"the connection broke ({type(error).__name__})") from error
    return chunk
