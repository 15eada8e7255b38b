"""Of an XMP packet, named texts go along in a packet of our own, and our mark is found wherever it stands."""

import time

import pytest

from lowkeyd.imaging.metadata.xmp import MAX_PACKET_BYTES, NO_XMP, Property, Xmp, packet, read
from tests.imaging.label import PREVIEW, SECRETS, packet_of, xmp_with


def values(xmp: Xmp) -> dict[str, tuple[str, ...]]:
    return {f"{one.prefix}:{one.name}": tuple(text for _, text in one.values) for one in xmp.properties}


def test_titles_keywords_and_ratings_go_along() -> None:
    assert values(read(xmp_with())) == {
        "dc:title": ("A title",),
        "dc:subject": ("holiday", "beach & sea"),
        "xmp:Rating": ("4",),
        "photoshop:City": ("PLACE-NAME",),
        "exif:GPSLatitude": ("52,31.2N",),
    }


def test_places_are_told_apart() -> None:
    places = {one.name for one in read(xmp_with()).properties if one.is_place}
    assert places == {"City", "GPSLatitude"}


def test_previews_and_face_names_stay_behind() -> None:
    source = xmp_with()
    written = packet(read(source), mark=True)
    assert PREVIEW.hex().encode() in source
    assert PREVIEW.hex().encode()[:200] not in written
    assert b"FACE-NAME" in source
    assert [secret for secret in SECRETS if secret in written] == []
    assert len(written) < 1500


def test_the_number_by_which_facebook_knows_a_photo_stays_behind() -> None:
    told = "<photoshop:Instructions>FBMD0f000768010000b7700000</photoshop:Instructions>"
    assert values(read(packet_of(f"{told}<photoshop:Credit>Ada</photoshop:Credit>"))) == {"photoshop:Credit": ("Ada",)}


def test_what_is_written_is_read_again() -> None:
    xmp = read(xmp_with())
    assert read(packet(xmp, mark=False)) == xmp
    assert read(packet(xmp, mark=True)) == Xmp(xmp.properties, marked=True)


def test_letters_that_mean_something_in_xml_come_through() -> None:
    one = Property("dc", "title", "Alt", (("x-default", '<a & "b"> \u3000 é'),), is_place=False)
    assert read(packet(Xmp((one,)), mark=False)).properties == (one,)


def test_the_mark_is_the_same_in_every_copy_and_tells_nothing_else() -> None:
    assert packet(NO_XMP, mark=True) == packet(NO_XMP, mark=True)
    assert read(packet(NO_XMP, mark=True)) == Xmp((), marked=True)
    assert len(packet(NO_XMP, mark=True)) < 400
    assert packet(NO_XMP, mark=False) == b""


@pytest.mark.parametrize("form", ["attribute", "element"])
def test_the_mark_is_found_where_other_programs_rewrote_the_packet(form: str) -> None:
    space = 'xmlns:lk="urn:lowkeyd:1.0:"'
    marked = (
        packet_of("", f'{space} lk:Protected="True"')
        if form == "attribute"
        else packet_of(f"<lk:Protected {space}>True</lk:Protected>")
    )
    assert read(marked).marked


def test_a_photo_that_merely_speaks_of_the_mark_is_not_marked() -> None:
    assert not read(packet_of("<dc:title>urn:lowkeyd:1.0: Protected</dc:title>")).marked


def test_too_many_labels_for_a_jpeg_leave_the_mark_alone() -> None:
    items = tuple((None, f"keyword {number} " + "x" * 150) for number in range(500))
    many = Xmp((Property("dc", "subject", "Bag", items, is_place=False),))
    assert read(packet(many, mark=True)) == Xmp((), marked=True)
    assert packet(many, mark=False) == b""
    assert len(packet(Xmp((Property("dc", "subject", "Bag", items[:300], False),)), mark=True)) < MAX_PACKET_BYTES


BOMB = b"<!DOCTYPE a [<!ENTITY a '" + b"x" * 100 + b"'><!ENTITY b '" + b"&a;" * 100 + b"'>]>"


@pytest.mark.parametrize(
    "odd",
    [
        None,
        7,
        b"",
        b"<x",
        b"\0\0",
        b"<a/>",
        BOMB + xmp_with(),
        (BOMB.decode() + "<a>&b;</a>").encode("utf-16"),
        b"<a>" * 100_000,
        xmp_with() + b" " * 4_000_001 + b"x",
        xmp_with().replace(b"rdf:RDF", b"rdf:Other"),
    ],
)
def test_odd_packets_count_as_empty(odd: object) -> None:
    assert read(odd) == NO_XMP


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_packet_may_be_written_in_any_of_xmps_encodings(encoding: str) -> None:
    assert read(xmp_with().decode().encode(encoding)) == read(xmp_with())


@pytest.mark.parametrize("odd", [b"<x", BOMB + xmp_with(), xmp_with() + b" " * 4_000_001 + b"x", b"\xff\xff"])
def test_whom_a_packet_names_that_cannot_be_read_is_unknown(odd: bytes) -> None:
    assert read(odd).people is None
    assert read(xmp_with(), [odd]).people is None
    assert read(None).people == frozenset()


def test_whom_another_packet_of_the_file_names_is_known() -> None:
    assert read(None, [xmp_with()]).people == read(xmp_with()).people != frozenset()


def test_a_packet_that_is_a_string_is_read_too() -> None:
    assert read(xmp_with().decode()) == read(xmp_with())


def test_names_are_found_in_structures_and_kinds_of_regions_are_nobody() -> None:
    space = 'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    body = (
        "<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Alice</rdf:li>"
        '<rdf:li><rdf:Description Iptc4xmpExt:PersonName="Bob"/></rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>'
        '<Iptc4xmpExt:rCtype Iptc4xmpExt:Name="animal"><Iptc4xmpExt:Name>dog</Iptc4xmpExt:Name></Iptc4xmpExt:rCtype>'
    )
    assert read(packet_of(body, space)).people == {"alice", "bob"}


@pytest.mark.parametrize("hostile", [b"<?" * 80_000, b"<a/>" * 400_000])
def test_a_packet_made_to_take_time_takes_none(hostile: bytes) -> None:
    started = time.process_time()
    assert read(b"<x>" + hostile + b"</x>").people is None
    assert time.process_time() - started < 2
