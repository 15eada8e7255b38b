"""Labels made for the imaging tests: EXIF blocks, XMP packets and IPTC blocks, with all that must not be published."""

import struct

from PIL import ExifTags, Image

from tests.imaging.make import portrait, saved

PREVIEW = saved(portrait(48), format="JPEG")
"""An unprotected small copy, as cameras embed it."""
SECRETS = (PREVIEW[:300], PREVIEW[-300:], b"SERIAL-4711", b"OWNER-0815", b"FACE-NAME")
"""What no copy may hold, whatever the policy."""

GPS = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0), 29: "2026:01:02"}


def exif_with(orientation: int = 1) -> bytes:
    """An EXIF block with a camera's usual fields, some of which must not be published, and a thumbnail."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Kamera"
    exif[ExifTags.Base.Model] = "K 1"
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.DateTime] = "2026:01:02 03:04:05"
    exif[ExifTags.Base.ImageDescription] = "A caption"
    exif[ExifTags.Base.Copyright] = "Somebody"
    exif[ExifTags.IFD.GPSInfo] = GPS
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.ExposureTime: 0.01,
        ExifTags.Base.DateTimeOriginal: "2026:01:02 03:04:05",
        ExifTags.Base.OffsetTimeOriginal: "+01:00",
        ExifTags.Base.LensModel: "50 mm",
        ExifTags.Base.ColorSpace: 1,
        ExifTags.Base.BodySerialNumber: "SERIAL-4711",
        ExifTags.Base.CameraOwnerName: "OWNER-0815",
        ExifTags.Base.MakerNote: b"MakerNote" + PREVIEW,
        ExifTags.Base.UserComment: b"ASCII\0\0\0" + PREVIEW,
    }
    return with_thumbnail(exif.tobytes())


def with_thumbnail(exif: bytes) -> bytes:
    """The EXIF block with a second directory behind it that holds a JPEG, which Pillow itself never writes."""
    header, tiff = exif[:6], bytearray(exif[6:])
    order = "little" if tiff.startswith(b"II") else "big"
    directory = int.from_bytes(tiff[4:8], order)
    entries = int.from_bytes(tiff[directory : directory + 2], order)
    link = directory + 2 + 12 * entries
    tiff[link : link + 4] = len(tiff).to_bytes(4, order)
    start = len(tiff) + 2 + 2 * 12 + 4
    tiff += (2).to_bytes(2, order)
    for tag, value in ((0x0201, start), (0x0202, len(PREVIEW))):
        tiff += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order) + value.to_bytes(4, order)
    return header + bytes(tiff) + bytes(4) + PREVIEW


_SPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpGImg": "http://ns.adobe.com/xap/1.0/g/img/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "GImage": "http://ns.google.com/photos/1.0/image/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
}


def packet_of(body: str, attributes: str = "") -> bytes:
    """An XMP packet with these properties."""
    spaces = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in _SPACES.items())
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{rdf}">'
        f'<rdf:Description rdf:about="" {spaces} {attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def xmp_with() -> bytes:
    """A packet with labels that go along, and previews, face names and places that do not."""
    preview = PREVIEW.hex()
    return packet_of(
        "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>A title</rdf:li></rdf:Alt></dc:title>"
        "<dc:subject><rdf:Bag><rdf:li>holiday</rdf:li><rdf:li>beach &amp; sea</rdf:li></rdf:Bag></dc:subject>"
        "<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType='Resource'><xmpGImg:format>JPEG</xmpGImg:format>"
        f"<xmpGImg:image>{preview}</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>"
        f"<GImage:Data>{preview}</GImage:Data><dc:source>{preview}</dc:source>"
        "<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:RegionList><rdf:Bag><rdf:li>"
        "<rdf:Description mwg-rs:Name='FACE-NAME'/></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>",
        "xmp:Rating='4' photoshop:City='PLACE-NAME' exif:GPSLatitude='52,31.2N' aux:SerialNumber='SERIAL-4711' "
        "tiff:Orientation='6'",
    )


def iptc_with() -> bytes:
    """An IPTC block with a caption, keywords, a place and a preview."""
    sets = [
        (1, 90, b"\x1b%G"),
        (2, 5, "Titel für alle".encode()),
        (2, 25, b"holiday"),
        (2, 90, b"PLACE-NAME"),
        (2, 120, b"A caption"),
        (2, 202, PREVIEW),
    ]
    return b"".join(struct.pack(">BBBH", 0x1C, record, number, len(value)) + value for record, number, value in sets)


def photoshop_with(*resources: tuple[int, bytes]) -> bytes:
    """Photoshop's block: numbered resources."""
    return b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2) for number, body in resources
    )


def app13_with() -> bytes:
    """The segment of a JPEG in which IPTC lies, beside a thumbnail (0x040C) as Photoshop writes it."""
    thumbnail = struct.pack(">7I", 1, 48, 48, 144, 48 * 144, len(PREVIEW), 24 << 16 | 1) + PREVIEW
    body = b"Photoshop 3.0\0" + photoshop_with((0x0404, iptc_with()), (0x040C, thumbnail))
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
