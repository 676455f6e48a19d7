"""Which layers quantisation hurts: a cheap ranking, to be confirmed by measured IoU.

Each layer in turn is the only one that is quantised, and its noise is read at the logits, where it
counts; noise at a layer's own output says nothing about what later layers make of it. And it is held
against the margin by which each pixel's label won: noise where the network is sure moves no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.quantizer import InFloat, Logits
from edgeseg.image import UInt8

PROBES = 6
TINY = 1e-12
Float64 = npt.NDArray[np.float64]


def layer_risk(
    model: InFloat, tensors: Sequence[UInt8], on_layer: Callable[[], object] = lambda: None, independent: bool = False
) -> dict[str, float]:
    """Share of the pixels that are at risk when a layer is the only one quantised, by layer; see :func:`at_risk`.

    Where classes are ``independent`` of each other (multilabel), each pixel of each class is one.
    """
    everything = frozenset(model.layers)

    def read(kept: frozenset[str]) -> list[Logits]:
        found = model.logits(kept, tensors)
        return [one.reshape(-1, 1, *one.shape[-2:]) for one in found] if independent else found

    signal = read(everything)
    risk = {}
    for layer in model.layers:
        risk[layer] = at_risk(read(everything - {layer}), signal)
        on_layer()
    return risk


def at_risk(found: Sequence[Logits], wanted: Sequence[Logits]) -> float:
    """Compute the mean over the pixels of (noise / margin)^2, at most 1 a pixel; 0 is no noise, NaN what is not finite.

    Noise is the distance between the two vectors of logits without what all classes share, the
    margin that of the best logit from the next. It is a smooth count of labels that change, so that
    layers compare even where none changes on the few images that are looked at. Measured on SINet:
    with 47 of 95 layers in float, person masks agreed to 0.984 IoU when layers were ranked so, and to
    0.979 when they were ranked by noise over signal.

    Args:
        found: (N, K, H, W) logits with noise, K = 1 for a binary task; each with its image.
        wanted: the same without.
    """
    pairs = zip(found, wanted, strict=True)
    return float(np.mean([np.minimum(1.0, _noise(a, b) / np.maximum(_margin(b), TINY)).mean() for a, b in pairs]))


def _noise(found: Logits, wanted: Logits) -> Float64:
    """Square of the distance, (N, H, W)."""
    apart = found.astype(np.float64) - wanted
    if _many(wanted):
        apart -= apart.mean(1, keepdims=True)  # ArgMax does not see it
    return np.asarray(np.square(apart).sum(1))


def _margin(logits: Logits) -> Float64:
    """Square of the distance to another label, (N, H, W)."""
    if not _many(logits):
        return np.asarray(np.square(logits.astype(np.float64)).sum(1))
    best = np.partition(logits.astype(np.float64), -2, 1)
    return np.asarray(np.square(best[:, -1] - best[:, -2]))


def _many(logits: Logits) -> bool:
    return logits.ndim == 4 and logits.shape[1] > 1


def ranking(risk: Mapping[str, float]) -> tuple[str, ...]:
    """Order layers, those that risk most first; what is not a number risks more than all."""
    return tuple(sorted(risk, key=lambda layer: -np.nan_to_num(risk[layer], nan=np.inf)))


def probes(images: CalibrationSet, count: int = PROBES) -> list[UInt8]:
    """Read network inputs of a few of the calibration images."""
    return [images.tensor(path) for path in images.images[:count]]
