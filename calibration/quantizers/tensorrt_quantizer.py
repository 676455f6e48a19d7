"""INT8 for TensorRT: signed symmetric Q/DQ, one weight scale a channel, biases and the last layer in float.

Only the inputs of layers with weights are quantised, as NVIDIA advises for explicit quantisation: TensorRT
then fuses a convolution with the ReLU or sum behind it and writes INT8 at the end of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.qdq_from_onnx import QdqStyle
from edgeseg.calibration.quantizers.qdq_quantizer import QdqQuantizer
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.formats import TENSORRT
from edgeseg.graphs.cut_labels import size_before_bytes
from edgeseg.graphs.tensorrt_lint import expect_clean
from edgeseg.runtime.engines.engine import Engine, EngineOptions
from edgeseg.runtime.engines.exact_engine import ExactEngine

STYLE = QdqStyle("QInt8", "QInt8", ("Conv", "ConvTranspose", "Gemm", "MatMul"), symmetric=True, float_bias=True)


class TensorRtQuantizer(QdqQuantizer):
    """See :class:`~edgeseg.calibration.quantizers.quantizer.Quantizer`."""

    format, engine = TENSORRT.name, TENSORRT.tag
    style = STYLE
    proof_note = (
        "Proven in ONNX Runtime with all graph optimisations off, which computes the INT8 file exactly and stands in "
        "for TensorRT; check the engine once more on the device."
    )

    def open_proof(self, artifact: Artifact) -> Engine:
        """Open ONNX Runtime without optimisations, which computes as the file says."""
        return ExactEngine(artifact, EngineOptions())

    def _encode(
        self, model: Any, ranges: Any, recipe: Recipe, images: CalibrationSet, rounded: Any
    ) -> tuple[Any, Mapping[str, Any]]:
        quantised, encoding = super()._encode(model, ranges, recipe, images, rounded)
        size_before_bytes(quantised)
        return quantised, encoding

    def _check(self, quantised: Any, path: Path, images: CalibrationSet) -> Mapping[str, Any]:
        expect_clean(quantised)
        return {"engine": self.engine}
