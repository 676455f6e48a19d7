"""Opening models for a trace."""

from __future__ import annotations

from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.calibration.equalisation.ir_equalised import exponents_by_tensor
from edgeseg.calibration.equalisation.record import read_from_ir, read_from_onnx
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.console.extras import require
from edgeseg.errors import UserError
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.source.model_kinds import CHECKPOINT_SUFFIXES
from edgeseg.export.source.onnx_file import embedded_spec, read_onnx
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.own_source import torch_forward
from edgeseg.export.trace.form import LOGITS, Form
from edgeseg.export.trace.onnx_form import OnnxForm
from edgeseg.export.trace.openvino_form import OpenVinoForm
from edgeseg.export.trace.own_units import InOwnUnits
from edgeseg.files.unfinished import scratch_directory
from edgeseg.formats import ModelFormat, find_format, format_names, usable_formats
from edgeseg.graphs.ir_file import read_ir
from edgeseg.runtime.engines.engine import LABELS, open_engine
from edgeseg.runtime.engines.logits import gives_logits_alone
from edgeseg.spec import ModelSpec


def open_traced_models(paths: list[Path]) -> tuple[list[Form], ModelSpec]:
    """Open checkpoints and artifacts, the reference first.

    A TensorRT artifact is read in ONNX Runtime with its optimisations off.

    Raises:
        UserError: fewer than two, a quantised reference, or models of other classes or input sizes.
        ArtifactError, CheckpointError: one cannot be opened, or is meant for another engine.
    """
    if len(paths) < 2:
        raise UserError("`trace=True` compares a reference with at least one other model; only one was given.")
    opened = [_open(path) for path in paths]
    reference, spec = opened[0]
    if reference.quantised:
        raise UserError(f"{paths[0]} is INT8; a trace starts from float. Put the checkpoint or fp32 artifact first.")
    for path, (_, other) in zip(paths, opened, strict=True):
        if _contract(other) != _contract(spec):
            raise UserError(
                f"{path} has the classes {', '.join(other.classes)} at {other.height}x{other.width}; the reference "
                f"{paths[0]} has {', '.join(spec.classes)} at {spec.height}x{spec.width}. Layers can be compared where "
                "these are the same."
            )
    return [form for form, _ in opened], spec


def onnx_form(path: Path, engine: str, name: str | None = None) -> Form:
    """Open any deployed ONNX file in an engine of one's choice; for developers, no tag is looked at.

    The command line refuses a quantised file in another engine than its own. This shows what
    happens there.

    Args:
        path: an ONNX file with the tensors of ``docs/architecture.md`` and a spec inside.
        engine: a format; ``tensorrt`` is ONNX Runtime with its optimisations off.
        name: what tables call it.

    Raises:
        UserError: an unknown engine, or a file without a spec.
        ArtifactError: it cannot be read or converted.
    """
    model_format = _traceable(engine)
    name = name or f"{path.name} in {engine}"
    model = read_onnx(path)
    if not model_format.convert:
        return _load_form(model_format, path, name)
    if (spec := embedded_spec(model)) is None:
        raise UserError(f"{path} carries no spec; it is not a deployed graph of edgeseg.")
    with scratch_directory() as folder:
        model_format.load("convert")(path, folder, spec, [output.name for output in model.graph.output])
        return InOwnUnits(_load_form(model_format, folder / model_format.model_file, name), read_from_onnx(model))


def optimised_onnx_form(path: Path, name: str) -> Form:
    """Open a deployed ONNX file in ONNX Runtime as it is run."""
    model = read_onnx(path)
    return InOwnUnits(OnnxForm(name, model, fused=True), read_from_onnx(model))


def exact_onnx_form(path: Path, name: str) -> Form:
    """Open a deployed ONNX file in ONNX Runtime without optimisations, which stands in for TensorRT."""
    model = read_onnx(path)
    return InOwnUnits(OnnxForm(name, model, fused=False), read_from_onnx(model))


def openvino_form(path: Path, name: str) -> Form:
    """Open an OpenVINO IR."""
    model = read_ir(path)
    return InOwnUnits(OpenVinoForm(name, model), exponents_by_tensor(model, read_from_ir(model)))


def checkpoint_form(path: Path) -> tuple[Form, ModelSpec]:
    """Open a checkpoint: its layers by way of ONNX, its logits by torch itself."""
    require("torch", "export")
    from edgeseg.training.checkpoint import load_model

    loaded = load_model(path)
    graph = deployed_graph(onnx_from_checkpoint(loaded.model, loaded.spec), loaded.spec, (LABELS, LOGITS))
    return OnnxForm("torch", graph, forward=torch_forward(loaded.model)), loaded.spec


def _open(path: Path) -> tuple[Form, ModelSpec]:
    if path.suffix in CHECKPOINT_SUFFIXES and not path.is_dir():
        return checkpoint_form(path)
    artifact = Artifact.open(path)
    if gives_logits_alone(artifact):
        raise UserError(
            f"{artifact.path} gives logits alone, and a trace compares labels too. Export it again with "
            "`outputs=('labels', 'logits')`; the layers are the same."
        )
    model_format = _traceable(artifact.format)
    engine = quantizer_for(artifact.format).open_proof(artifact) if model_format.quantizer else open_engine(artifact)
    engine.close()  # every refusal of its own engine
    form = _load_form(model_format, artifact.model_path, f"{artifact.format} {artifact.precision}")
    return form, artifact.spec


def _traceable(name: str) -> ModelFormat:
    """Find a format whose layers can be compared; raises UserError for another."""
    if name in format_names() and (found := find_format(name)).trace:
        return found
    able = ", ".join(one.name for one in usable_formats() if one.trace)
    raise UserError(
        f"There is no engine {name!r} to trace in; there is {able}. Compare whole masks without `trace=True`."
    )


def _load_form(model_format: ModelFormat, path: Path, name: str) -> Form:
    form: Form = model_format.load("trace")(path, name)
    return form


def _contract(spec: ModelSpec) -> tuple[object, ...]:
    return spec.classes, spec.height, spec.width, spec.channels
