"""One shot, without a daemon. In all but the last test the stand-in takes the place of the networks."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from skimage.data import astronaut, coins

from lowkeyd import config
from lowkeyd.errors import PhotoLeftAlone, WeightsError
from lowkeyd.folders import outbox, scan
from lowkeyd.imaging.metadata import xmp
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import REPOSITORY, contents, environment
from tests.helpers.stand_in import PREFIX, StandIn

REAL_PATIENCE_S = 400.0
MARK = xmp.packet(xmp.NO_XMP, mark=True)

Load = Callable[..., StandIn]
Use = Callable[[Load], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Have `protect` find something else where it looks for the networks."""

    def put(load: Load) -> None:
        module = ModuleType("lowkeyd.worker.protect")
        module.Protector = load
        monkeypatch.setitem(sys.modules, "lowkeyd.worker.protect", module)

    return put


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in, no configuration anywhere, and the stand-in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-configuration"))
    use(lambda *_: StandIn())


def photo(name: str, content: bytes = b"portrait") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_each_photo_gets_its_copy_and_stays_as_it_is(lowkeyd: Lowkeyd) -> None:
    photos = [photo(f"from/{number}.jpg", b"portrait %d" % number) for number in range(11)]
    os.utime(photos[0], ns=(5, 1_000_000_007))
    result = lowkeyd("protect", *photos, "-o", "to/new")
    assert (result.code, result.out) == (0, "")
    assert contents(Path("to/new")) == {f"{n}.jpg": PREFIX + b"portrait %d" % n for n in range(11)}
    assert [path.read_bytes() for path in photos] == [b"portrait %d" % number for number in range(11)]
    assert Path("to/new/0.jpg").stat().st_mtime_ns == 1_000_000_007
    assert "from/0.jpg → to/new/0.jpg" in result.err.splitlines()


def test_a_name_that_is_taken_gets_a_number(lowkeyd: Lowkeyd) -> None:
    photo("a.jpg")
    photo("other/a.jpg", b"another")
    result = lowkeyd("protect", "a.jpg", "other/a.jpg")
    assert result.code == 0
    assert contents(Path())["a.jpg"] == b"portrait"
    assert {contents(Path())[f"a ({number}).jpg"] for number in (1, 2)} == {PREFIX + b"portrait", PREFIX + b"another"}


def test_a_copy_of_another_format_has_its_suffix(lowkeyd: Lowkeyd) -> None:
    lowkeyd("protect", photo("a.heic"), photo("b.JPEG"), "-o", "to")
    assert set(contents(Path("to"))) == {"a.jpg", "b.JPEG"}


def test_what_cannot_be_protected_is_named_in_one_line_and_does_not_stop_the_others(lowkeyd: Lowkeyd) -> None:
    Path("loop.jpg").symlink_to("loop.jpg")
    photos = [photo("a.jpg", b"no face"), photo("b.jpg", b"unreadable"), photo("c.jpg", b"failing"), photo("d.jpg")]
    result = lowkeyd("protect", *photos, "gone.jpg", "loop.jpg", photo("e.jpg"), "-o", "to")
    assert (result.code, result.out) == (1, "")
    assert contents(Path("to")) == {"d.jpg": PREFIX + b"portrait", "e.jpg": PREFIX + b"portrait"}
    told = dict(line.split(": ", 1) for line in result.err.splitlines() if ": " in line)
    assert told["a.jpg"] == "no face was found"
    assert told["b.jpg"].startswith("at decode: is no picture. ")
    assert told["b.jpg"].endswith("then protect it again.")
    assert told["c.jpg"].startswith("at optimise: the optimiser failed. ")
    assert told["gone.jpg"].startswith("at admit: cannot be read: No such file or directory. ")
    assert told["loop.jpg"].startswith("at admit: cannot be read: Too many levels of symbolic links. ")


