"""The reference itself must be worth a comparison: what is no better than one label everywhere proves nothing."""

from __future__ import annotations

from edgeseg.errors import GateFailed
from edgeseg.proof.compare import Comparison
from edgeseg.proof.samples import SYNTHETIC


def check_reference(comparison: Comparison) -> None:
    """Check that the reference tells classes apart: a model that does not can hardly be told from any other.

    Pictures whose masks show a single class (a few of many may) cannot say, and neither can synthetic ones.

    Raises:
        GateFailed: with masks, its mIoU is no better than one label everywhere; without, it gives one label everywhere.

    >>> import numpy as np
    >>> from edgeseg.metrics.confusion import Confusion
    >>> scores = Confusion(2)
    >>> scores.update(np.zeros((1, 4), np.uint8), np.uint8([[0, 0, 0, 1]]))
    >>> scores.mean_iou, scores.constant_iou
    (0.375, 0.375)
    """
    name, scores = comparison.reference.name, comparison.reference.confusion
    if comparison.labelled:
        if scores.constant_iou is not None and scores.mean_iou <= scores.constant_iou:
            raise GateFailed(
                f"{name} itself scores mIoU {scores.mean_iou:.4f} on {comparison.images} images, no better than one "
                "label everywhere, so what comes close to it proves nothing. Check `mean`, `std`, `value_range`, "
                "`color_order` and the order of the classes.",
                comparison,
            )
    elif comparison.source != SYNTHETIC and len(comparison.labels_seen) == 1:
        raise GateFailed(
            f"{name} gives every pixel of the {comparison.images} images without masks one label, so that equal masks "
            "prove nothing. Give images with `data` that show the classes; or check `mean`, `std`, `value_range` and "
            "`color_order`.",
            comparison,
        )
