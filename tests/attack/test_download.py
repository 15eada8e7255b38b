"""Downloads over real sockets, from servers that do all that servers do."""

import fcntl
import os
import shutil
import socket
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from lowkeyd.attack import download
from lowkeyd.attack.download import Source, downloaded
from lowkeyd.errors import FetchFailed, WeightsError
from tests.helpers.web import Answer, web

CONTENT = os.urandom(20_000)
SIZE = len(CONTENT)
WHOLE = Answer(CONTENT)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / ".weights.part"


def fetched(part: Path, url: str, size: int | None = SIZE, *, pinned: bool = True) -> bytes:
    with downloaded(Source(url, size, pinned), part, lambda _here, _total: None):
        content = part.read_bytes()
    assert list(part.parent.iterdir()) == [], "what nobody took is thrown away, with what was remembered of it"
    return content


def test_a_file_arrives_whole_and_its_bytes_are_told(part: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with web(WHOLE) as server, downloaded(Source(server.url, None, True), part, lambda *news: told.append(news)):
        assert part.read_bytes() == CONTENT
    assert (told[0], told[-1]) == ((0, SIZE), (SIZE, SIZE))
    assert told == sorted(told)
    assert server.wishes == [None]


def test_the_caller_gives_the_file_its_name(part: Path) -> None:
    with web(WHOLE) as server, downloaded(Source(server.url, SIZE, True), part, lambda *_: None):
        part.rename(part.with_name("weights"))
    assert [path.name for path in part.parent.iterdir()] == ["weights"]


def test_a_cut_connection_is_taken_up_where_it_was_cut(part: Path) -> None:
    with web(Answer(CONTENT, cut=7_000), Answer(CONTENT, cut=6_000), WHOLE) as server:
        assert fetched(part, server.url) == CONTENT
    assert server.wishes == [None, "bytes=7000-", "bytes=13000-"]


@pytest.mark.parametrize("pinned", [True, False])
def test_another_try_goes_on_where_the_last_one_stopped(part: Path, pinned: bool) -> None:
    with web(Answer(CONTENT, cut=7_000), Answer(CONTENT, cut=0)) as server:
        with pytest.raises(FetchFailed, match=r"the connection ended after 0\.0 MB; fetch it again to go on"):
            fetched(part, server.url, pinned=pinned)
        assert part.read_bytes() == CONTENT[:7_000]
        server.answers, server.wishes = [WHOLE], []
        assert fetched(part, server.url, pinned=pinned) == CONTENT
        assert server.wishes == ["bytes=7000-"]


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(part: Path) -> None:
    new = os.urandom(SIZE)
    with web(Answer(CONTENT, cut=7_000), Answer(CONTENT, cut=0)) as server:
        with pytest.raises(FetchFailed):
            fetched(part, server.url)
        server.answers = [Answer(new, etag='"2"')]
        assert fetched(part, server.url) == new


def test_halves_of_what_may_be_two_files_are_not_put_together(part: Path) -> None:
    """Neither a hash nor a tag of the version would tell."""
    with web(Answer(CONTENT, cut=7_000, etag=""), Answer(CONTENT, cut=0, etag="")) as server:
        with pytest.raises(FetchFailed):
            fetched(part, server.url, pinned=False)
        server.answers, server.wishes = [WHOLE], []
        assert fetched(part, server.url, pinned=False) == CONTENT
        assert server.wishes == [None]


def test_a_server_that_sends_no_parts_sends_the_whole_again(part: Path) -> None:
    with web(Answer(CONTENT, cut=7_000), Answer(CONTENT, ranges=False)) as server:
        assert fetched(part, server.url) == CONTENT
    assert server.wishes == [None, "bytes=7000-"]


@pytest.mark.parametrize("bad", [Answer(CONTENT, shift=5), Answer(CONTENT[:6_000])], ids=["wrong part", "shrunk"])
def test_a_part_that_does_not_fit_is_not_put_to_the_rest(part: Path, bad: Answer) -> None:
    with web(Answer(CONTENT, cut=7_000), bad) as server:
        with pytest.raises(FetchFailed, match="the server has another file than before; fetch it again"):
            fetched(part, server.url)
        server.answers = [WHOLE]
        assert fetched(part, server.url) == CONTENT


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(404, WeightsError, 78), (403, WeightsError, 78), (429, FetchFailed, 75), (503, FetchFailed, 75)],
)
def test_a_refusal_is_told_with_whether_another_try_helps(
    part: Path, status: int, kind: type[WeightsError | FetchFailed], code: int
) -> None:
    with web(Answer(b"no", status=status)) as server, pytest.raises(kind, match=f"the server says {status}") as refused:
        fetched(part, server.url)
    assert refused.value.exit_code == code
    assert len(str(refused.value).splitlines()) == 1


def test_what_arrived_outlives_a_refusal(part: Path) -> None:
    with web(Answer(CONTENT, cut=7_000), Answer(status=503)) as server:
        with pytest.raises(FetchFailed):
            fetched(part, server.url)
        server.answers = [WHOLE]
        assert fetched(part, server.url) == CONTENT
    assert server.wishes[-1] == "bytes=7000-"


def test_a_slow_server_is_waited_for(part: Path) -> None:
    with web(Answer(CONTENT, drip_s=0.02)) as server:
        assert fetched(part, server.url) == CONTENT
    assert server.wishes == [None]


