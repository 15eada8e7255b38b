import errno
import fcntl
import itertools
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lowkeyd.errors import OutboxUnavailable, UnsupportedPhoto
from lowkeyd.folders.outbox import Outbox, delivery_name
from lowkeyd.model import Delivery, Stage, sha256

OURS = Delivery(b"in/a.jpg", sha256(b"ours"))


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path)


def temps(root: Path) -> list[Path]:
    return [path for path in root.rglob(".*") if path.is_file()]


def test_a_file_appears_whole_with_its_date_and_leaves_no_temp(outbox: Outbox, tmp_path: Path) -> None:
    temp = outbox.write_temp(b"in", b"ours", mtime_ns=1_234_567_890_000_000_000)
    assert not (tmp_path / "in/a.jpg").exists()
    assert outbox.place(temp, OURS, None)
    assert (tmp_path / "in/a.jpg").read_bytes() == b"ours"
    assert (tmp_path / "in/a.jpg").stat().st_mtime_ns == 1_234_567_890_000_000_000
    assert temps(tmp_path) == []


def test_it_is_on_the_disk_with_its_date_before_it_has_its_name_and_so_are_its_folders(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def note(name: str) -> None:
        function = getattr(os, name)

        def noting(file: int | bytes, *others: object, **options: object) -> None:
            place = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.fsdecode(file)
            steps.append(f"{name} {'the temp' if place.endswith('.tmp') else os.path.relpath(place, tmp_path)}")
            function(file, *others, **options)

        monkeypatch.setattr(os, name, noting)

    for name in ("utime", "fsync", "link"):
        note(name)
    outbox.place(outbox.write_temp(b"in/deep", b"ours", 0), Delivery(b"in/deep/a.jpg", "d"), None)
    assert steps == ["utime the temp", "fsync the temp", "link the temp", "fsync in/deep", "fsync in", "fsync ."]


def test_a_foreign_file_keeps_its_place(outbox: Outbox, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"foreign")
    temp = outbox.write_temp(b"", b"ours", 0)
    assert not outbox.place(temp, Delivery(b"a.jpg", sha256(b"ours")), None)
    assert (tmp_path / "a.jpg").read_bytes() == b"foreign"


def test_our_own_older_delivery_is_replaced_but_not_if_somebody_edited_it(outbox: Outbox, tmp_path: Path) -> None:
    outbox.place(outbox.write_temp(b"in", b"ours", 0), OURS, None)
    newer = Delivery(b"in/a.jpg", sha256(b"newer"))
    assert outbox.is_free(b"in/a.jpg", OURS)
    assert outbox.place(outbox.write_temp(b"in", b"newer", 0), newer, OURS)
    assert (tmp_path / "in/a.jpg").read_bytes() == b"newer"
    (tmp_path / "in/a.jpg").write_bytes(b"edited")
    assert not outbox.is_free(b"in/a.jpg", newer)
    assert not outbox.place(outbox.write_temp(b"in", b"third", 0), OURS, newer)
    assert (tmp_path / "in/a.jpg").read_bytes() == b"edited"


def test_candidates_number_the_name_before_its_suffix(outbox: Outbox) -> None:
    names = list(itertools.islice(outbox.candidates(b"in/a.b.jpg"), 3))
    assert names == [b"in/a.b.jpg", b"in/a.b (1).jpg", b"in/a.b (2).jpg"]


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_where_links_are_not_supported_nothing_foreign_is_replaced_either(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(refusal, "a file system without links, faked")

    monkeypatch.setattr(os, "link", no_links)
    assert outbox.place(outbox.write_temp(b"in", b"ours", 0), OURS, None)
    assert not outbox.place(outbox.write_temp(b"in", b"other", 0), OURS, None)
    assert (tmp_path / "in/a.jpg").read_bytes() == b"ours"


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutboxUnavailable, match="No space left"):
        outbox.write_temp(b"in", b"ours", 0)
    assert temps(tmp_path) == []


def test_a_read_only_place_has_advice_of_its_own(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutboxUnavailable) as caught:
        outbox.probe()
    assert "install-service --write" in caught.value.advice


def test_a_missing_outbox_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutboxUnavailable, match="cannot be written"):
        Outbox(tmp_path / "file").probe()
    with pytest.raises(OutboxUnavailable, match="No such file"):
        Outbox(tmp_path / "unmounted").probe()
    assert not (tmp_path / "unmounted").exists(), "nothing is written below the mount point of a disk that is gone"


