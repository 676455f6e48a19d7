"""OpenVINO IR from the deployed ONNX graph."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import onnx

from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.export.graphs.ir_argmax import replace_argmax
from edgeseg.export.graphs.ir_repeat import replace_repeats
from edgeseg.formats import OPENVINO
from edgeseg.graphs.ir_file import describe_ir, save_ir
from edgeseg.spec import ModelSpec

UNKNOWN = re.compile(r"No conversion rule found for operations: (.*)")


def ir_from_onnx(onnx_path: Path, ir_path: Path, spec: ModelSpec, outputs: Sequence[str]) -> None:
    """Convert a deployed ONNX file to ``model.xml`` and ``model.bin``, the spec in its ``rt_info``.

    With logits as the only output, ``rt_info`` also describes the model to Intel's Model API.

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
        failures = _failures()
        try:
            model = openvino.convert_model(onnx_path)
        except failures as error:
            raise ArtifactError(_refusal(str(error), onnx_path)) from error
    replace_argmax(model)
    replace_repeats(model)
    describe_ir(model, spec, outputs)
    save_ir(model, ir_path)


def convert_to_ir(onnx_path: Path, folder: Path, spec: ModelSpec, outputs: Sequence[str]) -> None:
    """Write the IR of a deployed ONNX file into a folder, see :func:`ir_from_onnx`."""
    ir_from_onnx(onnx_path, folder / OPENVINO.model_file, spec, outputs)


def _failures() -> tuple[type[BaseException], ...]:
    """OpenVINO's frontend exceptions have no common base of their own."""
    frontend = require("openvino.frontend", "export")
    kinds = [kind for kind in vars(frontend).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, RuntimeError, ValueError, SystemExit)


def _refusal(said: str, onnx_path: Path) -> str:
    """A sentence with the operations that OpenVINO lacks and the nodes that are one, where it names any."""
    if (found := UNKNOWN.search(said)) is None:
        return f"OpenVINO cannot convert this network: {said.strip()}"
    lacking = {name.strip().rpartition("-")[0] for name in found.group(1).split(",")}
    nodes = [node for node in onnx.load(str(onnx_path)).graph.node if node.op_type in lacking]
    listed = ", ".join(f"{node.op_type} (node {node.name or node.output[0]!r})" for node in nodes[:5])
    return (
        f"OpenVINO does not have {listed or ', '.join(sorted(lacking))}. Export the model without that operation, or "
        "use `format='onnx'`, which ONNX Runtime runs."
    )