def test_a_server_that_falls_silent_is_asked_anew(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SILENCE_S", 2.0)
    with web(Answer(CONTENT, cut=7_000, stall=True), WHOLE) as server:
        assert fetched(part, server.url) == CONTENT
    assert server.wishes == [None, "bytes=7000-"]


@pytest.mark.parametrize("answer", [Answer(CONTENT, cut=0, stall=True), Answer(dumb=True)], ids=["in it", "before it"])
def test_a_server_that_stays_silent_is_given_up_on(part: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    monkeypatch.setattr(download, "SILENCE_S", 0.3)
    with web(answer) as server, pytest.raises(FetchFailed, match=r"TimeoutError|timed out") as refused:
        fetched(part, server.url)
    assert len(str(refused.value).splitlines()) == 1


def test_no_server_at_all_is_told_in_one_sentence(part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/weights.pth"
    with pytest.raises(FetchFailed) as refused:
        fetched(part, url)
    assert str(refused.value) == (
        f"127.0.0.1 cannot be reached (Connection refused): try again online, or fetch {url} elsewhere and bring it:"
        " lowkeyd models add"
    )
    assert refused.value.exit_code == 75


@pytest.mark.parametrize(
    "answer", [Answer(CONTENT[:-1]), Answer(CONTENT + b"x"), Answer(CONTENT + b"x" * 999, length=False)]
)
def test_a_file_of_another_size_is_not_the_one(part: Path, answer: Answer) -> None:
    with web(answer) as server, pytest.raises(WeightsError, match=rf"the server has \d+ bytes, expected {SIZE}"):
        fetched(part, server.url)
    assert list(part.parent.iterdir()) == []


def test_an_end_that_nobody_announced_is_seen_by_the_size(part: Path) -> None:
    with web(Answer(CONTENT, length=False, cut=7_000), WHOLE) as server:
        assert fetched(part, server.url) == CONTENT
    assert server.wishes == [None, "bytes=7000-"]


def test_a_part_that_is_longer_than_the_whole_is_thrown_away(part: Path) -> None:
    part.write_bytes(CONTENT + b"more")
    with web(WHOLE) as server:
        assert fetched(part, server.url) == CONTENT
    assert server.wishes == [None]


def test_a_part_that_is_the_whole_asks_nobody(part: Path) -> None:
    part.write_bytes(CONTENT)
    with web(Answer(status=503)) as server:
        assert fetched(part, server.url) == CONTENT
    assert server.wishes == []


def test_a_part_that_turns_out_to_be_the_whole_is_kept(part: Path) -> None:
    """Somebody ended the process after the last byte of a file whose size is not known."""
    with web(Answer(CONTENT, cut=7_000), Answer(CONTENT, cut=0)) as server:
        with pytest.raises(FetchFailed):
            fetched(part, server.url, size=None, pinned=False)
        part.write_bytes(CONTENT)
        server.answers, server.wishes = [WHOLE], []
        assert fetched(part, server.url, size=None, pinned=False) == CONTENT
        assert server.wishes == [f"bytes={SIZE}-"]


def test_a_redirect_is_followed(part: Path) -> None:
    with web(WHOLE) as there, web(Answer(status=302, location=there.url)) as here:
        assert fetched(part, here.url) == CONTENT


def test_a_redirect_out_of_encryption_is_not() -> None:
    request = urllib.request.Request("https://example.org/w")
    with pytest.raises(WeightsError, match="wants to send the file unencrypted"):
        download._NoDowngrade().redirect_request(request, None, 302, "Found", {}, "http://example.org/w")


def test_a_second_download_of_one_file_at_a_time_is_refused(part: Path) -> None:
    with part.open("ab") as other, web(WHOLE) as server:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(WeightsError, match="another process is fetching this file"):
            fetched(part, server.url)


def test_a_full_disk_is_told_before_it_is_full(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50_010_000))
    with web(WHOLE) as server, pytest.raises(FetchFailed, match="0 MB are to come and 0 MB are free; make room"):
        fetched(part, server.url)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with web(WHOLE) as server, pytest.raises(WeightsError, match="cannot be written: No such file or directory"):
        fetched(tmp_path / "none" / "part", server.url)


def test_a_file_that_the_caller_refuses_is_thrown_away(part: Path) -> None:
    def refuse() -> None:
        with downloaded(Source(server.url, SIZE, True), part, lambda *_: None):
            raise WeightsError("not this one")

    with web(WHOLE) as server, pytest.raises(WeightsError, match="not this one"):
        refuse()
    assert list(part.parent.iterdir()) == []


def test_a_login_page_costs_nothing_that_has_arrived(part: Path) -> None:
    with web(Answer(CONTENT, cut=7_000), Answer(b"<html>Log in</html>", ranges=False, kind="text/html")) as server:
        with pytest.raises(FetchFailed, match="a web page came instead of the file"):
            fetched(part, server.url)
        server.answers, server.wishes = [WHOLE], []
        assert fetched(part, server.url) == CONTENT
        assert server.wishes == ["bytes=7000-"]


def test_a_file_without_end_is_refused_before_the_disk_is_full(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web(Answer(CONTENT, length=False)) as server:
        monkeypatch.setattr(download, "_MOST_BYTES", 10_000)
        with pytest.raises(WeightsError, match="and no end: no network"):
            fetched(part, server.url, None)
        monkeypatch.undo()
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
        with pytest.raises(FetchFailed, match="make room"):
            fetched(part, server.url, None)


def test_a_redirect_to_no_address_is_one_sentence(part: Path) -> None:
    with web(Answer(status=302, location="http://[nowhere/x")) as server, pytest.raises(FetchFailed):
        fetched(part, server.url)


def test_a_part_that_is_whole_is_whole_though_the_server_says_so_on_a_web_page(part: Path) -> None:
    part.write_bytes(CONTENT)
    part.with_name(part.name + ".tag").write_text('"1"')
    with web(Answer(CONTENT, page_out_of_range=True)) as server:
        assert fetched(part, server.url, None) == CONTENT
