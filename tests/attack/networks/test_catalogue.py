"""The catalogue says of every network what one has to know, and says it as the code has it."""

import re
from pathlib import Path

import numpy as np
import pytest

from lowkeyd import config
from lowkeyd.attack import align
from lowkeyd.attack.networks import catalogue, dlib, face_network, facenet, ir, iresnet, ledger, mobilefacenet, resnet
from lowkeyd.attack.networks.catalogue import Entry
from lowkeyd.attack.networks.ledger import Record
from lowkeyd.errors import WeightsError

NOWHERE = Path("/nowhere")
ENTRIES = list(catalogue.read(NOWHERE).values())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_network_has_a_source_a_licence_and_a_place_of_its_own(entry: Entry) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", entry.name)
    assert entry.licence
    assert bool(entry.url) != bool(entry.package)
    assert entry.url is None or entry.url.startswith("https://")
    assert entry.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert [other.name for other in ENTRIES if other.file == entry.file] == [entry.name]
    assert 0 < entry.threshold < 2
    if entry.centre is not None:
        centre = np.load(Path(catalogue.__file__).with_name(entry.centre))
        assert centre.shape == (128,)
        assert np.linalg.norm(centre) < 1


def test_no_two_networks_of_the_catalogue_are_one_file() -> None:
    for known in ([entry.sha256 for entry in ENTRIES if entry.sha256], [entry.url for entry in ENTRIES if entry.url]):
        assert len(set(known)) == len(known)
    assert len([entry for entry in ENTRIES if entry.name.startswith("lowkey-")]) == 4, (
        "as many as LowKey's authors have"
    )


def test_families_and_their_chips_are_those_of_the_modules() -> None:
    modules = {"dlib": dlib, "mobilefacenet": mobilefacenet, "facenet": facenet, "ir": ir, "resnet": resnet,
               "iresnet": iresnet}  # fmt: skip
    chips = {name: family.chip for name, family in catalogue.families().items()}
    assert chips == {name: module._CHIP for name, module in modules.items()} | {"onnx": None}
    assert face_network._BUILDERS.keys() == chips.keys()


def test_the_defaults_name_networks_that_come_along() -> None:
    assert all(catalogue.find(name, NOWHERE).package for name in config.Attack().ensemble)


def test_narrow_chips_have_the_templates_sides_cut_off() -> None:
    narrow = face_network._template("arcface", (112, 96))
    assert narrow is not None
    assert np.allclose(narrow, align.ARCFACE - (8, 0))
    large = face_network._template("arcface", (224, 224))
    assert large is not None
    assert np.allclose(large, 2 * align.ARCFACE)
    assert face_network._template("box", (160, 160)) is None


def test_a_record_of_no_known_family_is_told(tmp_path: Path) -> None:
    ledger.record(tmp_path, "mine", Record("iris", "mine.pth", "00"))
    with pytest.raises(WeightsError, match=r"ledger\.json: 'mine' is of the family 'iris', which is not known"):
        catalogue.read(tmp_path)


def test_the_documentation_names_every_family_and_network_with_its_licence() -> None:
    page = (Path(__file__).parents[3] / "docs" / "networks.md").read_text(encoding="utf-8")
    _, table = page.split("## The families", 1)
    rows = {line.split("`")[1]: line for line in reversed(table.splitlines()) if line.startswith("| `")}
    assert catalogue.families().keys() <= rows.keys()
    for entry in ENTRIES:
        assert f"`{entry.name}`" in rows[entry.family.name]
        assert entry.licence in rows[entry.family.name]
