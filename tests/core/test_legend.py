"""A legend covers little of the picture, is readable, or is left out."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.image import UInt8
from edgeseg.legend import LEGEND_SHARE, draw_legend
from edgeseg.spec import ModelSpec

STREET = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "signsymbol",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
NAMES = {
    "two": ("background", "cell"),
    "eleven": STREET,
    "thirty": tuple(f"{STREET[i % 11]} {i}" for i in range(30)),
    "long": tuple(f"a class with a very long name indeed, number {i}" for i in range(11)),
}
SIZES = ((144, 176), (240, 320), (480, 640), (640, 480), (1080, 1920), (2160, 3840), (1, 1), (20, 4000))


def spec_of(names: tuple[str, ...]) -> ModelSpec:
    return ModelSpec("multiclass", names, 64, 64, "bgr", (0.5,) * 3, (0.5,) * 3, "stretch")


def drawn(size: tuple[int, int], names: tuple[str, ...], lines: tuple[str, ...] = ()) -> tuple[bool, UInt8]:
    picture = np.full((*size, 3), 200, np.uint8)
    return draw_legend(picture, spec_of(names), lines), picture


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("lines", [(), ("12 frames a second",)])
def test_it_covers_at_most_its_share_or_nothing(size: tuple[int, int], kind: str, lines: tuple[str, ...]) -> None:
    is_drawn, picture = drawn(size, NAMES[kind], lines)
    rows, columns = np.nonzero((picture != 200).any(2))
    assert is_drawn == bool(rows.size)
    if is_drawn:
        assert (rows.max() + 1) * (columns.max() + 1) <= LEGEND_SHARE * size[0] * size[1]
        for red, green, blue in spec_of(NAMES[kind]).palette[: len(NAMES[kind])]:
            assert np.count_nonzero((picture == (blue, green, red)).all(2)) >= 60


@pytest.mark.parametrize(
    ("kind", "smallest"), [("two", (144, 176)), ("eleven", (240, 320)), ("thirty", (480, 640)), ("long", (480, 640))]
)
def test_it_is_there_from_a_useful_size_on(kind: str, smallest: tuple[int, int]) -> None:
    for size in SIZES:
        if min(size) >= min(smallest):
            assert drawn(size, NAMES[kind])[0], size
        elif size[0] * size[1] < smallest[0] * smallest[1]:
            assert not drawn(size, NAMES[kind])[0], size


def test_letters_grow_with_the_picture() -> None:
    heights = []
    for size in ((480, 640), (1080, 1920), (2160, 3840)):
        rows = np.nonzero((drawn(size, NAMES["two"])[1] != 200).any((1, 2)))[0]
        heights.append(rows.max() + 1)
    assert heights[0] < heights[1] < heights[2]


def test_long_names_keep_their_ends_apart() -> None:
    one, other = ("a very long name of a class, one", "x"), ("a very long name of a class, two", "x")
    assert not np.array_equal(drawn((480, 640), one)[1], drawn((480, 640), other)[1])
