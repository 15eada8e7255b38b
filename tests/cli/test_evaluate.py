"""`lowkeyd evaluate` with the real networks, on one person: found before, and no longer after."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from tests.cli.conftest import Lowkeyd


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """A person with two photos, and one with none that shows a face."""
    portrait = astronaut()[:320, 80:400]
    for name, photos in {"eileen": (portrait, portrait[10:, 12:]), "nobody": (portrait[200:], portrait[210:])}.items():
        (tmp_path / "people" / name).mkdir(parents=True)
        for number, pixels in enumerate(photos):
            Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "people" / name / f"{number}.png")
    return tmp_path / "people"


def test_a_person_is_found_by_another_photo_until_it_is_protected(
    lowkeyd: Lowkeyd, gallery: Path, tmp_path: Path
) -> None:
    config, plot = tmp_path / "config.toml", tmp_path / "plot.png"
    config.write_text('[attack]\ndevice = "cpu"\n[worker]\nthreads = 1\n', encoding="utf-8")
    result = lowkeyd("evaluate", gallery, "--json", "--plot", plot, "--config", config)
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert (document["version"], document["gallery"], document["protected"]) == (1, 1, 1)
    assert [Path(path).parent.name for path in document["skipped"]] == ["nobody"]
    assert "no face was found" in result.err
    clean, balanced = document["results"]
    assert (clean["protection"], clean["visibility"], balanced["protection"]) == ("clean", None, "balanced")
    assert {seen["verified"] for seen in clean["recognised"]} == {1.0}
    assert {seen["verified"] for seen in balanced["recognised"]} == {0.0}
    assert {seen["rank_50"] for seen in clean["recognised"]} == {None}, "in a gallery of one that says nothing"
    assert "No independent judge" in result.err
    assert f"Plot: {plot}" in result.err
    assert balanced["visibility"]["psnr_db"] > 36
    assert balanced["seconds_per_face"] > 0
    with Image.open(BytesIO(plot.read_bytes())) as picture:
        assert picture.size == (1200, 600)


def test_a_plot_that_has_no_folder_is_told_before_the_networks_are_loaded(lowkeyd: Lowkeyd, gallery: Path) -> None:
    result = lowkeyd("evaluate", gallery, "--plot", gallery / "none" / "plot.png")
    assert result.code == 2
    assert "its folder is not there" in " ".join(result.err.replace("│", "").split())


def test_a_preset_that_is_none_is_told_before_the_networks_are_loaded(lowkeyd: Lowkeyd, gallery: Path) -> None:
    result = lowkeyd("evaluate", gallery, "--preset", "brutal")
    assert result.code == 2
    assert "preset" in result.err
    assert "'balanced'" in result.err


def test_gallery_and_probes_may_be_folders_of_their_own(lowkeyd: Lowkeyd, gallery: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[attack]\npreset = "subtle"\ndevice = "cpu"\n[worker]\nthreads = 1\n', encoding="utf-8")
    for folder, number in (("gallery", 0), ("probe", 1)):
        (tmp_path / folder).mkdir()
        (gallery / f"eileen/{number}.png").rename(tmp_path / folder / "eileen.png")
    result = lowkeyd("evaluate", "--gallery", tmp_path / "gallery", "--probe", tmp_path / "probe", "--config", config)
    assert result.code == 0, result.err
    assert "1 people protected in a gallery of 1" in result.out
    assert "verified: the same person for dlib below 0.60" in result.out


@pytest.mark.parametrize(
    "named", [(), ("--gallery", "x"), ("people", "--probe", "y"), ("people", "--gallery", "x", "--probe", "y")]
)
def test_people_are_named_in_one_of_two_ways(lowkeyd: Lowkeyd, named: tuple[str, ...]) -> None:
    assert lowkeyd("evaluate", *named).code == 2
