"""The configuration: what is refused, by what name, and that the example file tells the truth."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lowkeyd import config
from lowkeyd.config import Config, Watch, load, locate, parse
from lowkeyd.errors import ConfigError

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
