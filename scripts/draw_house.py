"""Draw ``docs/pictures/house.svg``: the rooms, their files, and who imports whom, as the code has it.

::

    python scripts/draw_house.py                    # draw this checkout
    python scripts/draw_house.py --check            # exit code 1 when the committed picture is another one
    python scripts/draw_house.py --figures [ROOT]   # files a room, arrows and circles of any checkout

Imports are read from the files, also those inside functions; nothing is imported.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PICTURE = Path("docs") / "pictures" / "house.svg"
ENTRANCES = {"edgeseg", "edgeseg.cli", "edgeseg.__main__"}
ALONE = {"edgeseg.errors", "edgeseg.dataset"}
"""Modules that count as a room: everything imports errors, which imports nothing; the dataset stands on a room."""
CORE = {"edgeseg", "edgeseg.errors", "edgeseg.console", "edgeseg.files", "edgeseg.masks", "edgeseg.assets"}
"""Drawn as one room of the first floor."""

WIDTH, MARGIN, GAP, LINE, CHARACTER = 980, 20, 46, 19, 7.2
BOX, INK, PALE, CHIP = "#f4f6f8", "#1f2933", "#7b8794", "#dde6ee"

Arrows = dict[str, set[str]]


@dataclass(frozen=True)
class House:
    """The modules of a checkout.

    Attributes:
        rooms: each module's room, which is its package.
        imports: the modules that each module imports.
    """

    rooms: Mapping[str, str]
    imports: Arrows

    def files(self) -> Counter[str]:
        """Count the files of each room, ``__init__`` not among them."""
        return Counter(room for module, room in self.rooms.items() if module != room or room in ALONE)

    def arrows(self, rooms: Mapping[str, str]) -> Arrows:
        """Lead imports between modules to arrows between what ``rooms`` says they are in."""
        found: Arrows = {room: set() for room in rooms.values()}
        for module, names in self.imports.items():
            if module not in ENTRANCES:
                found[rooms[module]] |= {rooms[name] for name in names} - {rooms[module]}
        return found


def read_house(root: Path) -> House:
    """Read the packages that ``pyproject.toml`` lists, and what their files import."""
    with (root / "pyproject.toml").open("rb") as stream:
        settings = tomllib.load(stream)["tool"]["setuptools"]
    rooms, files = {}, {}
    for package in settings["packages"]:
        top = max((name for name in settings["package-dir"] if f"{package}.".startswith(f"{name}.")), key=len)
        folder = root.joinpath(settings["package-dir"][top], *package[len(top) + 1 :].split("."))
        for path in sorted(folder.glob("*.py")):
            module = package if path.stem == "__init__" else f"{package}.{path.stem}"
            rooms[module], files[module] = module if module in ALONE else package, path
    return House(rooms, {module: set(_imported(path)) & set(rooms) - {module} for module, path in files.items()})


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def find_circles(arrows: Arrows) -> list[set[str]]:
    """Find the largest groups in which everything reaches everything else."""
    reached = {start: _reach(start, arrows) for start in arrows}
    circles: list[set[str]] = []
    for start in arrows:
        circle = {other for other in reached[start] if start in reached[other]}
        if circle and circle not in circles:
            circles.append(circle)
    return circles


def _reach(start: str, arrows: Arrows) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = arrows[waiting.pop()] - seen
        seen |= fresh
        waiting += fresh
    return seen


def describe_figures(house: House) -> str:
    """Count files a room, arrows between rooms, and circles, in a few lines."""
    counts = house.files().values()
    arrows = house.arrows(house.rooms)
    first = house.arrows({module: top_of(room) for module, room in house.rooms.items()})
    modules = {module: names for module, names in house.imports.items() if module not in ENTRANCES}
    between = {module: {name for name in names if name in modules} for module, names in modules.items()}
    sizes = [sorted(map(len, find_circles(found)), reverse=True) for found in (arrows, between)]
    return (
        f"{sum(counts)} files in {len(counts)} rooms: {statistics.median(counts):.0f} in the middle, "
        f"{max(counts)} at most\n"
        f"{sum(map(len, arrows.values()))} arrows between rooms, {sum(map(len, first.values()))} between those of the "
        f"first floor, of which there are {len(first)}\n"
        f"circles: {len(sizes[0])} of rooms {sizes[0]}, {len(sizes[1])} of files {sizes[1]}"
    )


def top_of(room: str) -> str:
    """Name the room of the first floor that a room is in."""
    top = ".".join(room.split(".")[:2])
    return "edgeseg" if top in CORE else top


def drop_implied(arrows: Arrows) -> Arrows:
    """Leave out each arrow that others make up: what a room imports may be imported above it, too."""
    return {
        room: {other for other in others if not any(other in _reach(third, arrows) for third in others - {other})}
        for room, others in arrows.items()
    }


def place_floors(arrows: Arrows) -> list[list[str]]:
    """Put each room on the lowest floor above everything that it imports."""
    floors: dict[str, int] = {}
    while len(floors) < len(arrows):
        ready = [room for room in sorted(set(arrows) - set(floors)) if arrows[room] <= set(floors)]
        if not ready:
            raise ValueError(f"These rooms import each other: {', '.join(sorted(set(arrows) - set(floors)))}.")
        for room in ready:
            floors[room] = 1 + max((floors[other] for other in arrows[room]), default=-1)
    return [sorted(room for room in floors if floors[room] == floor) for floor in range(max(floors.values()) + 1)]


@dataclass(frozen=True)
class Box:
    """A room of the first floor on the picture, in pixels."""

    room: str
    x: float
    y: float
    width: float
    lines: list[list[tuple[str, int]]]

    @property
    def height(self) -> float:
        """Height with its title."""
        return 34 + (LINE + 5) * len(self.lines)


def draw_house(house: House) -> str:
    """Draw the rooms of the first floor with their sub-rooms, upper floors above, as SVG."""
    tops = {module: top_of(room) for module, room in house.rooms.items()}
    arrows = house.arrows(tops)
    boxes, y = {}, float(MARGIN)
    for floor in reversed(place_floors(arrows)):
        row = list(_place_row(floor, house.files(), y))
        boxes.update({box.room: box for box in row})
        y += max(box.height for box in row) + GAP
    lines = [
        _draw_arrow(boxes[room], boxes[to]) for room, others in drop_implied(arrows).items() for to in sorted(others)
    ]
    height = y - GAP + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            'font-family="Helvetica, Arial, sans-serif" font-size="13">',
            f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{PALE}"/></marker></defs>',
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>',
            *sorted(lines),
            *(_draw_box(box) for box in boxes.values()),
            "</svg>\n",
        ]
    )


def _place_row(rooms: list[str], files: Counter[str], y: float) -> Iterator[Box]:
    """Share the width among the rooms of a floor by how much each has to show."""
    weights = [3 + sum(top_of(room) == top for room in files) for top in rooms]
    free = WIDTH - 2 * MARGIN - 24 * (len(rooms) - 1)
    x = float(MARGIN)
    for top, weight in zip(rooms, weights, strict=True):
        width = min(free * weight / sum(weights), 640)
        x += (free * weight / sum(weights) - width) / 2
        chips = [(_short(room, top), files[room]) for room in sorted(files) if top_of(room) == top]
        yield Box(top, x, y, width, list(_wrap(chips, width - 20)))
        x += width + 24 + (free * weight / sum(weights) - width) / 2


def _short(room: str, top: str) -> str:
    return room[len(top) + 1 :].replace(".", "/") or "files"


def _wrap(chips: Iterable[tuple[str, int]], width: float) -> Iterator[list[tuple[str, int]]]:
    line: list[tuple[str, int]] = []
    used = 0.0
    for chip in chips:
        if line and used + _chip_width(chip) > width:
            yield line
            line, used = [], 0.0
        line.append(chip)
        used += _chip_width(chip) + 6
    yield line


def _chip_width(chip: tuple[str, int]) -> float:
    return CHARACTER * (len(chip[0]) + len(str(chip[1])) + 1) + 12


def _draw_box(box: Box) -> str:
    title = "edgeseg (core)" if box.room == "edgeseg" else box.room
    parts = [
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="6" '
        f'fill="{BOX}" stroke="{INK}"/>',
        f'<text x="{box.x + 12:.0f}" y="{box.y + 20:.0f}" font-weight="bold" fill="{INK}">{escape(title)}</text>',
    ]
    for row, line in enumerate(box.lines):
        x, y = box.x + 10, box.y + 28 + row * (LINE + 5)
        for chip in line:
            parts += [
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{_chip_width(chip):.0f}" height="{LINE}" rx="4" fill="{CHIP}"/>',
                f'<text x="{x + 6:.0f}" y="{y + 14:.0f}" fill="{INK}">{escape(chip[0])} '
                f'<tspan fill="{PALE}">{chip[1]}</tspan></text>',
            ]
            x += _chip_width(chip) + 6
    return "\n".join(parts)


def _draw_arrow(upper: Box, lower: Box) -> str:
    """Draw from under the importer to the top of what it imports, each end towards the other."""
    start = _towards(upper, lower)
    end = _towards(lower, upper)
    top, bottom = upper.y + upper.height, lower.y
    bend = (bottom - top) / 2
    return (
        f'<path d="M{start:.0f} {top:.0f}C{start:.0f} {top + bend:.0f} {end:.0f} {bottom - bend:.0f} '
        f'{end:.0f} {bottom:.0f}" fill="none" stroke="{PALE}" stroke-width="1.5" marker-end="url(#tip)"/>'
    )


def _towards(box: Box, other: Box) -> float:
    middle = other.x + other.width / 2
    return min(max(middle, box.x + box.width * 0.2), box.x + box.width * 0.8)


def main() -> int:
    """Draw, check or count, as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, nargs="?", default=ROOT, help="a checkout (default: this one)")
    parser.add_argument("--check", action="store_true", help="compare with the committed picture")
    parser.add_argument("--figures", action="store_true", help="print figures instead")
    args = parser.parse_args()
    house = read_house(args.root)
    if args.figures:
        print(describe_figures(house))
        return 0
    picture, drawn = args.root / PICTURE, draw_house(house)
    if args.check:
        return int(picture.read_text(encoding="utf-8") != drawn)
    picture.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
