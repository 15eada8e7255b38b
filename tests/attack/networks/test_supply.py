"""What gets into the folder of models, what does not, and what is remembered of it."""

import errno
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lowkeyd.attack.networks import catalogue, face_network, ledger, supply
from lowkeyd.attack.networks.catalogue import Entry
from lowkeyd.errors import FetchFailed, WeightsError
from lowkeyd.machine import files
from lowkeyd.model import sha256
from tests.attack.networks.checkpoints import mobilefacenet
from tests.helpers.web import Answer, Web, web

CONTENT = mobilefacenet()
OTHER = mobilefacenet(seed=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def offered(server: Web, *, pinned: bool) -> Entry:
    """The catalogue's MobileFaceNet, as if it were these weights on this server."""
    known = catalogue.find("mobilefacenet", Path("/nowhere"))
    size, digest = (len(CONTENT), sha256(CONTENT)) if pinned else (None, None)
    return replace(known, url=server.url, size=size, sha256=digest)


def let_catalogue_hold(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    families = catalogue.families()
    monkeypatch.setattr(catalogue, "_catalogue", lambda: (families, (entry,)))


def fetch(entry: Entry, folder: Path) -> str:
    return supply.fetch(entry, folder, lambda _here, _total: None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_known_weights_land_under_their_name(folder: Path) -> None:
    with web(Answer(CONTENT)) as server:
        entry = offered(server, pinned=True)
        assert not supply.is_here(entry, folder)
        assert fetch(entry, folder) == sha256(CONTENT)
    assert supply.is_here(entry, folder)
    assert names(folder) == [entry.file]
    assert (folder / entry.file).read_bytes() == CONTENT


def test_wrong_weights_never_get_the_name(folder: Path) -> None:
    with web(Answer(OTHER)) as server:
        entry = replace(offered(server, pinned=True), size=len(OTHER))
        with pytest.raises(WeightsError, match=f"its SHA-256 is {sha256(OTHER)}, expected {sha256(CONTENT)}"):
            fetch(entry, folder)
    assert names(folder) == []


def test_a_damaged_file_is_replaced_by_the_right_one_and_not_before_that_is_here(folder: Path) -> None:
    folder.mkdir()
    with web(Answer(CONTENT, cut=9), Answer(CONTENT, cut=0)) as server:
        entry = offered(server, pinned=True)
        (folder / entry.file).write_bytes(b"damaged")
        assert not supply.is_here(entry, folder)
        with pytest.raises(FetchFailed):
            fetch(entry, folder)
        assert (folder / entry.file).read_bytes() == b"damaged"
        server.answers = [Answer(CONTENT)]
        fetch(entry, folder)
    assert supply.is_here(entry, folder)


def test_an_unknown_hash_is_recorded_at_first_and_kept_to_from_then_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web(Answer(CONTENT), Answer(OTHER, etag='"2"')) as server:
        entry = offered(server, pinned=False)
        let_catalogue_hold(entry, monkeypatch)
        assert fetch(entry, folder) == sha256(CONTENT)
        known = catalogue.find("mobilefacenet", folder)
        assert known.sha256 == sha256(CONTENT)
        assert face_network.load("mobilefacenet", folder, "cpu").sha256 == sha256(CONTENT)
        (folder / entry.file).unlink()
        with pytest.raises(WeightsError, match="not the file that is known"):
            fetch(known, folder)
    assert not (folder / entry.file).exists()


@pytest.mark.parametrize("content", [b"<!doctype html> please log in", mobilefacenet(damage=math.nan)])
def test_an_unknown_file_that_is_no_such_network_is_not_recorded(folder: Path, content: bytes) -> None:
    with web(Answer(content)) as server, pytest.raises(WeightsError, match=r"not a checkpoint|a damaged network"):
        fetch(offered(server, pinned=False), folder)
    assert names(folder) == []


def test_a_fetch_that_ended_before_the_file_had_its_name_is_done_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def land(beside: Path, path: Path) -> None:
        if path.name != ledger.NAME:
            raise Killed
        beside.rename(path)

    with web(Answer(CONTENT)) as server:
        entry = offered(server, pinned=False)
        with monkeypatch.context() as patched:
            patched.setattr(files, "land", land)
            with pytest.raises(Killed):
                fetch(entry, folder)
        assert ledger.read(folder)["mobilefacenet"].sha256 == sha256(CONTENT)
        fetch(replace(entry, sha256=sha256(CONTENT)), folder)
    assert (folder / entry.file).read_bytes() == CONTENT


def test_a_disk_that_is_full_at_the_last_moment_costs_no_second_download(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with web(Answer(CONTENT)) as server:
        entry = offered(server, pinned=False)
        with monkeypatch.context() as patched:
            patched.setattr(files, "write", full)
            with pytest.raises(FetchFailed, match="the disk is full; make room and try again"):
                fetch(entry, folder)
        assert not (folder / entry.file).exists()
        fetch(entry, folder)
        assert server.wishes == [None, f"bytes={len(CONTENT)}-"]
    assert (folder / entry.file).read_bytes() == CONTENT


def test_a_file_that_somebody_put_there_is_not_trusted_and_not_overwritten(folder: Path) -> None:
    folder.mkdir()
    with web(Answer(CONTENT)) as server:
        entry = offered(server, pinned=False)
        (folder / entry.file).write_bytes(CONTENT)
        with pytest.raises(
            WeightsError, match="this file was never recorded, so that it may be any; record it: lowkeyd models add"
        ):
            supply.is_here(entry, folder)


def test_what_nobody_offers_is_to_be_brought(folder: Path) -> None:
    entry = replace(catalogue.find("mobilefacenet", folder), url=None)
    with pytest.raises(WeightsError, match=r"cannot be fetched: .* lowkeyd models add FILE --family mobilefacenet"):
        fetch(entry, folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with web(Answer(CONTENT)) as server, pytest.raises(WeightsError, match="the folder of models cannot be written"):
        fetch(offered(server, pinned=True), tmp_path / "file" / "models")


def brought(tmp_path: Path, content: bytes = CONTENT, name: str = "mine.ckpt") -> Path:
    file = tmp_path / name
    file.write_bytes(content)
    return file


def test_a_file_of_ones_own_is_a_network_by_its_name(tmp_path: Path, folder: Path) -> None:
    file = brought(tmp_path)
    entry, title = supply.add(file, "mobilefacenet", None, 0.9, folder)
    assert (entry.name, entry.threshold, title) == ("mine", 0.9, "MobileFaceNet")
    file.unlink()
    network = face_network.load("mine", folder, "cpu")
    assert (network.threshold, network.chip, network.sha256) == (0.9, (112, 96), sha256(CONTENT))
    x = torch.rand(1, 3, 112, 96, requires_grad=True)
    network.embed(x).sum().backward()
    assert x.grad is not None
    (folder / "mine.ckpt").write_bytes(OTHER)
    with pytest.raises(WeightsError, match=r"mine\.ckpt: not the expected weights: SHA-256 is"):
        face_network.load("mine", folder, "cpu")


def test_a_file_for_the_catalogue_takes_its_place_there(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web(Answer(CONTENT)) as server:
        entry = offered(server, pinned=True)
    let_catalogue_hold(entry, monkeypatch)
    with pytest.raises(WeightsError, match="'mobilefacenet' stands for another network"):
        supply.add(brought(tmp_path, OTHER), "mobilefacenet", "mobilefacenet", None, folder)
    added, _ = supply.add(brought(tmp_path), "mobilefacenet", "mobilefacenet", None, folder)
    assert supply.is_here(entry, folder)
    assert added.file == entry.file


def test_a_file_that_lies_in_the_folder_already_is_taken_in_there(folder: Path) -> None:
    folder.mkdir()
    supply.add(brought(folder), "mobilefacenet", None, None, folder)
    assert names(folder) == [ledger.NAME, "mine.ckpt"]
    assert face_network.load("mine", folder, "cpu").threshold == catalogue.family("mobilefacenet").threshold


def test_adding_a_file_again_changes_its_threshold_and_no_more(tmp_path: Path, folder: Path) -> None:
    for threshold in (1.0, 0.8):
        entry, _ = supply.add(brought(tmp_path), "mobilefacenet", None, threshold, folder)
    assert entry.threshold == 0.8
    assert names(folder) == [ledger.NAME, "mine.ckpt"]


@pytest.mark.parametrize(
    ("family", "name", "content", "why"),
    [
        ("iris", "mine", CONTENT, "there is no family 'iris' of face networks; known are dlib, mobilefacenet"),
        ("ir", "mine", CONTENT, "not an IR network"),
        ("mobilefacenet", "mine", b"rubbish", "not a checkpoint"),
        ("mobilefacenet", "mine", mobilefacenet(damage=math.inf), "a damaged network"),
        ("mobilefacenet", "../mine", CONTENT, "is no name for a network"),
        ("mobilefacenet", ".mine", CONTENT, "is no name for a network"),
        ("mobilefacenet", "taken", CONTENT, "'taken' stands for another network"),
        ("mobilefacenet", "dlib", CONTENT, "'dlib' stands for another network"),
        ("mobilefacenet", "facenet-casia", CONTENT, "'facenet-casia' stands for another network"),
        ("mobilefacenet", "mobilefacenet_casia_068", CONTENT, "is another network's file"),
        ("mobilefacenet", "lying-there", CONTENT, "is another network's file"),
    ],
)
def test_what_cannot_be_taken_in_leaves_the_folder_as_it_was(
    tmp_path: Path, folder: Path, family: str, name: str, content: bytes, why: str
) -> None:
    supply.add(brought(tmp_path, OTHER, "taken.ckpt"), "mobilefacenet", None, None, folder)
    (folder / "lying-there.ckpt").write_bytes(b"something")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(WeightsError) as refused:
        supply.add(brought(tmp_path, content), family, name, None, folder)
    assert why in str(refused.value)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(WeightsError, match="network weights cannot be read: No such file"):
        supply.add(tmp_path / "none.pth", "ir", None, None, folder)


def test_a_look_shows_what_is_sound_damaged_and_missing(tmp_path: Path, folder: Path) -> None:
    for name, content in {"good": CONTENT, "bad": OTHER}.items():
        supply.add(brought(tmp_path, content), "mobilefacenet", name, None, folder)
    (folder / "bad.ckpt").write_bytes(OTHER[:-1])
    found = {finding.name: finding for finding in supply.check(folder, frozenset({"good", "buffalo-s", "nobody"}))}
    assert found.keys() == {"dlib", "good", "bad", "buffalo-s", "nobody"}
    assert (found["dlib"].title, found["good"].title) == ("ResNet-29", "MobileFaceNet")
    assert "not the expected weights" in found["bad"].fault
    assert "fetch it: lowkeyd models fetch buffalo-s" in found["buffalo-s"].fault
    assert "there is no face network 'nobody'" in found["nobody"].fault
