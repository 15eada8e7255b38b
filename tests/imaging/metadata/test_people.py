"""Keywords that name who is in the photo stay behind, wherever they stand."""

import pytest

from lowkeyd.imaging.metadata import exif, people, xmp
from lowkeyd.imaging.metadata.iptc import DataSet
from lowkeyd.imaging.metadata.labels import Labels, _without_people
from lowkeyd.imaging.tiff import Field

REGIONS = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:digiKam="http://www.digikam.org/ns/1.0/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<dc:subject><rdf:Bag><rdf:li>beach</rdf:li><rdf:li>Alice</rdf:li><rdf:li>bob</rdf:li><rdf:li>Carol</rdf:li></rdf:Bag>
</dc:subject>
<digiKam:TagsList><rdf:Seq><rdf:li>People/Alice</rdf:li><rdf:li>Places/Sea</rdf:li></rdf:Seq></digiKam:TagsList>
<lr:hierarchicalSubject><rdf:Bag><rdf:li>Personen|Familie|Alice</rdf:li></rdf:Bag></lr:hierarchicalSubject>
<mwg-rs:Regions><rdf:Description><mwg-rs:RegionList><rdf:Bag><rdf:li mwg-rs:Name="Bob"/></rdf:Bag></mwg-rs:RegionList>
</rdf:Description></mwg-rs:Regions>
<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Carol</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def windows(text: str) -> exif.Exif:
    raw = text.encode("utf-16-le") + b"\0\0"
    return exif.Exif("<", {40094: Field(1, len(raw), raw)}, {}, {})


@pytest.mark.parametrize(
    ("keyword", "named"),
    [
        *(("People/Alice", True), ("people|Friends|Alice", True), ("Alice", True), ("Friends/ALICE", True)),
        *(("Keywords|People|Dora", True), ("People\\Dora", True), ("/2020/trip", False), ("AC//DC", False)),
        *(("beach, Alice", True), ("Dora;People/Dora", True), ("People, beach", False)),
        *(("Family|Smith, John", True), ("Smith, John; beach", True)),
        *(("People", False), ("beach", False), ("24/7", False), ("Alice Springs", False), ("", False)),
    ],
)
def test_keywords_that_tell_who_is_in_the_photo(keyword: str, named: bool) -> None:
    assert people.is_named(keyword, frozenset({"alice", "smith, john"})) is named


def test_accents_are_the_same_however_they_are_written() -> None:
    composed, apart = "Jos\u00e9", "Jose\u0301"
    assert all(
        people.is_named(one, frozenset({people.folded(other)})) for one, other in ((composed, apart), (apart, composed))
    )
    assert list(people.in_branches(["People|", "People/"])) == []
    assert "smith, john" in list(people.in_branches(["People/Smith, John"]))
    assert list(people.in_branches(["People|Alice; Places|Paris"])) == ["alice"]


def test_names_of_faces_and_branches_are_no_keywords_any_more() -> None:
    captions = tuple(DataSet(2, number, text) for number, text in ((25, b"Alice"), (25, b"beach"), (120, b"Alice!")))
    labels = _without_people(Labels(windows("beach;People/Dora;Alice"), xmp.read(REGIONS), captions))
    assert {one.name: [text for _, text in one.values] for one in labels.xmp.properties} == {
        "subject": ["beach"],
        "TagsList": ["Places/Sea"],
    }
    assert labels.exif.keywords == ("beach",)
    assert labels.iptc == captions[1:], "a caption is what somebody wrote"


def test_where_nobody_is_named_all_stays_as_it_is() -> None:
    labels = Labels(windows("beach;sea"))
    assert _without_people(labels) == labels
    assert _without_people(Labels(windows("People/Alice"))).exif.main == {}
