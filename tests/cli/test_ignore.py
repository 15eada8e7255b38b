import time

from lowkeyd.model import Photo, Signature, State
from lowkeyd.store import location
from lowkeyd.store.queue import Queue
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import Home, await_that


def counts(home: Home) -> dict[State, int]:
    with Queue(location.database(home.state)) as photos:
        return photos.counts()


def test_a_photo_is_left_alone_until_that_is_taken_back(lowkeyd: Lowkeyd, home: Home) -> None:
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"a.jpg", Signature(1, 1))], time.time())
    result = lowkeyd("ignore", home.inbox / "a.jpg", "--config", home.config)
    assert (result.code, result.out) == (
        0,
        "1 photo will be left alone; `lowkeyd ignore --undo` takes that back.\n",
    )
    assert counts(home) == {State.IGNORED: 1}
    result = lowkeyd("ignore", "--undo", home.inbox / "a.jpg", "--config", home.config)
    assert (result.code, result.out) == (0, "1 photo will be protected after all.\n")
    assert counts(home) == {State.READY: 1}
    result = lowkeyd("ignore", "--undo", home.inbox / "a.jpg", "--config", home.config)
    assert (result.code, result.err.splitlines()[-1]) == (1, "That is not all: the others were not left alone.")


def test_a_path_outside_of_the_watched_folders_is_wrong_usage(lowkeyd: Lowkeyd, home: Home) -> None:
    assert lowkeyd("ignore", home.folder / "a.jpg", "--config", home.config).code == 2


def test_a_folder_is_refused_with_the_way_to_leave_it_out(lowkeyd: Lowkeyd, home: Home) -> None:
    (home.inbox / "passports").mkdir()
    result = lowkeyd("ignore", home.inbox / "passports", "--config", home.config)
    assert result.code == 2
    assert 'ignore = ["passports"]' in " ".join(result.err.replace("│", "").split())
    assert counts(home) == {}


def test_a_name_that_nothing_has_is_taken_with_a_word(lowkeyd: Lowkeyd, home: Home) -> None:
    with Queue(location.database(home.state)):
        pass
    result = lowkeyd("ignore", home.inbox / "pasport.jpg", "--config", home.config)
    assert (result.code, result.err) == (0, f"{home.inbox}/pasport.jpg: nothing is there now.\n")
    assert counts(home) == {State.IGNORED: 1}


def test_the_running_daemon_is_told_and_holds_to_it_when_the_photo_comes(lowkeyd: Lowkeyd, home: Home) -> None:
    with home.daemon():
        assert lowkeyd("ignore", home.inbox / "a.jpg", "--config", home.config).code == 0
        home.drop("a.jpg", b"portrait")
        home.drop("b.jpg", b"another")
        home.await_counts(ignored=1, done=1)
        await_that(lambda: home.photo("a.jpg")["size"] > 0, "the scan came by")
        assert set(home.delivered()) == {"b.jpg"}
        assert lowkeyd("ignore", "--undo", home.inbox / "a.jpg", "--config", home.config).code == 0
        home.await_counts(done=2)
