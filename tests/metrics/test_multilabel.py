"""Multilabel scores are those of each class's own binary mask."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import DataError
from edgeseg.image import UInt8
from edgeseg.metrics.boundary_iou import BoundaryIoU
from edgeseg.metrics.confusion import Confusion
from edgeseg.metrics.multilabel import make_boundary, make_confusion, make_sizes
from edgeseg.metrics.size_iou import SizeIoU
from edgeseg.multilabel import unpack_planes

CLASSES = 3


def blobs(seed: int) -> UInt8:
    """Labels of three classes that overlap, in areas rather than in single pixels."""
    coarse = np.random.default_rng(seed).integers(0, 1 << CLASSES, (6, 8), dtype=np.uint8)
    return np.kron(coarse, np.ones((9, 7), np.uint8))


def pair() -> tuple[UInt8, UInt8]:
    """Prediction and truth, some of it void."""
    truth = blobs(1)
    truth[:9, :20] = 255
    return blobs(2), truth


def plane(labels: UInt8, index: int, void: UInt8) -> UInt8:
    """The class alone as a binary mask, void where the truth is."""
    return np.where(void == 255, np.uint8(255), unpack_planes(labels, CLASSES)[index])


@pytest.mark.parametrize("index", range(CLASSES))
def test_each_class_scores_as_its_mask_alone(index: int) -> None:
    predicted, truth = pair()
    ours, alone = make_confusion("multilabel", CLASSES), Confusion(2)
    outlines, outline = make_boundary("multilabel", CLASSES), BoundaryIoU(2)
    sizes, size = make_sizes("multilabel", ("a", "b", "c")), SizeIoU(("not", "it"))
    mask, true = unpack_planes(predicted, CLASSES)[index], plane(truth, index, truth)
    for several, one in ((ours, alone), (outlines, outline), (sizes, size)):
        several.update(predicted, truth)  # type: ignore[attr-defined]
        one.update(mask, true)  # type: ignore[attr-defined]
    assert ours.iou[index] == alone.iou[1]
    assert ours.dice[index] == alone.dice[1]
    assert outlines.iou[index] == outline.iou[1]
    assert 0 < outlines.iou[index] < 1
    assert np.array_equal(sizes.iou[index], size.iou[1], equal_nan=True)


def test_void_pixels_count_for_no_class() -> None:
    predicted, truth = pair()
    counts = make_confusion("multilabel", CLASSES)
    counts.update(predicted, truth)
    assert set(counts.counts.sum(1)) == {np.count_nonzero(truth != 255)}


def test_accuracy_is_the_share_of_right_answers() -> None:
    counts = make_confusion("multilabel", 2)
    counts.update(np.uint8([[0b00, 0b01]]), np.uint8([[0b00, 0b10]]))
    assert counts.pixel_accuracy == 0.5


def test_a_class_that_is_nowhere_has_no_score() -> None:
    counts = make_confusion("multilabel", 2)
    counts.update(np.uint8([[1, 0]]), np.uint8([[1, 0]]))
    assert counts.iou[0] == 1
    assert np.isnan(counts.iou[1])
    assert counts.mean_iou == 1


def test_a_value_that_is_no_set_of_classes_is_refused() -> None:
    with pytest.raises(DataError, match="holds the value 4"):
        make_confusion("multilabel", 2).update(np.uint8([[0]]), np.uint8([[4]]))


def test_all_bits_may_be_classes_where_nothing_is_void() -> None:
    counts = make_confusion("multilabel", 8, None)
    counts.update(np.uint8([[255, 1]]), np.uint8([[255, 255]]))
    assert counts.iou.tolist() == [1, *[0.5] * 7]
