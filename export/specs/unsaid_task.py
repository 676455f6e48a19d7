"""Logits of several classes, and nobody said whether a pixel has one class or any number of them.

Trained with a softmax, the logits of a pixel balance: the gradient of the cross-entropy sums to 0 over the classes, so
their sum stays near 0 and one of them is positive nearly everywhere. Trained with a sigmoid a class, all of them are
well below 0 wherever a pixel shows none. On nine networks of the first kind at most 0.7 % of the pixels had no positive
logit and the sum was at most 0.25 of the sizes; on one for sky and road 62 to 88 %, and 0.7 to 0.97. Logarithms of a
softmax are negative everywhere, but the largest is never under that of one in K.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edgeseg.errors import UnsaidError
from edgeseg.image import Float32
from edgeseg.spec import UNKNOWN_NAMES, ModelSpec

LEAST_SHARE = 0.25
MARGIN = 1.0
"""Below the smallest that the largest of K logarithms of a softmax can be. A network that was not trained, or hardly,
gives logits nearer to 0."""
LEAST_IMBALANCE = 0.5


def expect_said(path: str | Path, spec: ModelSpec, logits: list[Float32]) -> None:
    """Ask for the task where it is visible that each class may be meant alone.

    Args:
        path: the file, or what the network is called, for the message.
        spec: with the task that was taken because nobody said one.
        logits: (1, K, H, W) each, of ordinary pictures.

    Raises:
        UnsaidError: the classes look independent of each other, and none of them is a background.
    """
    if spec.task != "multiclass" or any(name.lower() in UNKNOWN_NAMES for name in spec.classes):
        return
    surely_not = -math.log(spec.num_classes) - MARGIN
    none = float(np.mean([(one < surely_not).all(1).mean() for one in logits]))
    imbalance = sum(float(np.abs(one.sum(1)).sum()) for one in logits) / sum(float(np.abs(one).sum()) for one in logits)
    if none >= LEAST_SHARE and imbalance >= LEAST_IMBALANCE:
        raise UnsaidError(
            f"{path} gives {spec.num_classes} logits a pixel, and on {100 * none:.0f} % of the pixels of test pictures "
            f"all of them are far below 0, as where each class has a sigmoid of its own and a pixel may show none of "
            f"{', '.join(spec.classes[:4])}. Say which is meant: `task='multilabel'`, or `task='multiclass'` for one "
            "class a pixel.",
            ("task",),
        )
