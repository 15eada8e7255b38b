import json
import re
from collections.abc import Iterator

import pytest

from lowkeyd.model import Photo, Signature, Stage
from lowkeyd.store import location
from lowkeyd.store.queue import Queue
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import Home
from tests.store.test_snapshot import NOW, finish


@pytest.fixture
def photos(home: Home) -> Iterator[Queue]:
    """One delivered, one without a face, one failed."""
    with Queue(location.database(home.state)) as queue:
        queue.offer([Photo("inbox", b"%d.jpg" % number, Signature(1, 1)) for number in range(3)], 1.0)
        finish(queue)
        faceless, failed = queue.claim(2, NOW)
        queue.no_face(faceless, NOW)
        queue.fail(failed, Stage.DECODE, "is no picture", "", NOW)
        yield queue


def test_what_happened_last_stands_last_with_its_time(lowkeyd: Lowkeyd, home: Home, photos: Queue) -> None:
    result = lowkeyd("history", "--config", home.config)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", line) for line in lines)
    assert [line[21:].rstrip() for line in lines] == [
        "weak       inbox/0.jpg",
        "no face    inbox/1.jpg",
        "failed     inbox/2.jpg  at decode: is no picture",
    ]
    assert "inbox/2.jpg" in lowkeyd("history", "--rows", 1, "--config", home.config).out.splitlines()[0]


def test_as_json(lowkeyd: Lowkeyd, home: Home, photos: Queue) -> None:
    answer = json.loads(lowkeyd("history", "--json", "--rows", 1, "--config", home.config).out)
    (event,) = answer["history"]
    assert answer["version"] == 1
    assert set(event) == {"id", "at", "watch", "path", "state", "stage", "reason", "strength", "seconds"}
    assert (event["path"], event["state"], event["reason"]) == ("2.jpg", "failed", "is no picture")


def test_before_anything_happened_it_says_so(lowkeyd: Lowkeyd, home: Home) -> None:
    with Queue(location.database(home.state)):
        pass
    assert lowkeyd("history", "--config", home.config).out == "Nothing has happened yet.\n"
