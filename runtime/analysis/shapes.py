"""Zones, lines and the plane of real sizes: shapes in the picture, as settings; imported at every start."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeseg.console.terminal import has_commands
from edgeseg.errors import UserError

Point = tuple[float, float]


@dataclass(frozen=True)
class Zone:
    """A part of the picture, by its outline.

    Attributes:
        name: one word or several; rules name it.
        points: x and y of its corners, three or more, in pixels of the frame; or all of them from 0 to 1, in parts of
            its width and height, so that they hold for every size of it.

    Raises:
        UserError: too few points, no numbers, or an outline that crosses itself.

    >>> Zone("door", ((10, 10), (60, 10), (60, 90))).points[0]
    (10.0, 10.0)
    """

    name: str
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        _check_name("zone", self.name)
        object.__setattr__(self, "points", _read_points(f"The zone {self.name!r}", self.points, 3))
        if crossing := find_crossing(self.points):
            first, second = crossing
            raise UserError(
                f"The zone {self.name!r} crosses itself: the side from point {first} meets the side from point "
                f"{second}. Give its corners in the order in which they follow each other around it."
            )


@dataclass(frozen=True)
class Line:
    """A line in the picture that a class may touch.

    Attributes:
        name: one word or several; rules name it.
        points: x and y of its ends and bends, two or more, as those of a :class:`Zone`.

    >>> Line("fence", ((0.1, 0.5), (0.9, 0.5))).name
    'fence'
    """

    name: str
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        _check_name("line", self.name)
        object.__setattr__(self, "points", _read_points(f"The line {self.name!r}", self.points, 2))


@dataclass(frozen=True)
class Plane:
    """A flat surface in the picture on which four points are known, so that areas on it have real sizes.

    Attributes:
        points: x and y of the four in the picture, as those of a :class:`Zone`.
        places_mm: x and y of the same four on the surface, in millimetres.

    Raises:
        UserError: not four, three in a row, or in an order that crosses itself.

    >>> Plane(((0, 0), (9, 0), (9, 9), (0, 9)), ((0, 0), (90, 0), (90, 90), (0, 90))).places_mm[2]
    (90.0, 90.0)
    """

    points: tuple[Point, ...]
    places_mm: tuple[Point, ...]

    def __post_init__(self) -> None:
        for name in ("points", "places_mm"):
            given = getattr(self, name)
            if not isinstance(given, Sequence) or len(given) != 4:
                raise UserError(f"The plane takes four `{name}`; found {given!r}.")
            points = _read_numbers(f"The plane's `{name}`", given)
            if not is_convex(points):
                raise UserError(
                    f"The plane's `{name}` are no four corners that follow each other around, none of them in line "
                    f"with two others; found {[list(point) for point in points]}."
                )
            object.__setattr__(self, name, points)


def scale_points(what: str, points: Sequence[Point], size: tuple[int, int]) -> list[Point]:
    """Give points in pixels of a frame.

    Args:
        what: is named when they do not lie in it.
        size: height and width of the frame.

    Raises:
        UserError: one of them is outside the picture.

    >>> scale_points("The zone 'door'", ((0.5, 0.5), (1.0, 1.0)), (90, 160))
    [(80.0, 45.0), (160.0, 90.0)]
    """
    height, width = size
    if are_parts(points):
        return [(x * width, y * height) for x, y in points]
    outside = [point for point in points if point[0] > width or point[1] > height]
    if outside:
        near = [[min(x, width), min(y, height)] for x, y in points]
        raise UserError(
            f"{what} leaves the picture, which is {width}x{height}: {_word(outside[0])} is outside. "
            f"The closest that fits is {[[float(f'{v:g}') for v in point] for point in near]}."
        )
    return list(points)


def are_parts(points: Sequence[Point]) -> bool:
    """Tell whether points are parts of the picture, and not pixels: none of them lies beyond 1.

    >>> are_parts(((0, 0.5), (1, 1))), are_parts(((0, 0), (1, 2)))
    (True, False)
    """
    return all(value <= 1 for point in points for value in point)


def find_crossing(points: Sequence[Point]) -> tuple[int, int] | None:
    """Find two sides of a closed outline that meet elsewhere than at a common end: which points they begin at, from 1.

    >>> find_crossing([(0, 0), (9, 9), (9, 0), (0, 9)]), find_crossing([(0, 0), (9, 0), (9, 9)])
    ((1, 3), None)
    """
    count = len(points)
    sides = [(points[n], points[(n + 1) % count]) for n in range(count)]
    for first, second in itertools.combinations(range(count), 2):
        if second - first in (1, count - 1):
            before, after = (first, second) if second - first == 1 else (second, first)
            if _turns_back(sides[before], sides[after]):
                return first + 1, second + 1
        elif _meet(sides[first], sides[second]):
            return first + 1, second + 1
    return None


def is_convex(points: Sequence[Point]) -> bool:
    """Tell whether an outline turns the same way at each of its points.

    >>> is_convex([(0, 0), (9, 0), (9, 9), (0, 9)]), is_convex([(0, 0), (9, 9), (9, 0), (0, 9)])
    (True, False)
    """
    count = len(points)
    turns = [_side(points[n], points[(n + 1) % count], points[(n + 2) % count]) for n in range(count)]
    return all(turn > 0 for turn in turns) or all(turn < 0 for turn in turns)


def _turns_back(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    """Whether a side lies on the one before it."""
    (a, b), (_, c) = first, second
    return _side(a, b, c) == 0 and (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0


def _meet(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    (a, b), (c, d) = first, second
    sides = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((c, first), (d, first), (a, second), (b, second))
    return any(side == 0 and _spans(*line, point) for side, (point, line) in zip(sides, ends, strict=True))


def _spans(a: Point, b: Point, point: Point) -> bool:
    return all(min(a[axis], b[axis]) <= point[axis] <= max(a[axis], b[axis]) for axis in (0, 1))


def _side(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _read_points(what: str, given: object, least: int) -> tuple[Point, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) < least:
        raise UserError(f"{what} takes {least} points or more, [[x, y], [x, y], ...]; found {given!r}.")
    points = _read_numbers(what, given)
    if beyond := [point for point in points if min(point) < 0]:
        raise UserError(f"{what} leaves the picture: {_word(beyond[0])} is left of it or above it.")
    if len(set(points)) < least:
        raise UserError(f"{what} takes {least} different points or more; found {len(set(points))}.")
    kept = (point for point, _ in itertools.groupby(points))
    return tuple(kept)


def _read_numbers(what: str, given: Sequence[object]) -> tuple[Point, ...]:
    return tuple(_read_point(what, point) for point in given)


def _read_point(what: str, point: object) -> Point:
    is_pair = isinstance(point, Sequence) and not isinstance(point, str) and len(point) == 2
    values = list(_numbers(point)) if is_pair else []  # type: ignore[arg-type]
    if len(values) != 2:
        raise UserError(f"{what} has points of two numbers, [x, y]; found {point!r}.")
    return values[0], values[1]


def _numbers(values: Sequence[object]) -> Iterator[float]:
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield float(value)


def _word(point: Point) -> str:
    return f"({point[0]:g}, {point[1]:g})"


def _check_name(kind: str, name: object) -> None:
    if not isinstance(name, str) or not name.strip() or has_commands(name):
        raise UserError(f"A {kind} has a name, one line of text; found {name!r}.")
    if '"' in name or name != name.strip():
        raise UserError(f"The name of a {kind} has no quotation marks and no space around it; found {name!r}.")
