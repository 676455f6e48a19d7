"""Rounding weights one after the other, each error made up for by the weights that are still to come.

GPTQ (E. Frantar et al. 2022, https://arxiv.org/abs/2210.17323): what counts is not how far a weight is moved but how
far the layer's output is, and that is told by the covariance of what the layer reads. An error in one weight is taken
back by those beside it that see nearly the same. The covariance is taken about the mean here: what rounding does to
the mean of an output goes into the bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.calibration.rounding.pairs import EIGHT_BITS, Pairs
from edgeseg.image import Float32

Float64 = npt.NDArray[np.float64]

DAMPING = 0.01
"""Share of the mean variance that is added to each, so that what was hardly seen is not relied on."""


def round_weights(weights: Float32, scales: Float32, covariance: Float64, pairs: Pairs | None = None) -> Float32:
    """Round the weights of a convolution to multiples of their scales.

    Args:
        weights: (outputs, inputs of one group, rows, columns).
        scales: (outputs,), above 0.
        covariance: (groups, inputs of one group * rows * columns, the same) of what each group reads.
        pairs: a bound that neighbours have in common.

    Returns:
        Weights of the same shape, each a multiple of its scale, -127 to 127 times.
    """
    groups, size, _ = covariance.shape
    rows = weights.reshape(groups, -1, size).astype(np.float64) / scales.reshape(groups, -1, 1)
    order = np.argsort(-np.diagonal(covariance, axis1=1, axis2=2), axis=1, kind="stable")
    sorted_rows = np.take_along_axis(rows, order[:, np.newaxis], 2)
    taken = np.take_along_axis(np.take_along_axis(covariance, order[:, :, np.newaxis], 1), order[:, np.newaxis], 2)
    partners = _partners(pairs.neighbours(weights.shape[1], size // weights.shape[1]), order) if pairs else None
    codes = _round_in_turn(sorted_rows, _how_errors_spread(taken), partners, pairs.most if pairs else 0)
    found = np.empty_like(codes)
    np.put_along_axis(found, np.broadcast_to(order[:, np.newaxis], codes.shape), codes, 2)
    rounded: Float32 = (found.reshape(len(weights), -1) * scales[:, np.newaxis].astype(np.float64)).astype(np.float32)
    return rounded.reshape(weights.shape)


def _how_errors_spread(covariance: Float64) -> Float64:
    """Upper Cholesky factor of the inverse: row ``i`` says by how much later weights make up for the error of ``i``.

    Args:
        covariance: (groups, n, n).
    """
    size = covariance.shape[1]
    variance = np.trace(covariance, axis1=1, axis2=2) / size
    damped = covariance + np.eye(size) * (DAMPING * variance + np.finfo(np.float32).tiny)[:, np.newaxis, np.newaxis]
    factor: Float64 = np.linalg.cholesky(np.linalg.inv(damped)).swapaxes(1, 2)
    return factor


def _round_in_turn(rows: Float64, spread: Float64, partners: Any, most: int) -> Float64:
    """Codes of ``rows`` (groups, outputs, n), in units of the scales."""
    waiting = rows.copy()
    codes = np.zeros_like(rows)
    groups = np.arange(len(rows))
    for at in range(rows.shape[2]):
        low, high = -float(EIGHT_BITS), float(EIGHT_BITS)
        if partners is not None:
            other = codes[groups, :, partners[:, at]]  # 0 where that one is still to come
            other = np.where((partners[:, at] < 0)[:, np.newaxis], 0, other)
            low, high = np.maximum(low, -most - np.minimum(other, 0)), np.minimum(high, most - np.maximum(other, 0))
        codes[:, :, at] = np.clip(np.rint(waiting[:, :, at]), low, high)
        error = (waiting[:, :, at] - codes[:, :, at]) / spread[:, at, at, np.newaxis]
        waiting[:, :, at + 1 :] -= error[:, :, np.newaxis] * spread[:, np.newaxis, at, at + 1 :]
    return codes


def _partners(neighbours: npt.NDArray[np.int64], order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where in ``order`` (groups, n) the neighbour of each is, -1 where it has none."""
    places = np.argsort(order, axis=1)
    wanted = neighbours[order]
    found: npt.NDArray[np.int64] = np.where(wanted < 0, -1, np.take_along_axis(places, np.maximum(wanted, 0), 1))
    return found
