"""OpenVINO IR from the deployed ONNX graph, and reading and writing it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeseg.calibration.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.extras import require
from edgeseg.image import LETTERBOX_VALUE
from edgeseg.runtime.openvino_core import shared_core
from edgeseg.spec import ModelSpec

MODEL_API_RESIZE = {"stretch": "standard", "letterbox": "fit_to_window_letterbox"}


def ir_from_onnx(onnx_path: Path, ir_path: Path, spec: ModelSpec, outputs: Sequence[str]) -> None:
    """Convert a deployed ONNX file to ``model.xml`` and ``model.bin``, the spec in its ``rt_info``.

    With logits among the outputs, ``rt_info`` also describes the model to Intel's Model API.

    The converted model is written and not returned: OpenVINO 2026.4.1 computes wrong results when
    it compiles what ``convert_model`` gave directly and a network has a BGR to RGB reorder in front
    (the reorder is fused into the scale but not into shift and weights). Read back, it is right.

    Raises:
        ArtifactError: OpenVINO cannot convert it.
        OSError: the disk is full or the folder not writable.
        MissingExtra: OpenVINO is not installed.
    """
    with quiet():
        openvino = require("openvino", "export")
        try:
            model = openvino.convert_model(onnx_path)
        except (RuntimeError, ValueError, SystemExit) as error:
            raise ArtifactError(f"OpenVINO cannot convert this network: {str(error).strip()}") from error
    describe_ir(model, spec, outputs)
    save_ir(model, ir_path)


def describe_ir(model: Any, spec: ModelSpec, outputs: Sequence[str]) -> None:
    """Write the spec, and what Intel's Model API wants to know, into ``rt_info``."""
    model.set_rt_info(spec.to_json(), ["edgeseg", "spec"])
    if "logits" not in outputs:
        return
    for key, value in _model_api_info(spec).items():
        model.set_rt_info(value, ["model_info", key])


def read_ir(path: Path) -> Any:
    """Read an IR from an artifact that has been verified.

    Raises:
        ArtifactError: OpenVINO cannot read it.
    """
    with quiet():
        core = shared_core("export")
        try:
            return core.read_model(path)
        except RuntimeError as error:
            raise ArtifactError(f"OpenVINO cannot read {path}: {str(error).strip()}") from error


def save_ir(model: Any, path: Path) -> None:
    """Write ``model.xml`` and ``model.bin``; float constants stay float32.

    Raises:
        OSError: the disk is full or the folder not writable.
    """
    openvino = require("openvino", "export")
    try:
        openvino.save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(str(error).strip()) from error


def _model_api_info(spec: ModelSpec) -> dict[str, str]:
    """Normalisation and colour order are inside the graph, so Model API has to leave pixels alone."""
    return {
        "model_type": "Segmentation",
        "labels": " ".join(name.replace(" ", "_") for name in spec.classes),
        "layout": "image:NHWC",
        "mean_values": "",
        "scale_values": "",
        "reverse_input_channels": "False",
        "resize_type": MODEL_API_RESIZE[spec.resize],
        "pad_value": str(LETTERBOX_VALUE),
    }
