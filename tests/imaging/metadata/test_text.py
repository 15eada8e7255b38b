import base64

import pytest

from lowkeyd.imaging.metadata.text import decoded, is_written
from tests.imaging.label import PREVIEW


@pytest.mark.parametrize(
    "text",
    [
        "A caption",
        "Strandurlaub in Ærø, 2026\nmit Freunden",
        "家族の写真\u3000夏",
        "👩\u200d👧 at the sea",
        "2026:01:02 03:04:05",
        "https://example.org/licences/by/4.0?" + "x" * 100,
        "word " * 399,
    ],
)
def test_what_people_write_is_text(text: str) -> None:
    assert is_written(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "word " * 401,
        base64.b64encode(PREVIEW).decode(),
        PREVIEW.hex(),
        PREVIEW.decode("latin-1"),
        PREVIEW[:300].decode("latin-1"),
        PREVIEW[:400].decode("utf-16-le", "replace"),
        "nul\0inside",
        "\ud800",
    ],
)
def test_pictures_in_disguise_are_no_text(text: str) -> None:
    assert not is_written(text)


def test_bytes_that_are_no_utf8_are_read_as_latin1() -> None:
    assert [decoded(raw) for raw in ("é".encode(), b"\xe9")] == ["é", "é"]
