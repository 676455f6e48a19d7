"""Layers of a Q/DQ file in float again, by writing the file again: the quantizer remembers its ranges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.quantizer import Quantizer
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.graphs.cut_labels import LOGITS, expose_logits
from edgeseg.graphs.onnx_graph import load_graph
from edgeseg.image import UInt8
from edgeseg.runtime.engines.ort_session import NOTHING, open_session


class OnnxQuantizer(Quantizer, Protocol):
    """A quantizer that starts from ONNX and writes ONNX."""

    def encode(self, parent: Artifact, images: CalibrationSet, recipe: Recipe) -> Any:
        """Quantise in memory, for exact arithmetic alone: what the engine makes of it is not checked."""


class OnnxInFloat:
    """See :class:`~edgeseg.calibration.quantizers.quantizer.InFloat`."""

    def __init__(self, quantizer: OnnxQuantizer, parent: Artifact, images: CalibrationSet, recipe: Recipe) -> None:
        self._quantizer, self._parent, self._images, self._recipe = quantizer, parent, images, recipe
        self.layers = tuple(name for name in quantizer.layers(parent) if name not in recipe.keep_float)

    def logits(self, kept: Collection[str], tensors: Sequence[UInt8]) -> list[npt.NDArray[np.float32]]:
        """Compute logits with ``kept`` in float; see :class:`~edgeseg.calibration.search.sensitivity.InFloat`."""
        if set(kept) >= set(self.layers):
            model = load_graph(self._parent.model_path)
        else:
            model = self._quantizer.encode(self._parent, self._images, self._keeping(kept))
        session = _session_to_logits(model)
        return [session.run([LOGITS], {"image": tensor})[0] for tensor in tensors]

    def write(self, kept: Collection[str], out: Path) -> None:
        """Quantise anew into ``out`` with the layers ``kept`` in float."""
        self._quantizer.quantize(self._parent, self._images, self._keeping(kept), out, lambda: None)

    def _keeping(self, kept: Collection[str]) -> Recipe:
        return self._recipe.keeping(self._recipe.keep_float | set(kept))


def _session_to_logits(model: Any) -> Any:
    """ONNX Runtime without optimisations, which computes Q/DQ exactly, with the logits as an output."""
    return open_session(expose_logits(model).SerializeToString(), NOTHING)
