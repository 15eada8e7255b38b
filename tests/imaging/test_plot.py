"""The plot: points lie where their numbers say."""

from io import BytesIO

import numpy as np
from PIL import Image

from lowkeyd.imaging.plot import Series, trade


def dots(content: bytes, colour: tuple[int, int, int]) -> list[int]:
    """Rows that hold the colour, from top to bottom, left of the legend."""
    with Image.open(BytesIO(content)) as picture:
        pixels = np.asarray(picture)[:, :780]
    return sorted(set(np.nonzero((pixels == colour).all(2))[0].tolist()))


def test_a_higher_share_is_drawn_higher() -> None:
    one = [Series("a", [(0.01, 0.2, "weak"), (0.02, 0.2, "strong")], 0.2)]
    two = [Series("a", [(0.01, 0.8, "weak"), (0.02, 0.8, "strong")], 0.8)]
    low, high = (dots(trade(series, title="t", x_name="x", y_name="y"), (0, 114, 178)) for series in (one, two))
    assert low
    assert high
    assert max(high) < min(low)


def test_a_single_point_without_any_change_is_no_error() -> None:
    content = trade([Series("a", [(0.0, 0.5, "none")], 0.5)], title="t", x_name="x", y_name="y")
    with Image.open(BytesIO(content)) as picture:
        assert picture.format == "PNG"
