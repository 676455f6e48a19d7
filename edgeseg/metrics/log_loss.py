"""LogLoss of a predicted foreground probability, pixel by pixel (numpy).

The losses that train work on logits and need no clipping (``losses.py``); this one scores
probabilities that are already there, from any tool.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError

Float64 = npt.NDArray[np.float64]

CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1: a pixel that is surely wrong costs 16.1, not infinity."""


def log_loss_map(probabilities: npt.ArrayLike, truth: npt.ArrayLike) -> Float64:
    """Compute ``-y ln p - (1 - y) ln(1 - p)`` of each pixel.

    Args:
        probabilities: P(foreground), any shape, 0..1; clipped to :data:`CLIP` .. 1 - :data:`CLIP`.
        truth: 0 or 1, the same shape.

    Raises:
        DataError: the shapes differ, a probability is outside 0..1 or NaN, or the truth holds another value.
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(truth)
    if p.shape != y.shape:
        raise DataError(f"Probabilities {p.shape} and truth {y.shape} differ in shape.")
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError(f"Probabilities must be 0..1; found {np.nanmin(p):.3g} to {np.nanmax(p):.3g}.")
    if not np.isin(y, (0, 1)).all():
        raise DataError(f"The truth must be 0 or 1; found {np.setdiff1d(y, (0, 1))[0]}.")
    p = np.clip(p, CLIP, 1 - CLIP)
    return np.asarray(-np.where(y == 1, np.log(p), np.log1p(-p)), np.float64)


def log_loss(probabilities: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Compute the mean of :func:`log_loss_map`."""
    return float(log_loss_map(probabilities, truth).mean())
