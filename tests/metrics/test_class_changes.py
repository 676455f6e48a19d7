"""A class or an object that goes is noticed, however small its share of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from edgeseg.metrics.class_changes import ClassChange, count_objects, find_worst

UInt8 = npt.NDArray[np.uint8]
CLASSES = ("background", "car", "pole")
SIZE = (240, 320)


def scene(*squares: tuple[int, int, int, int]) -> UInt8:
    """Squares of (class, row, column, side) on background."""
    labels = np.zeros(SIZE, np.uint8)
    for label, row, column, side in squares:
        labels[row : row + side, column : column + side] = label
    return labels


@dataclass(frozen=True)
class Counted:
    """What a comparison adds up over pictures."""

    classes: list[ClassChange]

    @property
    def worst(self) -> ClassChange | None:
        return find_worst(self.classes)


def count(*pairs: tuple[UInt8, UInt8], pixels: int = SIZE[0] * SIZE[1]) -> Counted:
    objects = sum(count_objects(before, after, len(CLASSES), pixels) for before, after in pairs)
    areas = [[sum(int((pair[side] == label).sum()) for pair in pairs) for label in range(3)] for side in (0, 1)]
    rows = np.array([*areas, *objects]).T  # type: ignore[misc]
    found = [ClassChange(name, *map(int, row)) for name, row in zip(CLASSES, rows, strict=True)]
    return Counted([one for one in found if one.area])


def test_equal_masks_changed_nothing() -> None:
    labels = scene((1, 10, 10, 30), (2, 100, 100, 8))
    worst = count((labels, labels)).worst
    assert worst is not None
    assert worst.percent == 0
    assert [one.name for one in count((labels, labels)).classes] == ["background", "car", "pole"]


def test_a_class_of_few_pixels_that_goes_has_vanished() -> None:
    full, empty = scene((1, 0, 0, 4)), scene()
    found = count((full, empty), (empty, empty))
    worst = found.worst
    assert worst is not None
    assert (worst.name, worst.vanished, worst.percent) == ("car", True, 100)
    assert 16 / (2 * full.size) < 0.0003
    assert str(worst) == "the class car has vanished: 16 pixels in the reference, none now"


def test_objects_that_go_are_counted_where_the_area_hardly_changes() -> None:
    large = (1, 0, 0, 100)
    before = scene(large, *((1, 120, 20 * n, 10) for n in range(9)))
    worst = count((before, scene(large, *((1, 120, 20 * n, 10) for n in range(7))))).worst
    assert worst is not None
    assert (worst.objects, worst.went, worst.came) == (10, 2, 0)
    assert worst.percent == pytest.approx(20)
    assert 1 - worst.area_after / worst.area < 0.02


def test_an_object_that_moved_is_lost_and_another_invented() -> None:
    worst = count((scene((1, 0, 0, 20)), scene((1, 100, 100, 20)))).worst
    assert worst is not None
    assert (worst.area, worst.area_after, worst.went, worst.came) == (400, 400, 1, 1)
    assert worst.percent == 100


def test_objects_that_nobody_saw_before_are_changes_too() -> None:
    before = scene((1, 0, 0, 40))
    worst = count((before, scene((1, 0, 0, 40), (1, 100, 100, 10)))).worst
    assert worst is not None
    assert (worst.went, worst.came, worst.percent) == (0, 1, 100)
    assert str(worst) == "of the class car 1600 pixels became 1700, of 1 objects 0 went and 1 came"


def test_specks_are_no_objects_and_count_by_their_area() -> None:
    before = scene((1, 0, 0, 60), *((1, 120, 20 * n, 7) for n in range(9)))
    found = count((before, scene((1, 0, 0, 60)))).worst
    assert found is not None
    assert (found.objects, found.went) == (1, 0)
    assert found.percent == pytest.approx(100 * 9 * 49 / (3600 + 9 * 49))


def test_a_speck_is_one_of_the_network_not_of_the_picture() -> None:
    before, after = scene((1, 0, 0, 16), (1, 100, 100, 40)), scene((1, 100, 100, 40))
    coarse, fine = (count((before, after), pixels=pixels).worst for pixels in (60 * 80, 240 * 320))
    assert coarse is not None
    assert fine is not None
    assert (coarse.objects, coarse.went) == (1, 0)  # 16x16 pixels of the picture are 4x4 of the network
    assert (fine.objects, fine.went) == (2, 1)


def test_pixels_too_few_to_tell_are_not_judged() -> None:
    changes = count((scene((1, 0, 0, 3)), scene()))
    assert changes.worst is not None
    assert changes.worst.name == "background"
    assert changes.classes[1].vanished


def test_a_class_the_reference_never_shows_is_not_judged() -> None:
    assert [one.name for one in count((scene(), scene((2, 0, 0, 50)))).classes] == ["background"]


def test_masks_that_overlap_are_counted_by_class() -> None:
    sky, road = scene((1, 0, 0, 50)), scene((2, 20, 20, 50))
    counts = count_objects(sky | road, sky, 2, sky.size, "multilabel")
    assert counts.T.tolist() == [[1, 0, 0], [1, 1, 0]]