def test_a_photo_without_a_face_is_copied_where_that_is_wished(lowkeyd: Lowkeyd, use: Use) -> None:
    Path("mine.toml").write_text('[outbox]\nno_face = "copy"\n', encoding="utf-8")
    use(lambda *_: StandIn(copies=True))
    result = lowkeyd("protect", photo("a.jpg", b"no face"), "-o", "to", "--config", "mine.toml")
    assert (result.code, result.err.strip()) == (0, "a.jpg → to/a.jpg (no face was found)")
    assert contents(Path("to")) == {"a.jpg": PREFIX + b"no face"}


def test_a_name_that_no_file_can_have_is_named_too(lowkeyd: Lowkeyd) -> None:
    result = lowkeyd("protect", "x" * 300, photo("a.jpg"), "-o", "to")
    assert (result.code, "at admit: cannot be read: File name too long" in result.err) == (1, True)
    assert contents(Path("to")) == {"a.jpg": PREFIX + b"portrait"}


def test_a_link_to_a_photo_is_followed(lowkeyd: Lowkeyd) -> None:
    Path("link.jpg").symlink_to(photo("a.jpg").absolute())
    assert lowkeyd("protect", "link.jpg", "-o", "to").code == 0
    assert contents(Path("to")) == {"link.jpg": PREFIX + b"portrait"}


def test_a_weak_copy_is_said_to_be_weak(lowkeyd: Lowkeyd) -> None:
    result = lowkeyd("protect", photo("a.jpg", b"weak"), "-o", "to")
    assert (result.code, "to/a.jpg (weak: its face is still recognised, by stand-in)" in result.err) == (0, True)


def test_names_that_are_no_text_or_markup_come_through(lowkeyd: Lowkeyd) -> None:
    name = os.fsdecode(b"[red]caf\xe9\nline.jpg")
    result = lowkeyd("protect", photo(name), "-o", "to")
    assert (result.code, set(contents(Path("to")))) == (0, {name})
    assert r"[red]caf\udce9\nline.jpg → to/[red]caf\udce9\nline.jpg" in result.err.splitlines()


def test_a_photo_that_is_taken_away_meanwhile_has_its_copy_still(lowkeyd: Lowkeyd, use: Use) -> None:
    class Thief(StandIn):
        def run(self, photos: Any, tell: Any) -> Iterator[Any]:
            for path, outcome in super().run(photos, tell):
                path.unlink()
                yield path, outcome

    use(lambda *_: Thief())
    assert lowkeyd("protect", photo("a.jpg"), "-o", "to").code == 0
    assert contents(Path("to")) == {"a.jpg": PREFIX + b"portrait"}


# ---- folders of photos


def never(*_: object) -> StandIn:
    pytest.fail("the networks were loaded for nothing")


def album() -> None:
    photo("album/b.jpg", b"portrait b")
    photo("album/day 2/a.jpg", b"portrait a")
    photo("album/.hidden.jpg")
    photo("album/notes.txt")


def test_of_a_folder_all_photos_are_protected_and_keep_their_places(lowkeyd: Lowkeyd) -> None:
    album()
    result = lowkeyd("protect", photo("c.jpg", b"portrait c"), "album", "-o", "to")
    assert result.code == 0, result.err
    assert contents(Path("to")) == {
        "b.jpg": PREFIX + b"portrait b",
        "c.jpg": PREFIX + b"portrait c",
        "day 2/a.jpg": PREFIX + b"portrait a",
    }
    assert "album/day 2/a.jpg → to/day 2/a.jpg" in result.err.splitlines()


def test_what_is_named_twice_is_protected_once(lowkeyd: Lowkeyd) -> None:
    album()
    assert lowkeyd("protect", "album/day 2/a.jpg", "album", "album", "-o", "to").code == 0
    assert set(contents(Path("to"))) == {"a.jpg", "b.jpg"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["album"], "album is a folder: say with -o"),
        (["album", "-o", "album"], "the copies of album would lie in it"),
        (["album", "-o", "album/to"], "the copies of album would lie in it"),
        (["album", "-o", "link/to"], "the copies of album would lie in it"),
        (["empty", "-o", "to"], "no photo is in empty"),
        (["album", "--preset", "mild", "-o", "to"], "preset"),
        (["album", "--preset", "subtle", "--queue"], "there is no --preset"),
    ],
)
def test_what_cannot_be_meant_is_said_before_any_work(lowkeyd: Lowkeyd, use: Use, asked: list[str], told: str) -> None:
    use(never)
    album()
    Path("empty").mkdir()
    Path("link").symlink_to("album")
    before = contents(Path())
    result = lowkeyd("protect", *asked)
    assert (result.code, told in " ".join(result.err.replace("│", " ").split())) == (2, True), result.err
    assert contents(Path()) == before


