"""The verbs of `lowkeyd models`, over real sockets and with real checkpoints of made-up weights."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lowkeyd.attack.networks import catalogue
from lowkeyd.model import sha256
from tests.attack.networks.checkpoints import mobilefacenet
from tests.cli.conftest import Lowkeyd, Result
from tests.helpers.web import Answer, web

CONTENT = mobilefacenet()
Models = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def models(lowkeyd: Lowkeyd, tmp_path: Path, folder: Path) -> Models:
    def run(*arguments: object, judges: tuple[str, ...] = ()) -> Result:
        config = tmp_path / "config.toml"
        config.write_text(f"[attack]\nmodels = '{folder}'\njudges = {list(judges)}\n")
        return lowkeyd("models", *arguments, "--config", config)

    return run


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the catalogue say that these weights are at an address, their hash unknown."""
    families = catalogue.families()
    known = replace(catalogue.find("mobilefacenet", Path("/nowhere")), size=None, sha256=None, centre=None)
    dlib = catalogue.find("dlib", Path("/nowhere"))

    def offer(url: str) -> None:
        monkeypatch.setattr(catalogue, "_catalogue", lambda: (families, (dlib, replace(known, url=url))))

    return offer


def test_the_list_names_every_network_on_a_line_of_its_own(models: Models) -> None:
    result = models("list", judges=("buffalo-s",))
    assert result.code == 0
    lines = {line.split()[0]: line for line in result.out.splitlines()}
    assert lines.keys() == {"network", *catalogue.read(Path("/nowhere"))}
    assert lines["dlib"].split() == ["dlib", "dlib", "22", "CC0", "yes", "attacked"]
    assert lines["buffalo-s"].split() == ["buffalo-s", "onnx", "14", "non-commercial", "research", "no", "judges"]


def test_a_fetch_says_what_comes_from_where_under_which_licence_and_what_it_was(
    models: Models, folder: Path, offered: Callable[[str], None]
) -> None:
    with web(Answer(CONTENT)) as server:
        offered(server.url)
        first, second = models("fetch", "mobilefacenet"), models("fetch", "mobilefacenet")
    path = folder / "mobilefacenet_casia_068.ckpt"
    assert (first.code, first.out.splitlines()) == (0, [
        "mobilefacenet: MobileFaceNet of Xiaoccer/MobileFaceNet_Pytorch, shown 112 x 96 pixels.",
        "Licence of the weights: not stated.",
        f"Fetching {server.url} (of unknown size)",
        f"{path}: SHA-256 {sha256(CONTENT)}, recorded, since it was not known.",
    ])  # fmt: skip
    assert (second.code, second.out) == (0, f"mobilefacenet is here already: {path}\n")
    assert len(server.wishes) == 1
    path.unlink()
    with web(Answer(CONTENT)) as server:
        offered(server.url)
        assert f"SHA-256 {sha256(CONTENT)}, as it should be." in models("fetch", "mobilefacenet").out


@pytest.mark.parametrize(
    ("answer", "code", "why"),
    [
        (Answer(b"", status=404), 78, "the server says 404 Not Found; find the file elsewhere"),
        (Answer(b"", status=503), 75, "the server says 503 Service Unavailable; try again later"),
        (Answer(CONTENT, cut=0), 75, "fetch it again to go on from there"),
        (Answer(b"<!doctype html>"), 78, "not a checkpoint"),
    ],
)
def test_a_fetch_that_fails_says_so_in_one_line_with_the_code_that_fits(
    models: Models, folder: Path, offered: Callable[[str], None], answer: Answer, code: int, why: str
) -> None:
    with web(answer) as server:
        offered(server.url)
        result = models("fetch", "mobilefacenet")
    assert result.code == code
    (line,) = [line for line in result.err.splitlines() if line.startswith("lowkeyd: ")]
    assert why in line
    assert not (folder / "mobilefacenet_casia_068.ckpt").exists()


def test_offline_is_to_be_tried_later(models: Models, offered: Callable[[str], None]) -> None:
    with web(Answer()) as server:
        offered(server.url)
    result = models("fetch", "mobilefacenet")
    assert result.code == 75
    assert "lowkeyd: 127.0.0.1 cannot be reached (Connection refused): try again online" in result.err


def test_what_comes_along_needs_no_fetching(models: Models) -> None:
    result = models("fetch", "dlib")
    assert result.code == 0
    assert result.out.startswith("dlib is here already: ")


def test_an_unknown_name_is_answered_with_the_known_ones(models: Models) -> None:
    result = models("fetch", "mobilefacenot")
    assert result.code == 78
    assert "there is no face network 'mobilefacenot'; known are dlib, mobilefacenet" in result.err


def test_a_threshold_that_everybody_is_below_is_refused(models: Models, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "mine.ckpt").write_bytes(CONTENT)
    added = models("add", tmp_path / "mine.ckpt", "--family", "mobilefacenet", "--threshold", "99")
    assert (added.code, "embeddings of unit length are never 2 apart" in added.err) == (78, True)
    assert not folder.exists()


def test_a_file_of_ones_own_is_added_listed_and_checked(models: Models, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "mine.ckpt").write_bytes(CONTENT)
    added = models("add", tmp_path / "mine.ckpt", "--family", "mobilefacenet", "--threshold", "1.1")
    assert (added.code, added.out.splitlines()) == (0, [
        f"mine: MobileFaceNet, in {folder}/mine.ckpt, SHA-256 {sha256(CONTENT)}.",
        "Two faces are one person to it below a distance of 1.1.",
        'Name it in [attack] ensemble to attack it, or in judges to let it judge: "mine"',
    ])  # fmt: skip
    listed = models("list", judges=("mine",)).out.splitlines()[-1]
    assert listed.split() == ["mine", "mobilefacenet", "4", "your", "own", "file", "yes", "judges"]
    checked = models("check", judges=("mine",))
    assert (checked.code, checked.out.splitlines()) == (0, ["dlib: ok, ResNet-29", "mine: ok, MobileFaceNet"])


def test_a_check_names_what_is_damaged_or_missing_and_ends_with_78(
    models: Models, tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "mine.ckpt").write_bytes(CONTENT)
    models("add", tmp_path / "mine.ckpt", "--family", "mobilefacenet")
    (folder / "mine.ckpt").write_bytes(CONTENT[:-1])
    result = models("check", judges=("buffalo-s",))
    assert (result.code, result.err) == (78, "lowkeyd: 2 networks cannot be used\n")
    good, bad, missing = result.out.splitlines()
    assert good == "dlib: ok, ResNet-29"
    assert bad.startswith(f"mine: {folder}/mine.ckpt: not the expected weights")
    assert missing.startswith("buffalo-s: the face network 'buffalo-s' is not on this machine")


def test_a_check_finds_attacked_weights_among_the_judges(models: Models, tmp_path: Path) -> None:
    shutil.copy(catalogue.find("dlib", tmp_path).path(tmp_path), tmp_path / "mine.dat")
    models("add", tmp_path / "mine.dat", "--family", "dlib")
    result = models("check", judges=("mine",))
    assert result.code == 78
    assert "'mine' has the same weights as 'dlib', which is attacked" in result.err


def test_the_help_of_add_names_every_family(lowkeyd: Lowkeyd) -> None:
    told = " ".join(lowkeyd("models", "add", "--help").out.replace("│", " ").split())
    *first, last = catalogue.families()
    assert f"Its family: {', '.join(first)} or {last}." in told
