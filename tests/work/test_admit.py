import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lowkeyd import config
from lowkeyd.attack.networks import ledger
from lowkeyd.attack.networks.ledger import Record
from lowkeyd.errors import PhotoChanged, PhotoLeftAlone, PhotoTooLarge, PhotoUnreachable, UnreadablePhoto
from lowkeyd.folders.outbox import Outbox
from lowkeyd.folders.rules import Rules
from lowkeyd.folders.scan import Tree
from lowkeyd.intake.roots import Roots
from lowkeyd.model import Delivery, Photo, State, sha256
from lowkeyd.store.adopt import adopt
from lowkeyd.store.barred import bar
from lowkeyd.store.judgement import Judgement
from lowkeyd.store.notes import Notes
from lowkeyd.work.admit import Admission, Admitted, fingerprint
from lowkeyd.work.recover import recover
from tests.helpers.library import Library

JUDGED = Judgement('{"faces": []}', "protected", "settings", 1.0)


def admission(library: Library, settings: str = "settings", max_bytes: int = 1000) -> Admission:
    return Admission(library.photos, library.publisher, library.roots, max_bytes, settings)


def protect(library: Library, name: str, content: bytes) -> None:
    """A photo that went the whole way."""
    library.drop(name, content)
    job = library.claim()
    assert admission(library).admit(job)
    library.publisher.publish(job, b"copy of " + content, ".jpg", JUDGED)


def test_a_new_photo_goes_to_the_worker_with_its_content(library: Library) -> None:
    library.drop(b"deep/caf\xe9.jpg", b"portrait")
    path = os.fsencode(library.root) + b"/deep/caf\xe9.jpg"
    assert admission(library).admit(library.claim()) == Admitted(path, sha256(b"portrait"))


def test_a_photo_that_was_taken_away_is_ignored(library: Library) -> None:
    library.drop("a.jpg", b"x")
    job = library.claim()
    (library.root / "a.jpg").unlink()
    assert admission(library).admit(job) is None
    assert library.row()["state"] == "ignored"


def test_a_photo_whose_whole_folder_is_gone_waits(library: Library) -> None:
    """The disk may come back."""
    library.drop("a.jpg", b"x")
    job = library.claim()
    (library.root / "a.jpg").unlink()
    library.root.rmdir()
    with pytest.raises(PhotoUnreachable):
        admission(library).admit(job)


def test_a_photo_of_a_folder_that_is_no_longer_watched_is_ignored(library: Library) -> None:
    library.drop("a.jpg", b"x")
    elsewhere = Admission(library.photos, library.publisher, Roots({}, Notes(library.photos)), 1000, "settings")
    assert elsewhere.admit(library.claim()) is None
    assert (library.row()["state"], library.row()["reason"]) == ("ignored", "its folder is no longer watched")


def test_a_photo_that_changed_since_it_settled_is_not_touched(library: Library) -> None:
    library.drop("a.jpg", b"x")
    job = library.claim()
    (library.root / "a.jpg").write_bytes(b"longer")
    with pytest.raises(PhotoChanged):
        admission(library).admit(job)


def test_a_file_that_is_too_large_is_refused_unread(library: Library) -> None:
    library.drop("a.jpg", b"x" * 11)
    with pytest.raises(PhotoTooLarge):
        admission(library, max_bytes=10).admit(library.claim())


def test_the_same_content_waits_for_its_twin_and_then_gets_the_twins_copy(library: Library) -> None:
    library.drop("a.jpg", b"portrait")
    library.drop("b.jpg", b"portrait")
    first, second = library.photos.claim(2, 1e12)
    assert admission(library).admit(first)
    assert admission(library).admit(second) is None
    row = library.row("b.jpg")
    assert (row["state"], row["attempts"]) == ("ready", 0)
    assert row["not_before"] > 0
    library.publisher.publish(first, b"copy", ".jpg", JUDGED)
    (second,) = library.photos.claim(1, 1e12)
    assert admission(library).admit(second) is None
    assert library.delivered() == {"inbox/a.jpg": b"copy", "inbox/b.jpg": b"copy"}
    assert (library.row("b.jpg")["state"], library.row("b.jpg")["strength"]) == ("done", "protected")


@pytest.mark.parametrize("trouble", ["deleted", "edited"])
def test_a_twins_copy_that_is_not_ours_any_more_is_not_used(library: Library, trouble: str) -> None:
    protect(library, "a.jpg", b"portrait")
    copy = library.outbox / "inbox/a.jpg"
    if trouble == "deleted":
        copy.unlink()
    else:
        copy.write_bytes(b"edited")
    library.drop("b.jpg", b"portrait")
    assert admission(library).admit(library.claim()) is not None


