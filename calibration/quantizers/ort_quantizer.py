"""INT8 for ONNX Runtime on CPUs: unsigned activations, signed weights of seven bits, one scale a channel.

On x86 the fast kernels multiply unsigned with signed bytes. Without VNNI they add two products in 16
bits, and weights of eight bits overflow there without a word; with seven bits the sum is 255 * 64 * 2 at most,
which fits. ``benchmarks/ort_encodings.py`` compares with the other ways to encode.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.qdq_from_onnx import QdqStyle
from edgeseg.calibration.quantizers.qdq_quantizer import QdqQuantizer
from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError
from edgeseg.formats import ONNX
from edgeseg.runtime.engines.engine import Engine, open_engine
from edgeseg.runtime.engines.exact_engine import exact_agreement

STYLE = QdqStyle(
    "QUInt8",
    "QInt8",
    # ONNX Runtime has no INT8 kernel for ConvTranspose.
    ("Conv", "Gemm", "MatMul"),
    # What makes their inputs writes INT8 then; a sum in between that stays in float costs all that INT8 wins.
    ("Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool", "Resize"),
    reduce_range=True,
)
MIN_AGREEMENT = 0.98
CHECKED_IMAGES = 2
SEVEN_BITS = 64


class OrtQuantizer(QdqQuantizer):
    """See :class:`~edgeseg.calibration.quantizers.quantizer.Quantizer`."""

    format, engine = ONNX.name, ONNX.tag
    style = STYLE

    def open_proof(self, artifact: Artifact) -> Engine:
        """Open ONNX Runtime itself."""
        return open_engine(artifact)

    def _check(self, quantised: Any, path: Path, images: CalibrationSet) -> Mapping[str, Any]:
        expect_seven_bits(quantised)
        agreement = exact_agreement(path, [images.tensor(image) for image in images.images[:CHECKED_IMAGES]])
        if agreement < MIN_AGREEMENT:
            raise ArtifactError(
                f"ONNX Runtime's optimised INT8 kernels give {100 * (1 - agreement):.2f} % of the pixels another label "
                "than exact arithmetic does on this machine, so the file is not trusted. Use `format='openvino'`, and "
                "please report this network."
            )
        return {"engine": self.engine, "exact_agreement": agreement}


def expect_seven_bits(model: Any) -> None:
    """Raise ArtifactError when a signed weight could overflow 16-bit sums on CPUs without VNNI."""
    to_array = require("onnx.numpy_helper", "export").to_array
    for tensor in model.graph.initializer:
        values = to_array(tensor)
        if values.dtype == np.int8 and values.ndim > 1 and np.abs(values.astype(int)).max(initial=0) > SEVEN_BITS:
            raise ArtifactError(
                f"The weights {tensor.name} use eight bits, which overflow in ONNX Runtime on CPUs without VNNI. "
                "Please report this network."
            )
