import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lowkeyd.errors import AlreadyRunning, StoreError
from lowkeyd.store import location, lock

HOLDER = """
import sys, pathlib
from lowkeyd.store import lock
with lock.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_holder_at_a_time_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    assert not lock.is_held(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert lock.is_held(tmp_path)
        with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"), lock.hold(tmp_path):
            pass
        holder.kill()
    with lock.hold(tmp_path):
        assert lock.is_held(tmp_path)


def test_who_only_asks_is_not_taken_for_a_daemon_and_turns_none_away(tmp_path: Path) -> None:
    with lock.hold(tmp_path):
        pass
    asking = os.open(location.lock_file(tmp_path), os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)  # as `is_held` does, for a moment
    assert not lock.is_held(tmp_path)
    threading.Timer(0.3, os.close, [asking]).start()
    with lock.hold(tmp_path):
        assert lock.is_held(tmp_path)


def test_a_state_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be written"), lock.hold(tmp_path / "file" / "state"):
        pass
    assert os.listdir(tmp_path) == ["file"]


def test_a_state_folder_of_another_user_is_refused_even_to_root(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    try:
        os.chown(state, 54_321, -1)
    except PermissionError:
        pytest.skip("only root can give a folder away")
    with pytest.raises(StoreError, match="belongs to user number 54321: run lowkeyd as that user"), lock.hold(state):
        pass
    assert os.listdir(state) == [], "a file of root's would shut its owner out"
