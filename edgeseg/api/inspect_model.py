"""What is inside a checkpoint, an ONNX file, an engine file or an artifact?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeseg.artifact import MANIFEST, Artifact, find_model
from edgeseg.console.extras import require
from edgeseg.errors import EnvironmentFault, UserError

CHECKPOINTS = (".pt", ".pth")


def inspect_model(path: str | Path, *, layers: bool = False, times: bool = False) -> dict[str, Any]:
    """Say what a file or an artifact holds, in plain values for JSON.

    Args:
        path: an artifact's folder, or a ``.onnx``, ``.pt`` or engine file.
        layers: every layer of an artifact with the precision that it is executed in here.
        times: what each of them takes here, and why where it is not what it should be; see
            :func:`edgeseg.runtime.measure.executed.execute_layers`.

    Raises:
        UserError: nothing is there.
        ArtifactError, CheckpointError: it is damaged, or something else.
        MissingExtra: the package that reads it is not installed.
    """
    path = find_model(Path(path))
    if times and path.is_file() and not (path.parent / MANIFEST).is_file():
        raise UserError(f"`times` are of an artifact, which an engine runs; {path} is a file. Export it first.")
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
    values = _artifact(path, layers)
    return {**values, "times": _times(path)} if times else values


def _artifact(path: Path, layers: bool) -> dict[str, Any]:
    from edgeseg.runtime.engines.placement import proven_placements

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
        "proven": list(map(str, proven_placements(artifact))),
        "toolchain": dict(artifact.toolchain),
    }


def _times(path: Path) -> list[dict[str, Any]]:
    from edgeseg.runtime.measure.executed import execute_layers

    return [layer.to_dict() for layer in execute_layers(Artifact.open(path))]


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
        return {"executed": f"unknown: {error}"}
    values: dict[str, Any] = {"executed": headline(found), "kinds": summary(found)}
    if every:
        values["each"] = {layer.name: f"{layer.kind}  {layer.precision}  {layer.kernel}" for layer in found}
    return values


def _checkpoint(path: Path) -> dict[str, Any]:
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
        "spec": spec.to_dict() if spec else None,
    }


def _shape(value: Any) -> str:
    import onnx

    tensor = value.type.tensor_type
    sides = [str(side.dim_param or side.dim_value or "?") for side in tensor.shape.dim]
    return f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()} [{', '.join(sides)}]"
