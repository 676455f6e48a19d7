"""Zones, lines and the plane of real sizes from a TOML file.

::

    size = [1280, 720]                  # of the picture that the points were taken from; left out: that of the frames

    [zones]
    door = [[610, 200], [760, 200], [760, 700], [610, 700]]

    [lines]
    fence = [[0.0, 0.5], [1.0, 0.5]]    # from 0 to 1: parts of width and height, whatever the size

    [plane]                             # four points known on a flat surface
    points = [[100, 400], [1180, 400], [1280, 700], [0, 700]]
    size_mm = [2400, 1200]              # they are the corners of such a rectangle, clockwise from the top left;
                                        # or places_mm = [[x, y], ...], wherever they are
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.errors import UserError
from edgeseg.files.input_file import read_text
from edgeseg.runtime.analysis.shapes import Line, Plane, Zone, are_parts, scale_points

_KEYS = ("size", "zones", "lines", "plane")
_PLANE_KEYS = ("points", "size_mm", "places_mm")


@dataclass(frozen=True)
class Shapes:
    """What such a file holds."""

    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    plane: Plane | None = None


def read_zone_file(path: Path) -> Shapes:
    """Read the file.

    Raises:
        UserError: it cannot be read, is not TOML, or holds what is no shape; the message names the file.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = read_text(path, UserError)
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The file of zones {path} is not TOML: {error}.") from None
    try:
        return read_shapes(given)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def read_shapes(given: Mapping[str, Any]) -> Shapes:
    """Read what such a file holds, from its values.

    Raises:
        UserError: something in it is no shape.

    >>> read_shapes({"size": [100, 50], "zones": {"door": [[10, 10], [20, 10], [20, 50]]}}).zones[0].points
    ((0.1, 0.2), (0.2, 0.2), (0.2, 1.0))
    """
    _expect_keys("the file", given, _KEYS)
    size = _read_size(given.get("size"))
    zones = [Zone(name, points) for name, points in _read_table("zones", given)]
    lines = [Line(name, points) for name, points in _read_table("lines", given)]
    plane = _read_plane(given["plane"]) if "plane" in given else None
    if size is None:
        return Shapes(tuple(zones), tuple(lines), plane)
    return Shapes(
        tuple(Zone(zone.name, _to_parts(f"The zone {zone.name!r}", zone.points, size)) for zone in zones),
        tuple(Line(line.name, _to_parts(f"The line {line.name!r}", line.points, size)) for line in lines),
        plane and Plane(_to_parts("The plane", plane.points, size), plane.places_mm),
    )


def _to_parts(what: str, points: Sequence[Any], size: tuple[int, int]) -> tuple[Any, ...]:
    """Points as parts of the picture that they were taken from."""
    if are_parts(points):
        return tuple(points)
    return tuple((x / size[1], y / size[0]) for x, y in scale_points(what, points, size))


def _read_size(given: object) -> tuple[int, int] | None:
    """Height and width; the file has them the other way round, as its points are."""
    if given is None:
        return None
    whole = isinstance(given, list) and len(given) == 2 and all(type(each) is int and each > 0 for each in given)
    if not isinstance(given, list) or not whole:
        raise UserError(f"'size' is [width, height] in pixels; found {given!r}.")
    return given[1], given[0]


def _read_table(key: str, given: Mapping[str, Any]) -> list[tuple[str, Any]]:
    table = given.get(key, {})
    if not isinstance(table, Mapping):
        raise UserError(f"[{key}] is a table of names with points; found {table!r}.")
    # [zones.door] with a key of its own, as other programs write it
    return [
        (name, value.get("points", value) if isinstance(value, Mapping) else value) for name, value in table.items()
    ]


def _read_plane(given: object) -> Plane:
    if not isinstance(given, Mapping):
        raise UserError(f"[plane] is a table with points and size_mm; found {given!r}.")
    _expect_keys("[plane]", given, _PLANE_KEYS)
    if "points" not in given or ("size_mm" in given) == ("places_mm" in given):
        raise UserError("[plane] has 'points', and either 'size_mm' or 'places_mm'.")
    if "places_mm" in given:
        return Plane(given["points"], given["places_mm"])
    size = given["size_mm"]
    numbers = isinstance(size, list) and len(size) == 2 and all(isinstance(each, int | float) for each in size)
    if not numbers or min(size) <= 0:
        raise UserError(f"[plane] has a 'size_mm' of [width, height] in millimetres; found {size!r}.")
    width, height = size
    return Plane(given["points"], ((0, 0), (width, 0), (width, height), (0, height)))


def _expect_keys(where: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            from difflib import get_close_matches

            near = get_close_matches(key, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(f"There is no key {key!r} in {where}; there are {', '.join(known)}.{hint}")