def test_nothing_is_done_where_another_folder_is_in_its_place(tmp_path: Path) -> None:
    def refuse() -> None:
        raise OutboxUnavailable("its disk is not mounted")

    outbox = Outbox(tmp_path, refuse)
    with pytest.raises(OutboxUnavailable):
        outbox.write_temp(b"in", b"ours", 0)
    with pytest.raises(OutboxUnavailable):  # else the copy would be taken for one that its owner took away
        outbox.withdraw(OURS)
    assert os.listdir(tmp_path) == []


def test_sweep_removes_what_crashes_left_and_nothing_else(outbox: Outbox, tmp_path: Path) -> None:
    outbox.write_temp(b"in/deep", b"left", 0)
    (tmp_path / ".lowkeyd-notes.tmp").write_bytes(b"not ours")
    assert outbox.sweep(older_than_s=60.0) == 0, "it may belong to a publication that is under way"
    assert outbox.sweep(older_than_s=0.0) == 1
    assert [path.name for path in temps(tmp_path)] == [".lowkeyd-notes.tmp"]


def test_holds_compares_bytes(outbox: Outbox) -> None:
    assert not outbox.holds(OURS)
    outbox.place(outbox.write_temp(b"in", b"ours", 0), OURS, None)
    assert outbox.holds(OURS)
    assert not outbox.holds(Delivery(b"in/a.jpg", sha256(b"else")))


def test_names_that_would_be_too_long_are_shortened_at_a_character(outbox: Outbox, tmp_path: Path) -> None:
    longest = "ä".encode() * 125 + b"x.jpg"  # 255 bytes
    first, second = itertools.islice(outbox.candidates(b"in/" + longest), 2)
    assert first == b"in/" + longest
    assert second == b"in/" + "ä".encode() * 123 + b" (1).jpg"
    (one,) = itertools.islice(outbox.candidates(b"in/" + longest.replace(b".jpg", b".webp")), 1)
    assert len(os.path.basename(one)) <= 255
    one.decode()
    for name in (first, second):
        assert outbox.place(outbox.write_temp(b"in", b"ours", 0), Delivery(name, "d"), None)


def test_a_path_too_long_for_any_disk_is_that_photos_trouble_not_the_outboxs(outbox: Outbox) -> None:
    deep = b"/".join([b"d" * 200] * 25)
    with pytest.raises(UnsupportedPhoto, match="too long") as caught:
        outbox.write_temp(deep, b"ours", 0)
    assert caught.value.stage is Stage.PUBLISH


