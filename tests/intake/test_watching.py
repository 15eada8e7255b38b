from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lowkeyd import config
from lowkeyd.intake.watching import Watching
from lowkeyd.machine import mounts


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Watching]:
    """Of one root, in the wanted mode on the wanted file system."""
    mode, kind = request.param
    monkeypatch.setattr(mounts, "kind", lambda _: kind)
    watching = Watching((config.Watch(name="inbox", path=tmp_path, mode=mode),), lambda _: None)
    watching.start()
    yield watching
    watching.stop()


SHARES = ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse", "overlay", "9p", "virtiofs", ""]
DISKS = ["ext4", "btrfs", "xfs", "zfs", "tmpfs", "exfat"]


@pytest.mark.parametrize("watching", [("auto", kind) for kind in SHARES], indirect=True)
def test_where_others_write_too_events_are_not_relied_upon(watching: Watching) -> None:
    assert watching.is_blind("inbox")
    assert watching.report()["inbox"]["mode"] == "scan"
    assert "does not tell of every write" in watching.report()["inbox"]["reason"]


@pytest.mark.parametrize("watching", [("auto", kind) for kind in DISKS] + [("events", "nfs4")], indirect=True)
def test_local_disks_are_watched_by_events_and_others_on_request(watching: Watching) -> None:
    assert not watching.is_blind("inbox")
    assert (watching.report()["inbox"]["mode"], watching.report()["inbox"]["reason"]) == ("events", None)


@pytest.mark.parametrize("watching", [("scan", "ext4")], indirect=True)
def test_events_can_be_declined(watching: Watching) -> None:
    assert watching.report()["inbox"]["mode"] == "scan"


@pytest.mark.parametrize("watching", [("events", "ext4")], indirect=True)
def test_folders_that_the_kernel_does_not_watch_make_it_blind(watching: Watching, tmp_path: Path) -> None:
    status = tmp_path.stat()
    watching.walked("inbox", {(status.st_dev, status.st_ino)}, 0, 1.0)
    assert not watching.is_blind("inbox")
    watching.walked("inbox", {(status.st_dev, status.st_ino), (status.st_dev, 1)}, 0, 1.0)
    assert watching.is_blind("inbox")
    assert (watching.report()["inbox"]["watched"], watching.report()["inbox"]["folders"]) == (1, 2)


@pytest.mark.parametrize("watching", [("events", "ext4")], indirect=True)
def test_folders_behind_links_are_scanned_and_no_reason_to_raise_a_limit(watching: Watching, tmp_path: Path) -> None:
    status = tmp_path.stat()
    with capture_logs() as told:
        watching.walked("inbox", {(status.st_dev, status.st_ino), (status.st_dev, 1)}, 1, 1.0)
    assert (watching.is_blind("inbox"), told) == (True, [])
