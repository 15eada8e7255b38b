import pytest

from lowkeyd.folders.rules import Rules


@pytest.mark.parametrize(
    "path",
    [
        b"@eaDir/a.jpg", b"deep/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", b"#recycle/a.jpg", b"@Recycle/a.jpg",
        b".Trash-1000/files/a.jpg", b".Trashes/a.jpg", b"$RECYCLE.BIN/S-1/a.jpg", b"$Recycle.Bin/a.jpg",
        b".stversions/a~20260101-120000.jpg", b".stfolder/a.jpg", b".syncthing.a.jpg.tmp", b"~syncthing~a.jpg",
        b"__MACOSX/._a.jpg", b"._a.jpg", b".AppleDouble/a.jpg", b".thumbnails/a.jpg",
        b"System Volume Information/a.jpg",
        b"a.jpg.part", b"a.jpg.crdownload", b"a.jpg.filepart", b"a.jpg.download/a.jpg", b"Unconfirmed 1.crdownload",
        b"Previews.lrdata/0/a.jpg", b"Thumbs.db", b"desktop.ini", b".a.jpg.Xy12Zz", b".goutputstream-AB12.jpg",
        b".lowkeyd-0123456789abcdef0123456789abcdef.tmp",
    ],
)  # fmt: skip
def test_what_computers_and_programs_leave_about_is_nobodys_photo(path: bytes) -> None:
    assert not Rules().takes(path)


@pytest.mark.parametrize("path", [b"recycle/a.jpg", b"Trash/a.jpg", b"a@b.jpg", b"#1/a.jpg", b"$/a.jpg", b"~a.jpg"])
def test_what_only_looks_like_it_is_taken(path: bytes) -> None:
    assert Rules().takes(path)


def test_patterns_without_a_slash_are_for_any_name_on_the_way() -> None:
    rules = Rules(("drafts", "*_edit.jpg", "IMG_00[12].*"))
    assert [
        path for path in (b"a.jpg", b"drafts.jpg", b"new drafts/a.jpg", b"IMG_003.jpg") if not rules.takes(path)
    ] == []
    ignored = (b"drafts/a.jpg", b"2024/drafts/deep/a.jpg", b"x_edit.jpg", b"2024/x_edit.jpg", b"IMG_001.jpg")
    assert [path for path in ignored if rules.takes(path)] == []


def test_patterns_with_a_slash_are_for_the_whole_path() -> None:
    rules = Rules(("2019/raw/*", "/private/"))
    assert not rules.takes(b"2019/raw/a.jpg")
    assert not rules.takes(b"2019/raw/deep/a.jpg")
    assert not rules.takes(b"private/a.jpg")
    assert rules.takes(b"old/2019/raw/a.jpg")
    assert rules.takes(b"2019/a.jpg")


@pytest.mark.parametrize("pattern", ["private/", "/private", "/private/"])
def test_a_slash_at_its_end_or_beginning_makes_no_path_of_a_pattern(pattern: str) -> None:
    assert not Rules((pattern,)).takes(b"2024/private/a.jpg")


def test_users_add_to_the_list_and_never_replace_it() -> None:
    assert not Rules(("drafts",)).takes(b"@eaDir/a.jpg")


def test_names_that_are_no_text_can_be_ignored_and_taken() -> None:
    assert not Rules(("caf*",)).takes(b"caf\xe9.jpg")
    assert Rules(("tea*",)).takes(b"caf\xe9.jpg")