def test_on_a_disk_blind_to_case_the_second_of_two_names_gets_a_number(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is faked: links and look-ups that take A.jpg for a.jpg, as exFAT and SMB do."""
    link, exists = os.link, os.path.lexists

    def folded(path: bytes) -> bytes:
        folder, name = os.path.split(path)
        there = [one for one in os.listdir(folder) if one.lower() == name.lower()] if exists(folder) else []
        return os.path.join(folder, there[0]) if there else path

    monkeypatch.setattr(os, "link", lambda source, target: link(source, folded(target)))
    monkeypatch.setattr(os.path, "lexists", lambda path: exists(folded(path)))
    for wanted, content in ((b"in/A.jpg", b"first"), (b"in/a.jpg", b"second")):
        temp = outbox.write_temp(b"in", content, 0)
        free = (name for name in outbox.candidates(wanted) if outbox.is_free(name, None))
        assert any(outbox.place(temp, Delivery(name, sha256(content)), None) for name in free)
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == {
        "A.jpg": b"first",
        "a (1).jpg": b"second",
    }


def refuse_folder_syncs(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As some network drives do, or a dying disk."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)


def test_a_network_drive_that_syncs_no_folders_is_good_enough(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_folder_syncs(monkeypatch, errno.EINVAL)
    assert outbox.place(outbox.write_temp(b"in", b"ours", 0), OURS, None)
    assert (tmp_path / "in/a.jpg").read_bytes() == b"ours"


def test_a_name_that_did_not_reach_the_disk_is_free_again_for_the_next_try(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = outbox.write_temp(b"in", b"ours", 0)
    with monkeypatch.context() as dying:
        refuse_folder_syncs(dying, errno.EIO)
        with pytest.raises(OutboxUnavailable, match="Input/output error"):
            outbox.place(temp, OURS, None)
    outbox.remove(temp)
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize(
    ("original", "suffix", "name"),
    [
        (b"a/b.jpg", ".jpg", b"a/b.jpg"),
        (b"b.JPEG", ".jpg", b"b.JPEG"),
        (b"b.jpe", ".jpg", b"b.jpe"),
        (b"b.tiff", ".tif", b"b.tiff"),
        (b"b.HEIC", ".jpg", b"b.jpg"),
        (b"b.jpg", ".png", b"b.png"),
        (b"two.dots.bmp", ".png", b"two.dots.png"),
        (b"caf\xe9.heic", ".jpg", b"caf\xe9.jpg"),
        (b"b.jpg", ".JPG", b"b.jpg"),
    ],
)
def test_a_copy_keeps_its_name_unless_its_format_differs(original: bytes, suffix: str, name: bytes) -> None:
    assert delivery_name(original, suffix) == name


def test_a_copy_that_took_our_older_ones_place_counts_even_if_its_folder_was_not_synced(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Delivery(b"a.jpg", sha256(b"old")), Delivery(b"a.jpg", sha256(b"new"))
    assert outbox.place(outbox.write_temp(b"", b"old", 0), old, None)
    temp = outbox.write_temp(b"", b"new", 0)
    monkeypatch.setattr(Outbox, "_sync_folder", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
    assert outbox.place(temp, new, old)
    assert outbox.holds(new)


def test_without_links_a_name_that_was_only_reserved_is_given_back(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    temp = outbox.write_temp(b"", b"copy", 0)
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutboxUnavailable):
        outbox.place(temp, Delivery(b"a.jpg", sha256(b"copy")), None)
    assert not outbox.holds(Delivery(b"a.jpg", sha256(b"")))


def test_an_album_whose_last_copy_went_leaves_no_empty_folder(outbox: Outbox, tmp_path: Path) -> None:
    copies = [Delivery(name, sha256(name)) for name in (b"in/a/deep/1.jpg", b"in/a/2.jpg")]
    for copy in copies:
        assert outbox.place(outbox.write_temp(os.path.dirname(copy.path), copy.path, 0), copy, None)
    outbox.withdraw(copies[0])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["2.jpg", "a", "in"]
    outbox.withdraw(copies[1])
    assert os.listdir(tmp_path) == ["in"], "that of the watched folder stays"


def test_a_second_try_that_fails_leaves_nothing_either(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def write(_: Outbox, path: bytes, *_rest: object) -> None:
        tries.append(path)
        (tmp_path / os.fsdecode(path)).write_bytes(b"half")
        raise FileNotFoundError(errno.ENOENT, "gone") if len(tries) == 1 else OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Outbox, "_write", write)
    with pytest.raises(OutboxUnavailable):
        outbox.write_temp(b"", b"x", 0)
    assert (len(tries), os.listdir(tmp_path)) == (2, [])


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_is_no_delivery_and_does_not_block(outbox: Outbox, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "in/a.jpg"
    place.parent.mkdir()
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "link":
            (tmp_path / "ours").write_bytes(b"ours")
            place.symlink_to(tmp_path / "ours")
        case "folder":
            place.mkdir()
    assert outbox.read(OURS.path) is None
    assert not outbox.is_free(OURS.path, OURS)
    assert not outbox.place(outbox.write_temp(b"in", b"ours", 0), OURS, OURS)


def test_a_giant_is_no_delivery(outbox: Outbox, tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(1 << 40)
    assert outbox.read(b"a.jpg") is None


def test_a_copy_whose_path_in_the_trash_would_be_too_long_goes_there_by_its_name_alone(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    room = os.pathconf(tmp_path, "PC_PATH_MAX") - len(os.fsencode(tmp_path)) - 4  # of bytes, beside the outbox's own
    depth, rest = divmod(room - 20, 201)
    folders, name = b"/".join([b"d" * 200] * depth), b"a" * (rest + 15) + b".jpg"
    deep = Delivery(folders + b"/" + name, sha256(b""))
    os.makedirs(outbox.absolute(folders))
    Path(os.fsdecode(outbox.absolute(deep.path))).touch()
    assert outbox.withdraw(deep, to_trash=True)
    assert [path.name for path in (tmp_path / ".trash").iterdir()] == [os.fsdecode(name)]


def test_a_link_in_the_trash_keeps_its_place_though_it_leads_nowhere(outbox: Outbox, tmp_path: Path) -> None:
    assert outbox.place(outbox.write_temp(b"in", b"ours", 0), OURS, None)
    (tmp_path / ".trash/in").mkdir(parents=True)
    (tmp_path / ".trash/in/a.jpg").symlink_to("nowhere")
    assert outbox.withdraw(OURS, to_trash=True)
    assert sorted(os.listdir(tmp_path / ".trash/in")) == ["a (1).jpg", "a.jpg"]
    assert (tmp_path / ".trash/in/a.jpg").is_symlink()


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.EILSEQ])
def test_a_name_that_the_disk_refuses_is_the_photos_own_trouble(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    """As exFAT refuses colons, and strict disks names that are no UTF-8."""
    temp = outbox.write_temp(b"in", b"ours", 0)

    def link(_source: bytes, target: bytes) -> None:
        raise OSError(refusal, "Invalid argument", os.fsdecode(target))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(UnsupportedPhoto, match="cannot have its place in the outbox") as refused:
        outbox.place(temp, OURS, None)
    assert refused.value.stage is Stage.PUBLISH


def test_a_file_where_an_album_should_be_is_the_photos_own_trouble(outbox: Outbox, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/album").write_text("notes")
    with pytest.raises(UnsupportedPhoto, match=r"(File exists|Not a directory).*in/album"):
        outbox.write_temp(b"in/album", b"ours", 0)
    with pytest.raises(UnsupportedPhoto, match="Not a directory"):
        outbox.write_temp(b"in/album/deeper", b"ours", 0)


def test_no_link_leads_a_copy_into_a_watched_tree(tmp_path: Path) -> None:
    for name in ("inbox/album", "outbox/in", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    outbox = Outbox(tmp_path / "outbox", watched=[tmp_path / "inbox"])
    (tmp_path / "outbox/in/album").symlink_to(tmp_path / "inbox/album")
    (tmp_path / "outbox/in/other").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsupportedPhoto, match="a link leads into a watched folder"):
        outbox.write_temp(b"in/album/new", b"ours", 0)
    assert list((tmp_path / "inbox/album").iterdir()) == []
    outbox.write_temp(b"in/other", b"ours", 0)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="no leases here")
def test_a_copy_that_a_server_of_shares_holds_a_lease_on_is_still_ours(outbox: Outbox, tmp_path: Path) -> None:
    """As Samba does while a client has it open; the kernel asks it to let go, and whoever opens the file waits."""
    outbox.place(outbox.write_temp(b"in", b"ours", 0), OURS, None)
    script = (
        "import fcntl, os, signal, sys, time\n"
        f"file = os.open({str(tmp_path / 'in/a.jpg')!r}, os.O_RDWR)\n"
        "signal.signal(signal.SIGIO, lambda *_: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK))\n"
        "fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n"
        "print('held', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        held = outbox.holds(OURS)
        holder.kill()
    assert held


def test_an_album_that_is_a_link_to_a_disk_that_is_away_is_waited_for(outbox: Outbox, tmp_path: Path) -> None:
    (tmp_path / "in").symlink_to(tmp_path / "disk/album")
    with pytest.raises(OutboxUnavailable):
        outbox.write_temp(b"in", b"ours", 0)
    with pytest.raises(OutboxUnavailable):
        outbox.write_temp(b"in/2026", b"ours", 0)
    (tmp_path / "disk/album").mkdir(parents=True)
    assert outbox.place(outbox.write_temp(b"in", b"ours", 0), OURS, None)


def test_a_root_that_is_no_folder_is_no_photos_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutboxUnavailable):
        Outbox(tmp_path / "file").write_temp(b"in", b"ours", 0)


def test_a_link_to_itself_is_no_disk_that_is_away(outbox: Outbox, tmp_path: Path) -> None:
    (tmp_path / "in").symlink_to(tmp_path / "in")
    with pytest.raises(UnsupportedPhoto):
        outbox.write_temp(b"in/album", b"ours", 0)
