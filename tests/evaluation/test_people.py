"""Who is who in folders of people."""

from pathlib import Path

import pytest

from lowkeyd.errors import ConfigError
from lowkeyd.evaluation.people import Person, people


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_every_folder_is_a_person_with_its_first_two_photos(tmp_path: Path) -> None:
    ada, bob = tmp_path / "ada", tmp_path / "bob"
    touch(ada / "3.jpg", ada / "2.jpg", ada / "1.txt", ada / ".0.jpg", bob / "1.png", tmp_path / "loose.jpg")
    assert people(tmp_path, None) == [Person("ada", ada / "2.jpg", ada / "3.jpg"), Person("bob", bob / "1.png", None)]


def test_photos_of_one_name_in_two_folders_are_one_person(tmp_path: Path) -> None:
    gallery, probes = tmp_path / "gallery", tmp_path / "probes"
    touch(gallery / "ada.jpg", gallery / "bob" / "1.jpg", gallery / "cyd.jpg", probes / "ada.png", probes / "bob.jpg")
    assert people(gallery, probes) == [
        Person("ada", gallery / "ada.jpg", probes / "ada.png"),
        Person("bob", gallery / "bob" / "1.jpg", probes / "bob.jpg"),
        Person("cyd", gallery / "cyd.jpg", None),
    ]


def test_without_anybody_to_look_for_the_folders_are_explained(tmp_path: Path) -> None:
    touch(tmp_path / "ada" / "1.jpg")
    with pytest.raises(ConfigError, match="nobody has two photos; expected is a folder per person"):
        people(tmp_path, None)
    with pytest.raises(ConfigError, match="gone: cannot be listed"):
        people(tmp_path / "gone", None)
