"""IoU by object size against an example worked by hand and a count object by object."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import DataError, UserError
from edgeseg.metrics.size_iou import SizeIoU, score_objects
from edgeseg.metrics.size_picture import size_picture


def boxes(shape: tuple[int, int], *corners: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for top, left, bottom, right in corners:
        mask[top:bottom, left:right] = 1
    return mask


# Two objects of 4x4 with a gap of 2 columns; one predicted region covers both and the gap.
TWO = boxes((4, 10), (0, 0, 4, 4), (0, 6, 4, 10))
MERGED = boxes((4, 10), (0, 0, 4, 10))


def sized(predicted: np.ndarray, truth: np.ndarray, edges: tuple[int, ...] = (10, 20), **more: int | None) -> SizeIoU:
    sizes = SizeIoU(("background", "thing"), edges=edges, **more)  # type: ignore[arg-type]
    sizes.update(predicted, truth)
    return sizes


def test_a_region_over_two_objects_is_cut_where_their_shares_meet() -> None:
    found = score_objects(MERGED > 0, TWO > 0)
    assert found.area.tolist() == [16, 16]
    assert found.hits.tolist() == [16, 16]
    assert found.union.tolist() == [20, 20]
    sizes = sized(MERGED, TWO)
    np.testing.assert_allclose(sizes.iou[1], [np.nan, 16 / 20, np.nan])
    np.testing.assert_allclose(sizes.coverage[1], [np.nan, 1, np.nan])


def test_one_object_found_and_one_missed() -> None:
    sizes = sized(boxes((4, 10), (0, 0, 4, 4)), TWO)
    assert sizes.iou[1, 1] == pytest.approx(0.5)
    assert sizes.coverage[1, 1] == pytest.approx(0.5)
    assert sizes.count.tolist() == [[1, 0, 0], [0, 2, 0]]


def test_a_false_alarm_lowers_the_nearest_object_and_no_other() -> None:
    truth = boxes((10, 40), (0, 0, 4, 4), (0, 30, 6, 36))
    predicted = truth | boxes((10, 40), (0, 5, 4, 7))
    found = score_objects(predicted > 0, truth > 0)
    ious = (found.hits / found.union).tolist()
    assert ious == [16 / 24, 1.0]
    assert sized(predicted, truth).iou[1].tolist()[1:] == [16 / 24, 1.0]


def test_prediction_where_there_is_no_object_is_stray_and_in_no_bin() -> None:
    sizes = sized(boxes((4, 10), (1, 1, 3, 4)), boxes((4, 10)))
    assert sizes.stray.tolist() == [0, 6]
    assert sizes.count[1].sum() == 0
    assert np.isnan(sizes.iou[1]).all()


def test_void_counts_nowhere() -> None:
    truth, predicted = TWO.copy(), MERGED.copy()
    truth[:, 4:6] = 255
    assert sized(predicted, truth).iou[1, 1] == 1.0
    truth[:, :4] = 255
    assert sized(predicted, truth).count[1].tolist() == [0, 1, 0]
    truth[:] = 255
    assert sized(predicted, truth).count.sum() == 0


def test_an_object_of_exactly_an_edge_is_in_the_larger_bin() -> None:
    assert sized(TWO, TWO, (16,)).count[1].tolist() == [0, 2]
    assert sized(TWO, TWO, (17,)).count[1].tolist() == [2, 0]


def brute_force(predicted: np.ndarray, truth: np.ndarray) -> list[tuple[int, int, int]]:
    """(area, hits, union) of 4x4 objects on a grid, by asking every pixel for its nearest object."""
    corners = [(y, x) for y in range(0, truth.shape[0], 12) for x in range(0, truth.shape[1], 12) if truth[y, x]]
    counted = {corner: [0, 0, 0] for corner in corners}
    for y, x in np.ndindex(*truth.shape):
        away = [max(top - y, y - top - 3, 0) ** 2 + max(left - x, x - left - 3, 0) ** 2 for top, left in corners]
        row = counted[corners[int(np.argmin(away))]]
        row[0] += int(truth[y, x])
        row[1] += int(truth[y, x] & predicted[y, x])
        row[2] += int(truth[y, x] | predicted[y, x])
    return sorted(map(tuple, counted.values()))  # type: ignore[arg-type]


def test_random_predictions_equal_a_count_pixel_by_pixel() -> None:
    rng = np.random.default_rng(8)
    truth = np.zeros((48, 60), bool)
    for y in range(0, 48, 12):
        for x in range(0, 60, 12):
            truth[y : y + 4, x : x + 4] = rng.random() < 0.6
    # Predictions stay clear of pixels about as far from one object as from another.
    predicted = truth & (rng.random(truth.shape) < 0.7)
    for top, left in np.argwhere(truth):
        around = slice(max(0, top - 2), top + 3), slice(max(0, left - 2), left + 3)
        predicted[around] |= rng.random(predicted[around].shape) < 0.05
    found = score_objects(predicted, truth)
    rows = sorted(zip(found.area.tolist(), found.hits.tolist(), found.union.tolist(), strict=True))
    assert rows == brute_force(predicted, truth)


def test_small_objects_show_what_iou_over_all_pixels_hides() -> None:
    truth = boxes((64, 64), (0, 0, 40, 40), *((50, x, 53, x + 3) for x in range(0, 60, 10)))
    predicted = boxes((64, 64), (0, 0, 40, 40))
    sizes = sized(predicted, truth, (100,))
    assert sizes.iou[1].tolist() == [0.0, 1.0]
    assert sizes.count[1].tolist() == [6, 1]


def test_overall_is_the_mean_over_the_classes_of_a_bin() -> None:
    sizes = sized(MERGED, TWO, (10, 20))
    # background: one object of 8 pixels, missed; thing: 16 of 20
    np.testing.assert_allclose(sizes.overall, [0.0, 0.8, np.nan])


def test_table_values_and_picture_agree_on_the_bins() -> None:
    sizes = sized(MERGED, TWO, (10, 1024))
    assert sizes.names == ("<3.162²", "3.162²-32²", "≥32²")
    lines = sizes.table().splitlines()
    assert lines[2].split() == ["thing", "-", "0.800", "(2)", "-"]
    assert sizes.to_dict()["classes"]["thing"] == {
        "iou": [None, 0.8, None],
        "coverage": [None, 1.0, None],
        "objects": [0, 2, 0],
        "stray_pixels": 0,
    }
    assert sizes.to_dict()["overall"] == [0.0, 0.8, None]


def test_the_picture_has_a_point_at_the_height_of_the_iou() -> None:
    drawn = size_picture(sized(MERGED, TWO), "IoU by size", ((200, 0, 0), (0, 0, 200)))
    blue = np.argwhere((drawn == (200, 0, 0)).all(2))
    low, high = (60 + 260 - round(260 * value) for value in (0.7, 0.9))
    assert ((blue[:, 0] > high) & (blue[:, 0] < low)).any()


def test_bins_that_do_not_grow_and_maps_of_different_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="growing areas"):
        SizeIoU(("a", "b"), edges=(10, 10))
    with pytest.raises(DataError, match=r"\(4, 10\) and truth \(4, 9\)"):
        sized(TWO, TWO[:, :9])
