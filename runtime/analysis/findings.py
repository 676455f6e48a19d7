"""What is measured in one label map: shares, regions, zones, lines, and the amount that each rule asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8
from edgeseg.multilabel import class_plane
from edgeseg.runtime.analysis.geometry import Geometry
from edgeseg.runtime.analysis.regions import MOST, RawRegion, describe_area, find_areas, find_centroid
from edgeseg.runtime.analysis.rule import COUNT, LARGEST, MM2, Rule
from edgeseg.runtime.analysis.settings import AnalysisSettings
from edgeseg.runtime.analysis.shapes import Zone
from edgeseg.runtime.frames.analysis import LineState, Region, ZoneState
from edgeseg.spec import UNKNOWN_NAMES, ModelSpec


@dataclass(frozen=True, eq=False)
class DrawnZone:
    """A zone in a label map.

    Attributes:
        name: its own.
        corners: (N, 2) float32 in the frame.
        rows, columns: where it lies.
        mask: HW uint8 of that part, 1 inside.
        pixels: how many of them are 1.
    """

    name: str
    corners: npt.NDArray[np.float32]
    rows: slice
    columns: slice
    mask: UInt8
    pixels: int


@dataclass(frozen=True, eq=False)
class Places:
    """Zones and lines as they lie in label maps of one size.

    Attributes:
        geometry: of the frames.
        zones: drawn.
        lines: by the name of each: rows and columns of its pixels.
    """

    geometry: Geometry
    zones: Mapping[str, DrawnZone]
    lines: Mapping[str, tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]

    @classmethod
    def draw(cls, size: tuple[int, int], shape: tuple[int, int], spec: ModelSpec, settings: AnalysisSettings) -> Places:
        """Draw what settings ask for.

        Raises:
            UserError: something leaves the picture.
        """
        geometry = Geometry(size, shape, spec, settings)
        zones = {zone.name: _draw_zone(zone, geometry) for zone in settings.zones}
        lines: dict[str, Any] = {}
        for line in settings.lines:
            canvas = np.zeros(geometry.shape, np.uint8)
            points = np.rint(geometry.from_frame(f"The line {line.name!r}", line.points)).astype(np.int32)
            cv2.polylines(canvas, [points[:, None]], False, 1)
            lines[line.name] = np.nonzero(canvas)
        return cls(geometry, zones, lines)


def _draw_zone(zone: Zone, geometry: Geometry) -> DrawnZone:
    what = f"The zone {zone.name!r}"
    points = geometry.from_frame(what, zone.points)
    canvas = np.zeros(geometry.shape, np.uint8)
    cv2.fillPoly(canvas, [np.rint(points * 16).astype(np.int32)[:, None]], 1, shift=4)
    left, top, width, height = cv2.boundingRect(canvas)
    rows, columns = slice(top, top + height), slice(left, left + width)
    corners = (points + 0.5) * (geometry.size[1] / geometry.shape[1], geometry.size[0] / geometry.shape[0])
    mask = np.ascontiguousarray(canvas[rows, columns])
    return DrawnZone(zone.name, corners.astype(np.float32), rows, columns, mask, max(1, cv2.countNonZero(mask)))


class Findings:
    """Measures one label map, each thing once and only when it is asked for.

    Args:
        labels: HW uint8 without the border of a letterbox.
        spec: of the network.
        places: drawn for it.
    """

    def __init__(self, labels: UInt8, spec: ModelSpec, places: Places) -> None:
        self._labels, self._spec, self._places = labels, spec, places
        self._planes: dict[int, UInt8] = {}
        self._counts: dict[tuple[int, str], int] = {}
        self._areas: dict[int, list[RawRegion]] = {}

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """Part of the picture that each class covers."""
        pixels = self._labels.size
        return {name: self._count(at, "") / pixels for at, name in enumerate(self._spec.classes)}

    def list_regions(self, classes: Sequence[int]) -> tuple[tuple[Region, ...], int]:
        """List the largest regions of some classes, and count the others."""
        found = [(raw, at) for at in classes for raw in self._find_areas(at)]
        found.sort(key=lambda each: -each[0].pixels)
        names, geometry = self._spec.classes, self._places.geometry
        listed = [describe_area(raw, geometry, at, names[at]) for raw, at in found[:MOST]]
        return tuple(self._place(region) for region in listed), max(0, len(found) - MOST)

    def describe_zones(self, regions: Sequence[Region]) -> tuple[ZoneState, ...]:
        """Measure every class in every zone, and count the regions in it."""
        return tuple(self._describe_zone(zone, regions) for zone in self._places.zones.values())

    def describe_lines(self, before: Sequence[LineState]) -> tuple[LineState, ...]:
        """Find which classes but the background touch each line, and what did not in the frame before."""
        meant = classes_with_regions(self._spec)
        touched = {line.name: line.touching for line in before}
        states = []
        for name in self._places.lines:
            touching = tuple(self._spec.classes[at] for at in meant if self._touches(at, name))
            first = tuple(each for each in touching if each not in touched.get(name, ()))
            states.append(LineState(name, touching, first))
        return tuple(states)

    def measure(self, rule: Rule) -> float:
        """Measure what a rule compares, in its own unit.

        Lines have 1 where they are touched, else 0.
        """
        at = self._spec.classes.index(rule.class_name)
        if rule.line:
            return float(self._touches(at, rule.line))
        if rule.measure == COUNT:
            return float(len(self._areas_in(at, rule.zone)))
        if rule.measure == LARGEST:
            sizes = [self._size(raw, rule) for raw in self._areas_in(at, rule.zone)]
            return max(sizes, default=0.0)
        if rule.unit in MM2:
            return self._sum_mm2(at, rule.zone) / MM2[rule.unit]
        pixels = self._count(at, rule.zone)
        return pixels * self._places.geometry.pixel_area if rule.unit == "px" else 100.0 * pixels / self._whole(rule)

    def _describe_zone(self, zone: DrawnZone, regions: Sequence[Region]) -> ZoneState:
        shares = {name: self._count(at, zone.name) / zone.pixels for at, name in enumerate(self._spec.classes)}
        counts: dict[str, int] = {}
        for region in regions:
            if zone.name in region.zones:
                counts[region.class_name] = counts.get(region.class_name, 0) + 1
        return ZoneState(zone.name, shares, counts)

    def _place(self, region: Region) -> Region:
        zones = [zone.name for zone in self._places.zones.values() if _holds(zone, region.centroid)]
        return replace(region, zones=tuple(zones)) if zones else region

    def _plane(self, index: int) -> UInt8:
        """HW uint8: not 0 where the class is."""
        if self._spec.task == "binary" and index == 1:
            return self._labels  # 0 and 1 as they are
        if index not in self._planes:
            self._planes[index] = class_plane(self._labels, self._spec, index).view(np.uint8)
        return self._planes[index]

    def _find_areas(self, index: int) -> list[RawRegion]:
        if index not in self._areas:
            self._areas[index] = find_areas(self._plane(index))
        return self._areas[index]

    def _areas_in(self, index: int, zone: str) -> list[RawRegion]:
        """Areas whose centre of mass lies in a zone; every area without one."""
        areas = self._find_areas(index)
        if not zone:
            return areas
        drawn, geometry = self._places.zones[zone], self._places.geometry
        centres = geometry.to_frame(np.array([find_centroid(raw) for raw in areas])) if areas else ()
        return [raw for raw, (x, y) in zip(areas, centres, strict=True) if _holds(drawn, (x, y))]

    def _size(self, raw: RawRegion, rule: Rule) -> float:
        if rule.unit in MM2:
            return self._places.geometry.measure_mm2(raw.contour, raw.area, raw.pixels) / MM2[rule.unit]
        if rule.unit == "px":
            return raw.pixels * self._places.geometry.pixel_area
        return 100.0 * raw.pixels / self._whole(rule)

    def _whole(self, rule: Rule) -> int:
        return self._places.zones[rule.zone].pixels if rule.zone else self._labels.size

    def _count(self, index: int, zone: str) -> int:
        """Pixels of a class, in a zone or in all."""
        if self._spec.task == "binary" and index == 0:
            whole = self._places.zones[zone].pixels if zone else self._labels.size
            return whole - self._count(1, zone)
        if (index, zone) not in self._counts:
            self._counts[index, zone] = self._count_anew(index, zone)
        return self._counts[index, zone]

    def _count_anew(self, index: int, zone: str) -> int:
        plane = self._plane(index)
        if not zone:
            return cv2.countNonZero(plane)
        drawn = self._places.zones[zone]
        return cv2.countNonZero(cv2.bitwise_and(plane[drawn.rows, drawn.columns], drawn.mask))

    def _sum_mm2(self, index: int, zone: str) -> float:
        plane, sizes = self._plane(index), self._places.geometry.pixel_sizes_mm2
        if zone:
            drawn = self._places.zones[zone]
            plane = np.asarray(cv2.bitwise_and(plane[drawn.rows, drawn.columns], drawn.mask), np.uint8)
            sizes = sizes[drawn.rows, drawn.columns]
        return cv2.mean(sizes, plane)[0] * cv2.countNonZero(plane)

    def _touches(self, index: int, line: str) -> bool:
        return bool(self._plane(index)[self._places.lines[line]].any())


def classes_with_regions(spec: ModelSpec) -> tuple[int, ...]:
    """List the classes whose connected areas mean something: all but the background.

    >>> classes_with_regions(ModelSpec("binary", ("no person", "person"), 64, 64))
    (1,)
    """
    if spec.task == "binary":
        return (1,)
    return tuple(at for at, name in enumerate(spec.classes) if name.lower() not in UNKNOWN_NAMES)


def _holds(zone: DrawnZone, point: tuple[float, float]) -> bool:
    return cv2.pointPolygonTest(zone.corners, point, False) >= 0
