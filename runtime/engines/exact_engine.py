"""ONNX Runtime with all optimisations off: quantised graphs computed as ONNX defines them.

Nothing is fused, so no int8 kernel saturates and no rewrite changes a rounding. It is slow, needs
no GPU, and stands in for TensorRT wherever there is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import LABELS, TENSORRT
from edgeseg.runtime.engines.ort_engine import OrtEngine


class ExactEngine(OrtEngine):
    """A TensorRT artifact, computed by ONNX Runtime without optimisations on the CPU."""

    model_format = runs_for = TENSORRT
    is_optimised = False


def exact_agreement(model_path: Path, pictures: list[UInt8]) -> float:
    """Measure the part of all pixels, 0..1, that ONNX Runtime's default optimisations leave as they are without any.

    Args:
        model_path: a deployed graph.
        pictures: network inputs, (1, H, W, C) uint8.
    """
    deployed, exact = _session(model_path, is_optimised=True), _session(model_path, is_optimised=False)
    equal = [np.mean(_labels(deployed, picture) == _labels(exact, picture)) for picture in pictures]
    return float(np.mean(equal))


def _session(model_path: Path, is_optimised: bool) -> Any:
    ort = require("onnxruntime", "onnxruntime")
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not is_optimised:
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(model_path), settings, providers=["CPUExecutionProvider"])


def _labels(session: Any, picture: UInt8) -> Any:
    return session.run([LABELS], {"image": picture})[0]