def test_other_settings_make_another_copy(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    library.drop("b.jpg", b"portrait")
    assert admission(library, settings="other").admit(library.claim()) is not None


def test_a_photo_that_was_only_touched_is_not_optimised_again(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    os.utime(library.root / "a.jpg", (1_000_000, 1_000_000))
    library.offer(b"a.jpg")
    assert admission(library).admit(library.claim()) is None
    assert library.delivered() == {"inbox/a.jpg": b"copy of portrait"}
    assert (library.outbox / "inbox/a.jpg").stat().st_mtime == 1_000_000, "galleries sort by it"
    assert (library.row()["state"], library.row()["strength"]) == ("done", "protected")


def test_a_photo_that_was_edited_is(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    library.drop("a.jpg", b"portrait, retouched")
    assert admission(library).admit(library.claim()) is not None


def test_a_copy_in_another_format_hands_its_suffix_on(library: Library) -> None:
    library.drop("a.heic", b"portrait")
    job = library.claim()
    admission(library).admit(job)
    library.publisher.publish(job, b"copy", ".jpg", JUDGED)
    library.drop("b.heic", b"portrait")
    assert admission(library).admit(library.claim()) is None
    assert library.delivered() == {"inbox/a.jpg": b"copy", "inbox/b.jpg": b"copy"}


def test_a_raw_file_is_left_alone_unread(library: Library) -> None:
    library.drop("a.NEF", b"x" * 5000)  # larger than may be read
    with pytest.raises(PhotoLeftAlone, match=r"^raw: ") as caught:
        admission(library).admit(library.claim())
    assert "JPEG" in caught.value.advice


def test_where_weak_copies_are_held_back_none_is_handed_on(library: Library) -> None:
    library.drop("a.jpg", b"photo")
    job = library.claim()
    assert admission(library).admit(job)
    library.publisher.publish(job, b"copy", ".jpg", replace(JUDGED, strength="weak"))
    library.drop("b.jpg", b"photo")
    assert replace(admission(library), deliver_weak=False).admit(library.claim()) is not None


def test_a_copy_of_ours_that_comes_back_is_left_alone(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    library.drop("downloaded.jpg", b"copy of portrait")
    with pytest.raises(PhotoLeftAlone, match="protected already"):
        admission(library).admit(library.claim())


def test_what_took_a_photos_place_since_the_scan_is_not_followed(library: Library, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.jpg").write_bytes(b"secret")
    library.drop("sub/a.jpg", b"photo")
    job = library.claim()
    (library.root / "sub" / "a.jpg").unlink()
    (library.root / "sub").rmdir()
    (library.root / "sub").symlink_to(tmp_path / "secret")
    with pytest.raises(PhotoUnreachable):
        admission(library).admit(job)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_any_more_is_refused(library: Library, kind: str) -> None:
    library.drop("a.jpg", b"photo")
    job = library.claim()
    (library.root / "a.jpg").unlink()
    (library.root / "a.jpg").mkdir() if kind == "folder" else os.mkfifo(library.root / "a.jpg")
    with pytest.raises(UnreadablePhoto, match="regular"):
        admission(library).admit(job)


def test_whatever_changes_a_copy_changes_the_fingerprint() -> None:
    settings = [
        config.Config(),
        *(
            config.Config(attack=attack)
            for attack in (
                config.Attack(preset="strong"),
                config.Attack(ensemble=("dlib", "mobilefacenet")),
                config.Attack(judges=("mobilefacenet",)),
                config.Attack(seed=1),
            )
        ),
        config.Config(outbox=config.Outbox(format="png")),
        config.Config(outbox=config.Outbox(heic="heic")),
        config.Config(metadata=config.Metadata(gps="keep")),
        config.Config(metadata=config.Metadata(marker=False)),
    ]
    assert len({fingerprint(one) for one in settings}) == len(settings)


def test_so_do_the_weights_and_the_threshold_of_a_network_that_a_person_added(tmp_path: Path) -> None:
    settings = config.Config(attack=config.Attack(judges=("mine",), models=tmp_path))
    records = [Record("iresnet", "mine.pth", "ab", 0.9), Record("iresnet", "mine.pth", "cd", 0.9)]
    told = {fingerprint(settings)}
    for number, row in enumerate([*records, Record("iresnet", "mine.pth", "cd", 0.8)], 2):
        ledger.record(tmp_path, "mine", row)
        told.add(fingerprint(settings))
        assert len(told) == number
    ledger.record(tmp_path, "another", records[0])
    assert fingerprint(settings) in told, "one that is neither attacked nor asked"


def test_what_does_not_change_a_copy_leaves_the_fingerprint() -> None:
    elsewhere = config.Attack(device="cpu", models=Path("/elsewhere"))
    other = config.Config(attack=elsewhere, outbox=config.Outbox(no_face="copy", weak="hold"))
    assert fingerprint(other) == fingerprint(config.Config())


def rename(library: Library, name: str, new_name: str) -> None:
    (library.root / new_name).parent.mkdir(parents=True, exist_ok=True)
    (library.root / name).rename(library.root / new_name)
    library.offer(os.fsencode(new_name))


def test_a_renamed_photo_is_not_done_again_and_its_copy_is_renamed_along(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    rename(library, "a.jpg", "album/b.jpg")
    assert admission(library, "other settings").admit(library.claim()) is None
    assert library.delivered() == {"inbox/album/b.jpg": b"copy of portrait"}
    assert library.row("album/b.jpg")["state"] == "done"
    old = library.row("a.jpg")
    assert (old["state"], old["reason"], old["delivery_path"]) == (
        "ignored",
        "it is called inbox/album/b.jpg now",
        None,
    )


def test_or_the_old_copy_stays_where_it_is(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    rename(library, "a.jpg", "b.jpg")
    keeping = Admission(library.photos, library.publisher, library.roots, 1000, "settings", follow_renames=False)
    assert keeping.admit(library.claim()) is None
    assert set(library.delivered()) == {"inbox/a.jpg", "inbox/b.jpg"}


def test_a_photo_that_was_renamed_there_and_back_has_one_copy(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    for names in (("a.jpg", "b.jpg"), ("b.jpg", "a.jpg")):
        rename(library, *names)
        assert admission(library).admit(library.claim()) is None
    assert library.delivered() == {"inbox/a.jpg": b"copy of portrait"}


def test_a_copy_that_its_owner_has_edited_does_not_follow(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    (library.outbox / "inbox" / "a.jpg").write_bytes(b"edited")
    rename(library, "a.jpg", "b.jpg")
    assert admission(library).admit(library.claim()), "nothing is left to copy: it is done again"
    assert library.delivered() == {"inbox/a.jpg": b"edited"}


def test_a_second_photo_of_the_same_content_takes_nothing_from_the_first(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    library.drop("b.jpg", b"portrait")
    assert admission(library).admit(library.claim()) is None
    assert set(library.delivered()) == {"inbox/a.jpg", "inbox/b.jpg"}


def test_a_photo_of_another_date_is_not_the_one_that_is_gone(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    (library.root / "a.jpg").unlink()
    library.drop("b.jpg", b"portrait")
    os.utime(library.root / "b.jpg", (1_000_000, 1_000_000))
    library.offer(b"b.jpg")
    assert admission(library).admit(library.claim()) is None
    assert set(library.delivered()) == {"inbox/a.jpg", "inbox/b.jpg"}


def test_a_photo_that_a_person_wants_left_alone_is_so_when_it_is_renamed(library: Library) -> None:
    """Its copy stays, even where another photo of the same content has one for the new name."""
    protect(library, "a.jpg", b"portrait")
    library.drop("c.jpg", b"portrait")
    assert admission(library).admit(library.claim()) is None
    bar(library.photos, [("inbox", b"a.jpg")], time.time())
    rename(library, "a.jpg", "b.jpg")
    assert admission(library).admit(library.claim()) is None
    assert set(library.delivered()) == {"inbox/a.jpg", "inbox/b.jpg", "inbox/c.jpg"}
    assert (library.row()["state"], library.row()["stage"]) == ("ignored", "watch")


def test_one_that_is_to_be_done_again_is_not_taken_for_another_that_is_gone(library: Library) -> None:
    """Two files of one content and date, the first deleted: its copy stays, and is no new copy of the second."""
    protect(library, "a.jpg", b"portrait")
    stamp = (library.root / "a.jpg").stat().st_mtime_ns
    (library.root / "b.jpg").write_bytes(b"portrait")
    os.utime(library.root / "b.jpg", ns=(stamp, stamp))
    library.offer(b"b.jpg")
    assert admission(library).admit(library.claim()) is None
    (library.root / "a.jpg").unlink()
    assert library.photos.redo([("inbox", b"b.jpg")], time.time()) == 1
    assert admission(library, "other settings").admit(library.claim())
    assert set(library.delivered()) == {"inbox/a.jpg", "inbox/b.jpg"}


def test_a_photo_whose_disk_is_away_was_not_renamed(library: Library) -> None:
    protect(library, "a.jpg", b"portrait")
    library.roots.walked("inbox", filled=True)
    rename(library, "a.jpg", "b.jpg")
    job = library.claim()
    assert admission(library)._renamed_from(job, sha256(b"portrait"))
    library.root.rename(library.root.with_name("away"))
    library.root.mkdir()
    assert admission(library)._renamed_from(job, sha256(b"portrait")) is None


def test_a_photo_that_the_configuration_leaves_out_by_now_is_not_taken(library: Library) -> None:
    library.drop("private/a.jpg", b"x")
    job = library.claim()
    library.roots.trees["inbox"] = Tree(library.root, Rules(ignore=("private",)))
    assert admission(library).admit(job) is None
    assert library.photos.counts() == {State.IGNORED: 1}


def test_a_photo_that_was_renamed_before_it_was_done_again_takes_its_old_copy_along(library: Library) -> None:
    protect(library, "a.jpg", b"x")
    library.photos.redo([("inbox", b"a.jpg")], time.time())
    rename(library, "a.jpg", "b.jpg")
    for job in library.photos.claim(2, time.time()):
        admission(library).admit(job)
    assert library.delivered() == {"inbox/b.jpg": b"copy of x"}
    assert library.photos.counts() == {State.DONE: 1, State.IGNORED: 1}


def test_a_renamed_photo_whose_verdict_was_lost_with_the_database_is_judged_afresh(library: Library) -> None:
    """Its copy is known, not what recognisers said of it, and it must not come out as one without faces."""
    protect(library, "old.jpg", b"portrait")
    seen = library.tree.look(b"old.jpg")
    assert seen is not None
    copy = Delivery(b"inbox/old.jpg", sha256(b"copy of portrait"))
    adopt(library.photos, Photo("inbox", b"old.jpg", seen.signature), sha256(b"portrait"), copy)
    rename(library, "old.jpg", "new.jpg")
    job = library.claim()
    assert admission(library).admit(job) is not None
    library.publisher.publish(job, b"copy of portrait, judged", ".jpg", JUDGED)
    assert library.row("new.jpg")["state"] == "done"
    assert library.delivered() == {"inbox/new.jpg": b"copy of portrait, judged"}


def test_a_copy_without_faces_is_renamed_along_too(library: Library) -> None:
    library.drop("a.jpg", b"x")
    job = library.claim()
    admission(library).admit(job)
    library.publisher.publish(job, b"copy of x", ".jpg", None)
    rename(library, "a.jpg", "b.jpg")
    job = library.claim()
    assert admission(library).admit(job), "nobody knows whether the settings are still the same"
    library.publisher.publish(job, b"copy of x", ".jpg", None)
    assert library.delivered() == {"inbox/b.jpg": b"copy of x"}


class PlugPulled(BaseException):
    pass


def pull_the_plug(*_: object) -> None:
    raise PlugPulled


def test_a_crash_before_the_old_copy_goes_is_made_good_at_the_start(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect(library, "a.jpg", b"x")
    rename(library, "a.jpg", "b.jpg")
    job = library.claim()
    with monkeypatch.context() as crash:
        crash.setattr(Outbox, "withdraw", pull_the_plug)
        with pytest.raises(PlugPulled):
            admission(library).admit(job)
    assert library.delivered() == {"inbox/a.jpg": b"copy of x", "inbox/b.jpg": b"copy of x"}
    recover(library.photos, library.publisher)
    assert library.delivered() == {"inbox/b.jpg": b"copy of x"}
    assert library.photos.counts() == {State.DONE: 1, State.IGNORED: 1}


def rename_onto_another(library: Library) -> None:
    """Both photos have copies."""
    protect(library, "a.jpg", b"first")
    protect(library, "b.jpg", b"second")
    rename(library, "a.jpg", "b.jpg")


def test_a_photo_that_takes_anothers_name_takes_its_own_copy_along(library: Library) -> None:
    rename_onto_another(library)
    assert admission(library).admit(library.claim()) is None
    assert library.delivered() == {"inbox/b.jpg": b"copy of first"}


def test_its_old_copy_stays_until_the_new_one_is_there(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    rename_onto_another(library)
    job = library.claim()
    read = Outbox.read

    def and_the_photo_changes(outbox: Outbox, path: bytes) -> bytes | None:
        if not library.row("b.jpg")["superseded"]:
            library.drop("b.jpg", b"third")
        return read(outbox, path)

    monkeypatch.setattr(Outbox, "read", and_the_photo_changes)
    assert admission(library).admit(job) is None
    assert library.delivered() == {"inbox/a.jpg": b"copy of first", "inbox/b.jpg": b"copy of second"}


def test_its_old_row_forgets_the_copy_only_when_that_is_gone(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    rename_onto_another(library)
    monkeypatch.setattr(Outbox, "withdraw", pull_the_plug)
    with pytest.raises(PlugPulled):
        admission(library).admit(library.claim())
    assert library.row("a.jpg")["delivery_path"] == b"inbox/a.jpg"


def test_a_copy_that_is_made_of_another_is_logged_too(library: Library) -> None:
    protect(library, "a.jpg", b"x")
    library.drop("b.jpg", b"x")
    with capture_logs() as told:
        assert admission(library).admit(library.claim()) is None
    (line,) = [line for line in told if line["event"] == "done"]
    assert (line["photo"], line["delivered"], line["same_as"]) == ("b.jpg", "inbox/b.jpg", "inbox/a.jpg")
