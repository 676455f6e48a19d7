"""Which layers quantisation hurts: a cheap ranking, to be confirmed by measured IoU.

Each layer in turn is the only one that is quantised, and its noise is read at the logits, where it
counts; noise at a layer's own output says nothing about what later layers make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact
from edgeseg.calibration.calibration_set import CalibrationSet
from edgeseg.calibration.encoding import Encoding
from edgeseg.calibration.recipe import Recipe
from edgeseg.image import UInt8

PROBES = 6
Logits = npt.NDArray[np.float32]


class InFloat(Protocol):
    """A quantised model whose layers can be given back what they compute in float.

    Attributes:
        layers: names of what is quantised, in the order of computation.
    """

    layers: tuple[str, ...]

    def logits(self, kept: Collection[str], tensors: Sequence[UInt8]) -> list[Logits]:
        """What the network says before ArgMax or the threshold, with the layers ``kept`` in float.

        Args:
            kept: of :attr:`layers`; all of them is the float model.
            tensors: network inputs (1, H, W, C).
        """

    def write(self, kept: Collection[str], out: Path) -> None:
        """Write the model file with the layers ``kept`` in float into the directory ``out``.

        Raises:
            OSError: the disk is full.
        """


def in_float_of(
    encoding: Encoding, parent: Artifact, plain: Artifact, images: CalibrationSet, recipe: Recipe
) -> InFloat:
    """The way back to float for ``plain``, which was quantised from ``parent``."""
    if encoding.format == "openvino":
        from edgeseg.calibration.ir_in_float import IrInFloat

        return IrInFloat(parent, plain)
    from edgeseg.calibration.onnx_in_float import OnnxInFloat

    return OnnxInFloat(encoding, parent, images, recipe)


def layer_noise(
    model: InFloat, tensors: Sequence[UInt8], on_layer: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """Noise-to-signal ratio at the logits when a layer is the only one quantised, by layer."""
    everything = frozenset(model.layers)
    signal = model.logits(everything, tensors)
    noise = {}
    for layer in model.layers:
        noise[layer] = noise_to_signal(model.logits(everything - {layer}, tensors), signal)
        on_layer()
    return noise


def noise_to_signal(found: Sequence[Logits], wanted: Sequence[Logits]) -> float:
    """Power of the difference over power of the signal; what all classes share is neither."""
    power = sum(float(np.square(_centred(b)).sum()) for b in wanted)
    noise = sum(float(np.square(_centred(a - b)).sum()) for a, b in zip(found, wanted, strict=True))
    return noise / power if power else float(noise > 0)


def _centred(logits: Logits) -> Logits:
    """ArgMax does not see what is added to all classes alike; a single logit is left as it is."""
    if logits.ndim < 4 or logits.shape[1] == 1:
        return logits
    return np.asarray(logits - logits.mean(1, keepdims=True), np.float32)


def ranking(noise: Mapping[str, float]) -> tuple[str, ...]:
    """Layers, the noisiest first; what is not a number is noisier than all."""
    return tuple(sorted(noise, key=lambda layer: -np.nan_to_num(noise[layer], nan=np.inf)))


def probes(images: CalibrationSet, count: int = PROBES) -> list[UInt8]:
    """Network inputs of a few of the calibration images."""
    return [images.tensor(path) for path in images.images[:count]]