def test_an_interrupted_album_is_gone_on_with(lowkeyd: Lowkeyd, use: Use) -> None:
    class Interrupted(StandIn):
        def run(self, photos: Any, tell: Any) -> Iterator[Any]:
            for path, outcome in super().run(photos, tell):
                if path.name == "b.heic":
                    raise KeyboardInterrupt
                yield path, replace(outcome, content=outcome.content + MARK)

    for name in ("day 1/a.jpg", "day 2/b.heic", "day 2/c.jpg"):
        photo(f"album/{name}", name.encode())
    use(lambda *_: Interrupted())
    result = lowkeyd("protect", "album", "-o", "to")
    assert (result.code, "Stopped after 1 of 3; --skip-existing goes on" in result.err) == (130, True)
    assert set(contents(Path("to"))) == {"day 1/a.jpg"}
    use(lambda *_: StandIn())
    result = lowkeyd("protect", "album", "-o", "to", "--skip-existing")
    assert (result.code, result.err.splitlines()[0]) == (0, "1 copy there already.")
    assert set(contents(Path("to"))) == {"day 1/a.jpg", "day 2/b.jpg", "day 2/c.jpg"}


def test_neither_an_edited_photo_nor_a_file_without_the_mark_counts_as_done(lowkeyd: Lowkeyd) -> None:
    for name, dated, content in (("a.jpg", 2_000_000_000, MARK), ("b.jpg", 1_000_000_000, b"not ours")):
        os.utime(photo(f"album/{name}"), (1_000_000_000, 1_000_000_000))
        os.utime(photo(f"to/{name}", content), (dated, dated))
    assert lowkeyd("protect", "album", "-o", "to", "--skip-existing").code == 0
    assert set(contents(Path("to"))) == {"a.jpg", "a (1).jpg", "b.jpg", "b (1).jpg"}


def test_what_is_left_alone_on_purpose_is_said_and_no_failure(lowkeyd: Lowkeyd, use: Use) -> None:
    class Marked(StandIn):
        def run(self, photos: Any, tell: Any) -> Iterator[Any]:
            for path, read in photos:
                yield path, PhotoLeftAlone("protected already") if path.name == "a.jpg" else _raised(read)

    use(lambda *_: Marked())
    result = lowkeyd("protect", photo("album/a.jpg"), photo("album/b.DNG", b"never read"), "-o", "to")
    assert (result.code, contents(Path("to"))) == (0, {})
    assert "album/a.jpg: protected already. Nothing to do." in result.err.splitlines()
    assert "album/b.DNG: raw: a camera's RAW file" in result.err


def _raised(read: Callable[[], bytes]) -> PhotoLeftAlone:
    with pytest.raises(PhotoLeftAlone) as raised:
        read()
    return raised.value


def test_a_folder_within_that_cannot_be_read_is_named(lowkeyd: Lowkeyd, monkeypatch: pytest.MonkeyPatch) -> None:
    album()
    scandir = os.scandir

    def refuse(folder: bytes) -> Any:
        if os.fsencode(folder).endswith(b"day 2"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        return scandir(folder)

    monkeypatch.setattr(scan.os, "scandir", refuse)
    result = lowkeyd("protect", "album", "-o", "to")
    assert (result.code, "album/day 2: this folder cannot be read" in result.err) == (1, True)
    assert contents(Path("to")) == {"b.jpg": PREFIX + b"portrait b"}


# ---- a folder for the copies that is none


def test_a_file_is_no_folder_for_copies(lowkeyd: Lowkeyd, use: Use) -> None:
    use(never)
    result = lowkeyd("protect", photo("a.jpg"), "-o", photo("file"))
    assert (result.code, "Usage" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("file/to", "file/to: the folder for the copies cannot be made: Not a directory"),
        ("/proc", "the outbox cannot be written: No such file or directory: /proc"),  # root may not write there either
    ],
)
def test_a_folder_that_cannot_be_written_is_one_sentence_before_any_work(
    lowkeyd: Lowkeyd, use: Use, folder: str, told: str
) -> None:
    use(never)
    photo("file")
    result = lowkeyd("protect", photo("a.jpg"), "-o", folder)
    assert result.code == 75
    assert result.err.startswith(f"lowkeyd: {told}")
    assert len(result.err.splitlines()) == 1


