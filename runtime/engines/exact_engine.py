"""ONNX Runtime with all optimisations off: quantised graphs computed as ONNX defines them.

Nothing is fused, so no int8 kernel saturates and no rewrite changes a rounding. It is slow, needs
no GPU, and stands in for TensorRT wherever there is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import LABELS, TENSORRT
from edgeseg.runtime.engines.logits import LOGITS, labels_of_logits
from edgeseg.runtime.engines.ort_engine import OrtEngine
from edgeseg.runtime.engines.ort_session import EVERYTHING, FLOAT_KERNELS, NOTHING, open_session
from edgeseg.spec import ModelSpec


class ExactEngine(OrtEngine):
    """A TensorRT artifact, computed by ONNX Runtime without optimisations on the CPU."""

    model_format = runs_for = TENSORRT
    optimisation = NOTHING


def exact_agreement(model_path: Path, pictures: list[UInt8]) -> float:
    """Measure the part of all pixels, 0..1, that ONNX Runtime's default optimisations leave as they are without any.

    Args:
        model_path: a deployed graph.
        pictures: network inputs, (1, H, W, C) uint8.
    """
    return _agreement(model_path, pictures, EVERYTHING)


def rounding_agreement(model_path: Path, pictures: list[UInt8]) -> float:
    """Measure the part of all pixels, 0..1, that keep their label when the same sums are added in another order.

    Both ways use float kernels, so no INT8 kernel has a part in it: what differs began with codes that lay so
    close between two integers that the last bit of a float decided. As :func:`exact_agreement` else.
    """
    return _agreement(model_path, pictures, FLOAT_KERNELS)


def _agreement(model_path: Path, pictures: list[UInt8], optimisation: str) -> float:
    other, exact = (_open(model_path, one) for one in (optimisation, NOTHING))
    equal = [np.mean(_labels(other, picture) == _labels(exact, picture)) for picture in pictures]
    return float(np.mean(equal))


def _open(model_path: Path, optimisation: str) -> Any:
    return open_session(model_path, optimisation, spins=False, extra="onnxruntime")


def _labels(session: Any, picture: UInt8) -> Any:
    """Labels, found here where the graph gives logits alone."""
    if LABELS in {output.name for output in session.get_outputs()}:
        return session.run([LABELS], {"image": picture})[0]
    spec = ModelSpec.from_json(session.get_modelmeta().custom_metadata_map["edgeseg.spec"])
    return labels_of_logits(session.run([LOGITS], {"image": picture})[0][0], spec)[None]
