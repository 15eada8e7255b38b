import json
import time

from lowkeyd.model import Stage
from lowkeyd.store import location
from lowkeyd.store.queue import Queue
from tests.cli.conftest import Lowkeyd
from tests.cli.test_explain import DLIB, JUDGE, deliver
from tests.helpers.home import Home


def test_weak_copies_are_listed_by_who_accepts_them(lowkeyd: Lowkeyd, home: Home) -> None:
    for name in (b"a.jpg", b"[red]b.jpg", b"c.jpg"):
        deliver(home, DLIB, JUDGE, name=name)
    deliver(home, DLIB, name=b"fine.jpg")
    result = lowkeyd("weak", "--rows", 2, "--config", home.config)
    assert (result.code, result.err) == (0, "")
    *listed, advice = result.out.splitlines()
    assert listed == [
        "3 photos still recognised by mobilefacenet",
        "    inbox/c.jpg",
        "    inbox/[red]b.jpg",
        "    and 1 more (--rows 3)",
    ]
    assert "`lowkeyd retry --weak`" in advice


def test_without_any_it_says_so(lowkeyd: Lowkeyd, home: Home) -> None:
    with Queue(location.database(home.state)):
        pass
    assert lowkeyd("weak", "--config", home.config).out == "No copy is weak.\n"


def test_as_json(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB, JUDGE)
    assert json.loads(lowkeyd("weak", "--json", "--config", home.config).out) == {
        "version": 1,
        "weak": [{"by": ["mobilefacenet"], "count": 1, "photos": ["inbox/me.jpg"]}],
    }


def test_a_weak_copy_is_named_also_when_no_better_one_could_be_made(lowkeyd: Lowkeyd, home: Home) -> None:
    """It lies in the outbox all the same."""
    deliver(home, DLIB, JUDGE)
    with Queue(location.database(home.state)) as photos:
        photos.redo([("inbox", b"me.jpg")], time.time())
        assert "inbox/me.jpg" in lowkeyd("weak", "--config", home.config).out
        (job,) = photos.claim(1, time.time())
        photos.fail(job, Stage.VERIFY, "its face is still recognised", "", time.time())
    assert "inbox/me.jpg" in lowkeyd("weak", "--config", home.config).out
    assert "1 copy is weak" in lowkeyd("status", "--config", home.config).out
