"""What is refused of the folders that a configuration names."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lowkeyd.config import Config, load, parse
from lowkeyd.errors import ConfigError
from lowkeyd.intake.check import check_folders
from lowkeyd.machine import mounts
from tests.helpers.home import REPOSITORY, Home


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    for name in ("inbox", "outbox", "state"):
        (tmp_path / name).mkdir()
    return tmp_path


def on(disk: Path, inbox: str = "inbox", outbox: str = "outbox", state: str = "state", *more: str) -> Config:
    watches = [{"name": f"tree{number}", "path": str(disk / path)} for number, path in enumerate((inbox, *more))]
    return parse(
        {"watch": watches, "outbox": {"path": str(disk / outbox)}, "state": {"path": str(disk / state)}}, "the file"
    )


def test_trees_apart_are_fine(disk: Path) -> None:
    check_folders(on(disk))


def test_a_state_folder_may_yet_have_to_be_made(disk: Path) -> None:
    check_folders(on(disk, state="new"))


def test_names_that_begin_alike_do_not_lie_inside_one_another(disk: Path) -> None:
    (disk / "inbox-2").mkdir()
    check_folders(on(disk, outbox="inbox-2"))


@pytest.mark.parametrize("missing", ["inbox", "outbox"])
def test_a_missing_folder_is_named(disk: Path, missing: str) -> None:
    (disk / missing).rmdir()
    with pytest.raises(ConfigError, match=f"no such folder: {disk / missing}"):
        check_folders(on(disk))


def test_a_file_is_no_folder(disk: Path) -> None:
    (disk / "file").touch()
    with pytest.raises(ConfigError, match="no such folder"):
        check_folders(on(disk, inbox="file"))


@pytest.mark.parametrize(
    "arrangement",
    [
        {"outbox": "inbox"},
        {"outbox": "inbox/deep"},
        {"inbox": "outbox/deep"},
        {"outbox": "link"},
        {"outbox": "link/deep"},
        {"inbox": "inbox/../outbox/deep"},
        {"state": "inbox/deep"},
        {"state": "outbox/deep"},
    ],
)
def test_no_tree_may_feed_another(disk: Path, arrangement: dict[str, str]) -> None:
    (disk / "inbox" / "deep").mkdir()
    (disk / "outbox" / "deep").mkdir()
    (disk / "link").symlink_to(disk / "inbox")
    with pytest.raises(ConfigError, match="must not lie inside one another"):
        check_folders(on(disk, **arrangement))


def test_no_link_in_the_outbox_may_lead_copies_into_a_watched_tree(disk: Path) -> None:
    (disk / "outbox" / "tree0").symlink_to(disk / "inbox")
    with pytest.raises(ConfigError, match=r"\[outbox\] path, tree0 in it, leads to .*inbox"):
        check_folders(on(disk))


def test_a_link_from_one_album_of_the_outbox_to_another_is_fine(disk: Path) -> None:
    (disk / "outbox" / "old").mkdir()
    (disk / "outbox" / "tree0").symlink_to("old")
    check_folders(on(disk))


def test_two_watched_trees_may_not_overlap(disk: Path) -> None:
    (disk / "inbox" / "deep").mkdir()
    with pytest.raises(ConfigError, match=r"tree0.* and \[\[watch\]\] tree1 .*must not lie inside"):
        check_folders(on(disk, "inbox", "outbox", "state", "inbox/deep"))


def test_links_that_lead_in_a_circle_are_a_fault_like_any_other(disk: Path) -> None:
    (disk / "loop").symlink_to(disk / "loop")
    with pytest.raises(ConfigError, match=r"tree0: cannot be looked at: .*: .*/loop"):
        check_folders(on(disk, inbox="loop"))


@pytest.mark.parametrize(
    ("mode", "told"), [(0o000, "cannot be looked at: Permission denied: {}/deep"), (0o300, "may not be read: {}")]
)
def test_a_folder_that_may_not_be_read_is_one_sentence(disk: Path, mode: int, told: str) -> None:
    """Nothing would ever be found there: unsaid, it would look as if there were no photos."""
    (disk / "inbox" / "deep").mkdir()
    watched = disk / "inbox" / "deep" if mode == 0 else disk / "inbox"
    text = f"[[watch]]\nname = 'a'\npath = '{watched}'\n[outbox]\npath = '{disk}/outbox'\n"
    config = disk / "config.toml"
    config.write_text(f"{text}[state]\npath = '{disk}/state'\n", encoding="utf-8")
    (disk / "inbox").chmod(mode)
    # In a user namespace without a mapping even root is nobody special.
    command = ["unshare", "--user", sys.executable, "-m", "lowkeyd", "config", "check", "--config", str(config)]
    if not shutil.which("unshare") or subprocess.run(["unshare", "--user", "true"], check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    (disk / "inbox").chmod(0o700)
    assert result.returncode == 78
    (sentence,) = result.stderr.splitlines()
    assert told.format(disk / "inbox") in sentence


def test_a_state_folder_too_deep_for_a_socket_is_refused(disk: Path) -> None:
    with pytest.raises(ConfigError, match="too long for a control socket"):
        check_folders(on(disk, state="s" * 100))


def test_a_state_on_a_network_drive_is_refused_and_one_on_a_local_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(Home(tmp_path / "home").config)
    check_folders(settings)
    monkeypatch.setattr(mounts, "kind", lambda path: "cifs" if path == settings.state.path else "ext4")
    with pytest.raises(ConfigError, match=r"\[state\] path: on a network drive \(cifs\), where SQLite loses data"):
        check_folders(settings)
