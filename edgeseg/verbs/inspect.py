"""``edgeseg inspect``: what is inside a checkpoint, an ONNX file, an engine file or an artifact."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeseg.console.command import edgeseg_command
from edgeseg.console.terminal import say_lines, visible
from edgeseg.console.wording import reword
from edgeseg.errors import EnvironmentFault, UserError
from edgeseg.verbs import inspect_levels

CHECKPOINTS = (".pt", ".pth")

EXAMPLES = (
    "edgeseg inspect ARTIFACT --layers",
    "edgeseg inspect best.pt --levels --data DIR",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="artifact directory, .onnx, .pt or .engine file")
    output = parser.add_argument_group("output")
    output.add_argument("--layers", action="store_true", help="list every layer with its precision")
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    inspect_levels.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.levels:
        return inspect_levels.run(args)
    values = _inspect(args.file, args.layers)
    say_lines(json.dumps(values, indent=2, default=str) if args.json else "\n".join(map(visible, _lines(values))))
    return 0


def _inspect(path: Path, layers: bool) -> dict[str, Any]:
    from edgeseg.artifact import MANIFEST
    from edgeseg.runtime.trt.engine_file import SUFFIXES, inspect_engine_file

    if not path.exists():
        raise UserError(f"There is no {path}. Give an artifact directory, an .onnx file or a .pt checkpoint.")
    if path.is_file() and not (path.parent / MANIFEST).is_file():
        if path.suffix in CHECKPOINTS:
            return _checkpoint(path)
        if path.suffix == ".onnx":
            return _onnx(path)
        if path.suffix in SUFFIXES:
            return inspect_engine_file(path).to_dict()
    return _artifact(path, layers)


def _artifact(path: Path, layers: bool) -> dict[str, Any]:
    from edgeseg.artifact import Artifact

    artifact = Artifact.open(path)
    return {
        "artifact": str(artifact.path),
        "name": artifact.name,
        "format": artifact.format,
        "precision": artifact.precision,
        "bytes": artifact.size_bytes,
        "verified": "every file has the digest that was written",
        "outputs": list(artifact.outputs),
        "spec": artifact.spec.to_dict(),
        "layers": _layers(artifact, layers),
        "files": dict(artifact.files),
        "parents": dict(artifact.parents),
        "calibration": dict(artifact.calibration),
        "measured": dict(artifact.measured),
        "toolchain": dict(artifact.toolchain),
    }


def _layers(artifact: Any, every: bool) -> dict[str, Any]:
    """Precisions as executed here; a machine that cannot execute the artifact says so instead."""
    from edgeseg.formats import find_format
    from edgeseg.runtime.measure.layer_precision import headline, summary

    model_format = find_format(artifact.format)
    if not model_format.layers:
        return {"executed": f"{model_format.layers_untold}; the file's precision is {artifact.precision}"}
    try:
        found = model_format.load("layers")(artifact)
    except EnvironmentFault as error:
        return {"executed": f"unknown: {reword(str(error))}"}
    values: dict[str, Any] = {"executed": headline(found), "kinds": summary(found)}
    if every:
        values["each"] = {layer.name: f"{layer.kind}  {layer.precision}  {layer.kernel}" for layer in found}
    return values


def _checkpoint(path: Path) -> dict[str, Any]:
    from edgeseg.console.extras import require

    require("torch", "train")
    from edgeseg.training.checkpoint import load_model

    loaded = load_model(path)
    return {
        "checkpoint": str(path),
        "sha256": loaded.digest,
        "network": dict(loaded.architecture),
        "weights": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "spec": loaded.spec.to_dict(),
        "training": dict(loaded.training),
    }


def _onnx(path: Path) -> dict[str, Any]:
    from edgeseg.console.extras import require

    require("onnx", "export")
    from edgeseg.export.source.onnx_file import embedded_spec, open_onnx

    file = open_onnx(path)
    model = file.model
    spec = embedded_spec(model)
    constants = {constant.name for constant in model.graph.initializer}
    operations: dict[str, int] = {}
    for node in model.graph.node:
        operations[node.op_type] = operations.get(node.op_type, 0) + 1
    return {
        "onnx": str(path),
        "sha256": file.sha256,
        **({"weights beside it": file.beside} if file.beside else {}),
        "opset": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "inputs": {value.name: _shape(value) for value in model.graph.input if value.name not in constants},
        "outputs": {value.name: _shape(value) for value in model.graph.output},
        "operations": dict(sorted(operations.items())),
        "spec": spec.to_dict() if spec else f"none: {edgeseg_command('export', path)} says which flags give one",
    }


def _shape(value: Any) -> str:
    import onnx

    tensor = value.type.tensor_type
    sides = [str(side.dim_param or side.dim_value or "?") for side in tensor.shape.dim]
    return f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()} [{', '.join(sides)}]"


def _lines(values: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    wide = max((len(str(key)) for key in values), default=0)
    indent = "  " * depth
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}"
            yield from _lines(value, depth + 1)
        else:
            yield f"{indent}{key!s:<{wide}}  {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) if not isinstance(item, list | tuple) else str(tuple(item)) for item in value)
    if value is None or value == {}:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
