import json
import os
from importlib.resources import files
from pathlib import Path

import pytest

from lowkeyd.config import Config, load
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import Home

EXAMPLE = files("lowkeyd").joinpath("config.example.toml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example names folders in the user's home; this is one to write to, its path short enough for a socket."""
    folder = tmp_path_factory.mktemp("u")
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_init_writes_the_example_and_makes_its_folders_and_then_the_daemon_could_start(
    lowkeyd: Lowkeyd, tmp_path: Path, user: Path
) -> None:
    path = tmp_path / "new" / "config.toml"
    result = lowkeyd("config", "init", "--config", path)
    assert result.code == 0
    assert path.read_text(encoding="utf-8") == EXAMPLE
    assert str(user / "lowkeyd/inbox") in result.out.replace("\n", "")
    assert lowkeyd("config", "check", "--config", path).code == 0


def test_init_overwrites_nothing_unless_told_to(lowkeyd: Lowkeyd, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("mine")
    result = lowkeyd("config", "init", "--config", path)
    assert (result.code, path.read_text()) == (78, "mine")
    assert "--force" in result.err
    assert lowkeyd("config", "init", "--config", path, "--force").code == 0
    assert path.read_text(encoding="utf-8") == EXAMPLE


def test_init_without_a_place_to_write_to_is_one_sentence(lowkeyd: Lowkeyd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = lowkeyd("config", "init", "--config", tmp_path / "file" / "config.toml")
    assert result.code == 78
    assert result.err.startswith(f"lowkeyd: {tmp_path / 'file'}")
    assert "cannot be written" in result.err


def test_the_configuration_is_found_by_option_then_environment_then_platform(
    lowkeyd: Lowkeyd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "platform"))
    assert "platform/lowkeyd/config.toml" in lowkeyd("config", "check").err
    monkeypatch.setenv("LOWKEYD_CONFIG", str(tmp_path / "environment.toml"))
    assert "environment.toml" in lowkeyd("config", "check").err
    assert "option.toml" in lowkeyd("config", "check", "--config", tmp_path / "option.toml").err


def test_check_says_ok(lowkeyd: Lowkeyd, home: Home) -> None:
    result = lowkeyd("config", "check", "--config", home.config)
    assert (result.code, result.out) == (0, f"{home.config}: ok\n")


def test_a_path_that_is_no_text_is_told_all_the_same(lowkeyd: Lowkeyd, home: Home, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\nline.toml")
    assert rf"Wrote {tmp_path}/caf\udce9\nline.toml." in lowkeyd("config", "init", "--config", path).out.splitlines()
    path.write_text(home.config.read_text())
    result = lowkeyd("config", "check", "--config", path)
    assert (result.code, result.out) == (0, rf"{tmp_path}/caf\udce9\nline.toml: ok" + "\n")


def test_check_names_every_fault(lowkeyd: Lowkeyd, home: Home) -> None:
    home.configure(settle={"quite_s": 1}, worker={"photos": 0})
    result = lowkeyd("config", "check", "--config", home.config)
    assert result.code == 78
    assert "[settle] quite_s: unknown key" in result.err
    assert "[worker] photos" in result.err


def test_check_looks_at_the_folders(lowkeyd: Lowkeyd, home: Home) -> None:
    home.inbox.rmdir()
    home.outbox.rmdir()
    result = lowkeyd("config", "check", "--config", home.config)
    assert result.code == 78
    assert f"no such folder: {home.inbox}" in result.err
    assert f"no such folder: {home.outbox}" in result.err


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        ({"judges": ["nosuch"]}, "there is no face network 'nosuch'"),
        ({"ensemble": ["dlib", "facenet-vggface2"]}, "lowkeyd models fetch facenet-vggface2"),
    ],
)
def test_networks_that_are_not_there_are_told_by_check_and_at_the_start_not_at_the_first_photo(
    lowkeyd: Lowkeyd, home: Home, attack: dict[str, object], told: str
) -> None:
    home.configure(attack=attack | {"models": str(home.folder / "models")})
    checked = lowkeyd("config", "check", "--config", home.config)
    assert (checked.code, told in checked.err) == (78, True), checked.err
    started = home.call("run", "--once")
    assert (started.returncode, told in started.stderr) == (78, True), started.stderr
    assert not list(home.state.iterdir())


def test_show_prints_what_is_in_force_and_show_can_be_read_back(lowkeyd: Lowkeyd, home: Home) -> None:
    shown = json.loads(lowkeyd("config", "show", "--config", home.config).out)
    assert shown["outbox"]["path"] == str(home.outbox)
    assert shown["outbox"]["no_face"] == "skip"
    assert Config.model_validate_json(json.dumps(shown)) == load(home.config)


def test_nothing_is_touched_by_looking(lowkeyd: Lowkeyd, home: Home) -> None:
    before = sorted(os.listdir(home.folder))
    for verb in ("check", "show"):
        lowkeyd("config", verb, "--config", home.config)
    assert sorted(os.listdir(home.folder)) == before
    assert os.listdir(home.state) == []
