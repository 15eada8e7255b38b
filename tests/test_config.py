"""The configuration: what is refused, by what name, and that the example file tells the truth."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lowkeyd import config
from lowkeyd.config import Config, Watch, check_folders, load, locate, parse
from lowkeyd.errors import ConfigError
from lowkeyd.machine import mounts
from tests.helpers.home import Home

EXAMPLE = Path(__file__).parents[1] / "config.example.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def fault(text: str) -> str:
    """What the user is told about this file."""
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(text), "the file")
    message = str(caught.value)
    assert message.startswith("the file: ")
    return message.removeprefix("the file: ")


def keys_of(section: type[BaseModel]) -> set[str]:
    return set(section.model_fields)


def test_the_example_is_the_defaults() -> None:
    assert load(EXAMPLE) == Config()


def test_the_example_mentions_every_key_of_every_section() -> None:
    example = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert set(example) == keys_of(Config)
    for name, section in example.items():
        model = Watch if name == "watch" else type(getattr(Config(), name))
        assert set(section[0] if name == "watch" else section) == keys_of(model), name


def test_every_key_of_the_example_says_what_it_is_for() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "=" in line and not line.startswith("#") and "#" not in line] == []


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")) == Config()


def test_home_folders_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert parse({"outbox": {"path": "~/out"}}, "x").outbox.path == Path("/home/ada/out")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[settle]\nquiet = 3", "[settle] quiet: unknown key"),
        ("[setle]\nquiet_s = 3", "[setle]: unknown key"),
        ("[settle]\nquiet_s = '3'", "[settle] quiet_s: Input should be a valid number"),
        ("[settle]\nquiet_s = 0", "[settle] quiet_s: Input should be greater than 0"),
        ("[settle]\nquiet_s = nan", "[settle] quiet_s: "),
        ("[scan]\nevery_s = true", "[scan] every_s: "),
        ("[scan]\nevery_s = inf", "[scan] every_s: "),
        ("[scan]\nevery_s = 1e300", "[scan] every_s: Input should be less than or equal to"),
        ("[worker]\nmax_decode_s = inf", "[worker] max_decode_s: "),
        ("[worker]\nmax_megabytes = inf", "[worker] max_megabytes: "),
        ("[outbox]\nmin_free_mb = inf", "[outbox] min_free_mb: "),
        ("[attack]\nmodels = '~nobodyhere/m'", "[attack] models: there is no such user here: '~nobodyhere/m'"),
        ('[outbox]\npath = "/a\\u0000b"', "[outbox] path: a path has no zeros in it"),
        ("[attack]\nensemble = ['dlib', 'dlib']", "dlib is named more than once"),
        ("[schedule]\nactive = '10pm-7am'", "[schedule] active: must be two times of day such as '22:00-07:00'"),
        ("[schedule]\nactive = '24:00-07:00'", "[schedule] active: must be two times of day"),
        ("[schedule]\nactive = '07:00-07:00'", "[schedule] active: must begin and end at different times"),
        ("[schedule]\ntimezone = 'Europe/Berlim'", "[schedule] timezone: no time zone of that name is known here"),
        ("[schedule]\ntimezone = '../etc/passwd'", "[schedule] timezone: must be a time zone's name"),
        ("[worker]\nphotos = 2.5", "[worker] photos: "),
        ("[worker]\nthreads = 100000", "[worker] threads: Input should be less than or equal to 1024"),
        ("[worker]\nphotos = 65", "[worker] photos: Input should be less than or equal to 64"),
        ("[outbox]\npath = 'copies'", "[outbox] path: must be an absolute path, got 'copies'"),
        ("[outbox]\nno_face = 'maybe'", "[outbox] no_face: Input should be 'skip' or 'copy'"),
        ("[outbox]\nformat = 'tiff'", "[outbox] format: Input should be 'same', 'jpeg', 'png' or 'webp'"),
        ("[metadata]\ngps = 'maybe'", "[metadata] gps: Input should be 'keep' or 'strip'"),
        ("[metadata]\nmarker = 'yes'", "[metadata] marker: "),
        ("[attack]\npreset = 'extreme'", "[attack] preset: "),
        ("[attack]\nensemble = []", "[attack] ensemble: "),
        ("[attack]\ndevice = 'tpu'", "device: expected auto, cpu, cuda or cuda:0 and so on, got 'tpu'"),
        ("[attack]\ndevice = 'cuda:x'", "got 'cuda:x'"),
        ("[attack]\ndevice = []", "device: at least one is needed"),
        ("[attack]\ndevice = ['cpu', 'cpu']", "device: each device can be named once"),
        ("[attack]\nensemble = ['dlib', 'a']\njudges = ['a']", "judges: a is attacked"),
        ("watch = []", "[watch]: "),
        ("[watch]\nname = 'a'\npath = '/a'", "[watch]: Input should be a valid"),
        ("[[watch]]\nname = 'a'", "[watch] 0.path: Field required"),
        ("[[watch]]\nname = '../a'\npath = '/a'", "[watch] 0.name: must be usable as a folder's name"),
        ("[[watch]]\nname = '.a'\npath = '/a'", "must be usable as a folder's name"),
        ("[[watch]]\nname = 'a'\npath = '/a'\n[[watch]]\nname = 'a'\npath = '/b'", "needs a name of its own"),
    ],
)
def test_each_fault_is_named(text: str, told: str) -> None:
    assert told in fault(text)


def test_all_faults_are_named_at_once() -> None:
    told = fault("[settle]\nquiet_s = -1\n[scan]\nevery = 5\n[worker]\nphotos = 0")
    assert told.count(";") >= 2
    assert all(section in told for section in ("[settle] quiet_s", "[scan] every", "[worker] photos"))


@pytest.mark.parametrize(
    "text", ["[[watch]]\nname = '[/x]'\npath = '/a'", "[attack]\nensemble = [1]", "[[watch]]\nname = 'a'\npath = 'b'"]
)
def test_a_bad_entry_is_one_fault_and_not_also_a_list_that_is_too_short(text: str) -> None:
    told = fault(text)
    assert ";" not in told
    assert "at least 1" not in told


@pytest.mark.parametrize(("device", "devices"), [("auto", ("auto",)), (["cuda:0", "cuda:1"], ("cuda:0", "cuda:1"))])
def test_there_is_a_worker_for_each_device(device: Any, devices: tuple[str, ...]) -> None:
    assert parse({"attack": {"device": device}}, "x").attack.devices == devices


def test_sections_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().settle.quiet_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("content", [b"[settle", b"quiet_s = \xff", b"a = 1\na = 2", b"a = " + b"1" * 5000])
def test_what_is_no_toml_is_refused_with_the_files_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml: cannot be read as TOML"):
        load(path)


def test_a_missing_file_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; `lowkeyd config init`"):
        load(tmp_path / "config.toml")


def test_option_goes_before_environment_before_platform_before_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service, users = tmp_path / "service.toml", tmp_path / "lowkeyd" / "config.toml"
    monkeypatch.setattr(config, "SERVICE", service)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert locate(None) == users
    service.touch()
    assert locate(None) == service
    users.parent.mkdir()
    users.touch()
    assert locate(None) == users
    users.unlink()
    monkeypatch.setenv("LOWKEYD_CONFIG", "/etc/named.toml")
    assert locate(None) == Path("/etc/named.toml")
    assert locate(Path("/etc/option.toml")) == Path("/etc/option.toml")


# ---- what the configuration says about the disk


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
    config = written(disk, f"{text}[state]\npath = '{disk}/state'\n")
    (disk / "inbox").chmod(mode)
    # In a user namespace without a mapping even root is nobody special.
    command = ["unshare", "--user", sys.executable, "-m", "lowkeyd", "config", "check", "--config", str(config)]
    if not shutil.which("unshare") or subprocess.run(["unshare", "--user", "true"], check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    result = subprocess.run(command, cwd=EXAMPLE.parent, capture_output=True, text=True, check=False)
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
