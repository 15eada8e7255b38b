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


def test_lines_that_lie_on_one_another_are_both_seen_and_no_name_is_cut_off() -> None:
    points = [(0.01, 0.5, "a preset with a long name")]
    one = Series("solid", points, 0.5, colour=0)
    both = [one, Series("dashed", points, 0.5, colour=1, dashed=True)]
    content = trade(both, title="t", x_name="x", y_name="y")
    assert dots(content, (0, 114, 178))
    assert dots(content, (213, 94, 0))
    with Image.open(BytesIO(content)) as picture:
        right_of_axes = np.asarray(picture)[200:515, 820:]
    assert (right_of_axes == 255).all(), "the name stands left of a point at the edge, and the legend above"