def test_a_disk_that_fills_up_leaves_nothing_hidden_behind(lowkeyd: Lowkeyd, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: bytes, target: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source)

    monkeypatch.setattr(outbox.os, "link", refuse)
    result = lowkeyd("protect", photo("a.jpg"), "-o", "to")
    assert result.code == 1
    assert result.err.startswith("a.jpg: the outbox cannot be written: No space left on device")
    assert contents(Path("to")) == {}


# ---- the configuration


def test_a_configuration_that_was_named_has_to_be_there(lowkeyd: Lowkeyd, monkeypatch: pytest.MonkeyPatch) -> None:
    photo("a.jpg")
    assert lowkeyd("protect", "a.jpg", "--config", "none.toml").code == 78
    monkeypatch.setenv("LOWKEYD_CONFIG", "none.toml")
    result = lowkeyd("protect", "a.jpg")
    assert (result.code, "none.toml: no such file" in result.err) == (78, True)


def test_networks_that_cannot_be_had_are_one_sentence(lowkeyd: Lowkeyd, use: Use) -> None:
    def load(*_: object) -> StandIn:
        raise WeightsError("no weights")

    use(load)
    result = lowkeyd("protect", photo("a.jpg"), "-o", "to")
    assert (result.code, result.err) == (78, "lowkeyd: no weights\n")


def test_it_obeys_the_configuration(lowkeyd: Lowkeyd, use: Use) -> None:
    asked: list[tuple[str, str]] = []

    def load(settings: config.Config, device: str) -> StandIn:
        asked.append((settings.attack.preset, device))
        return StandIn()

    use(load)
    photo("config.toml", b'[attack]\npreset = "subtle"\ndevice = "cpu"\n[worker]\nmax_megabytes = 0.00001')
    result = lowkeyd("protect", photo("a.jpg"), photo("b.jpg", b"large " * 9), "--config", "config.toml", "-o", "to")
    assert asked == [("subtle", "cpu")]
    assert "b.jpg: at decode: 0 MB, more than the 0 MB allowed" in result.err
    assert set(contents(Path("to"))) == {"a.jpg"}
    lowkeyd("protect", "a.jpg", "--config", "config.toml", "--preset", "strong", "-o", "to")
    assert asked[1:] == [("strong", "cpu")]


# ---- the real thing


def test_the_real_networks_protect_a_portrait_and_say_what_the_rest_is() -> None:
    Image.fromarray(astronaut()[:300, 80:380]).save("portrait.png")
    Image.fromarray(coins()).convert("RGB").save("coins.jpg")
    photo("text.jpg", b"no picture at all")
    photo("config.toml", b'[attack]\ndevice = "cpu"\n[worker]\nthreads = 1\n')
    command = [sys.executable, "-m", "lowkeyd", "protect", "portrait.png", "coins.jpg", "text.jpg", "-o", "to"]
    result = subprocess.run(
        [*command, "--config", "config.toml"],
        env=environment() | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=REAL_PATIENCE_S,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "portrait.png → to/portrait.png\n" in result.stderr
    assert "coins.jpg: no face was found\n" in result.stderr
    assert "text.jpg: at decode: " in result.stderr
    assert set(contents(Path("to"))) == {"portrait.png"}
    with Image.open("portrait.png") as original, Image.open("to/portrait.png") as copy:
        assert (copy.format, copy.size) == ("PNG", original.size)
        assert copy.tobytes() != original.tobytes()
