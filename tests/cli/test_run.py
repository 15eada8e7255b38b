"""What `run` adds to the daemon: its log. What the daemon does is in `tests/test_daemon.py`.

Always in a process of its own: it settles where the whole process writes its log to.
"""

import os
import re
import subprocess

from tests.helpers.home import PATIENCE_S, REPOSITORY, Home, environment


def test_the_log_is_lines_of_keys_and_values_with_the_time_first(home: Home) -> None:
    home.drop("a.jpg", b"portrait")
    lines = home.call("run", "--once").stderr.splitlines()
    assert any("event=done watch=inbox photo=a.jpg" in line for line in lines)
    assert [line for line in lines if not re.match(r'timestamp="[-0-9]{10} [:0-9]{8}" level=\w+ event=', line)] == []


def test_a_journal_sets_the_time_itself_and_is_told_how_bad_each_line_is(home: Home) -> None:
    home.drop("a.jpg", b"unreadable")
    with home.daemon(JOURNAL_STREAM="8:1234") as daemon:
        home.await_counts(failed=1)
        daemon.end()
        lines = daemon.log().splitlines()
    assert [line for line in lines if not re.match(r"(<6>level=info|<4>level=warning) event=", line)] == []
    assert any(line.startswith("<6>level=info event=ready ") for line in lines)
    assert any(line.startswith("<4>level=warning event=failed ") for line in lines)


def test_on_a_terminal_it_is_for_people(home: Home) -> None:
    ours, theirs = os.openpty()
    subprocess.run(
        home.command("run", "--once"),
        cwd=REPOSITORY,
        env=environment() | {"TERM": "xterm"},
        stderr=theirs,
        timeout=PATIENCE_S,
        check=True,
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # how Linux tells that the other end is closed
        os.close(ours)
    assert b"ready" in seen
    assert b"event=" not in seen


def test_a_configuration_that_cannot_be_is_78_before_anything_is_made(home: Home) -> None:
    home.state.rmdir()
    home.configure(outbox={"path": str(home.inbox)})
    result = home.call("run")
    assert (result.returncode, "must not lie inside one another" in result.stderr) == (78, True)
    assert not home.state.exists()
