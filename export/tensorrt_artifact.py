"""A proven ONNX artifact as one for TensorRT: the file that every device builds its own engine from."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from edgeseg.artifact import MANIFEST, Artifact, artifact_dir, writing_artifact
from edgeseg.errors import ArtifactError
from edgeseg.export.graphs.half_from_float import Kept, half_graph
from edgeseg.graphs.cut_labels import size_before_bytes
from edgeseg.graphs.onnx_graph import load_graph
from edgeseg.graphs.tensorrt_lint import expect_clean
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, compare
from edgeseg.proof.image_record import write_record
from edgeseg.proof.judges.gates import check_budget, check_parity
from edgeseg.proof.kept_masks import KeptMasks
from edgeseg.proof.publishing import ExportResult, OutputOptions, artifact_stage, open_staged
from edgeseg.proof.samples import Samples
from edgeseg.proof.toolchain import toolchain
from edgeseg.runtime.engines.engine import ENGINE_KEY, TENSORRT, EngineOptions
from edgeseg.runtime.engines.exact_engine import ExactEngine
from edgeseg.runtime.engines.logits import expect_labels
from edgeseg.runtime.system.machine import this_cpu
from edgeseg.runtime.trt.build_settings import FILE, BuildSettings

PROBES = 16


def tensorrt_artifact(
    parent: Artifact,
    place: OutputOptions,
    samples: Samples,
    settings: BuildSettings,
    half: bool = False,
    budget: Budget | None = None,
) -> ExportResult:
    """Write ``<name>-fp32|fp16|int8-tensorrt/``: an ONNX file that TensorRT takes as it is, and how to build it.

    The masks are proven in ONNX Runtime without optimisations, which stands in for TensorRT where there is no GPU.

    Args:
        parent: an fp32 ``onnx`` artifact, or an INT8 ``tensorrt`` artifact, which is replaced.
        samples: what the masks are compared on.
        settings: kept in the artifact, obeyed by every device that builds from it.
        half: float16 wherever it is safe; with INT8 this asks for TensorRT 10 or newer.
        budget: what float16 may lose; default: what INT8 may.

    Raises:
        ArtifactError: another parent, or a graph that TensorRT would refuse.
        GateFailed: the masks differ by more than allowed. Nothing was written then.
        OutputError: it cannot be written.
    """
    precision = _precision(parent, half)
    path = artifact_dir(place.out, place.name, precision, TENSORRT)
    manifest = _manifest(parent, place.name, precision)
    with writing_artifact(path, manifest) as staged:
        kept = _write_model(parent, staged, half)
        _copy_others(parent, staged)
        _write_settings(staged, settings, half, kept)
        probes = samples if samples.labelled and half else samples.spread(PROBES)
        masks = KeptMasks()
        comparison = _compare(parent, open_staged(staged, manifest), probes, place, masks)
        if half:
            check_budget(comparison, budget or Budget())
        else:
            check_parity(comparison)
        manifest["measured"] = _describe_measured(parent, comparison, probes, half)
        if half or parent.precision == "fp32":
            said = write_record(staged, comparison, parent.spec.task, masks)
            (manifest["measured"].get("half") or manifest["measured"])["left_out"] = said
    return ExportResult(Artifact.open(path), comparison)


def finish_tensorrt(
    int8: ExportResult,
    place: OutputOptions,
    samples: Samples,
    settings: BuildSettings,
    half: bool = False,
    budget: Budget | None = None,
) -> ExportResult:
    """Write ``settings``, and float16 where ``half`` asks for it, into an INT8 artifact, which keeps its proof.

    Arguments and errors are those of :func:`tensorrt_artifact`.
    """
    made = tensorrt_artifact(int8.artifact, place, samples, settings, half, budget)
    return made if half else dataclasses.replace(int8, artifact=made.artifact)


def _precision(parent: Artifact, half: bool) -> str:
    expect_labels(parent, TENSORRT)
    if (parent.format, parent.precision) == ("onnx", "fp32"):
        return "fp16" if half else "fp32"
    if (parent.format, parent.precision) == (TENSORRT, "int8"):
        return "int8"
    raise ArtifactError(
        f"{parent.path} is {parent.precision} {parent.format}; TensorRT starts from an fp32 onnx artifact or its own "
        f"INT8. Make one with: `edgeseg.export_model(MODEL, format='tensorrt')`"
    )


def _manifest(parent: Artifact, name: str, precision: str) -> dict[str, Any]:
    parents = {**parent.parents, f"{parent.precision}-{parent.format}": parent.files[parent.model_path.name]}
    return {
        "name": name,
        "precision": precision,
        "format": TENSORRT,
        "spec": parent.spec,
        "outputs": list(parent.outputs),
        "parents": parents if parent.format == "onnx" else dict(parent.parents),
        "calibration": dict(parent.calibration),
        "toolchain": {**parent.toolchain, **toolchain()},
    }


def _write_model(parent: Artifact, staged: Path, half: bool) -> list[Kept]:
    kept: list[Kept] = []
    model = onnx.load_model(str(parent.model_path))
    if half:
        model, kept = half_graph(load_graph(parent.model_path))
    size_before_bytes(model)
    _floats_before_bytes(model)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, {**metadata, ENGINE_KEY: TENSORRT})
    expect_clean(model)
    onnx.save_model(model, str(staged / "model.onnx"))
    return kept


def _floats_before_bytes(model: onnx.ModelProto) -> None:
    """Put a Cast to float32 before every Cast from something else to uint8.

    The parser of TensorRT 8.6 refuses others, and NVIDIA documents conversions to uint8 from float alone. Labels are
    whole numbers up to 255, so nothing is rounded.
    """
    kinds = _kinds(model)
    nodes = []
    for node in model.graph.node:
        is_byte = node.op_type == "Cast" and any(a.name == "to" and a.i == TensorProto.UINT8 for a in node.attribute)
        if is_byte and kinds.get(node.input[0]) not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            name = f"{node.input[0]}/float"
            nodes.append(helper.make_node("Cast", [node.input[0]], [name], f"{node.name}_float", to=TensorProto.FLOAT))
            node.input[0] = name
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _kinds(model: onnx.ModelProto) -> dict[str, int]:
    """ONNX element type of every tensor."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    known = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    return {info.name: info.type.tensor_type.elem_type for info in known}


def _copy_others(parent: Artifact, staged: Path) -> None:
    """The report of an INT8 artifact."""
    for name in set(parent.files) - {parent.model_path.name, FILE, MANIFEST}:
        if parent.format == TENSORRT:
            shutil.copyfile(parent.path / name, staged / name)


def _write_settings(staged: Path, settings: BuildSettings, half: bool, kept: list[Kept]) -> None:
    values = {**settings.to_dict(), "half": half, "float32": [dataclasses.asdict(one) for one in kept]}
    (staged / FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _compare(parent: Artifact, made: Artifact, probes: Samples, place: OutputOptions, masks: KeptMasks) -> Comparison:
    with contextlib.ExitStack() as stack, place.progress(f"verify {made.precision} tensorrt", len(probes)) as tick:
        exact = ExactEngine(parent, EngineOptions()) if parent.format == TENSORRT else None
        reference = artifact_stage(parent, stack, f"{parent.format} {parent.precision}", exact)
        stand_in = ExactEngine(made, EngineOptions())
        stage = artifact_stage(made, stack, f"{TENSORRT} {made.precision}", stand_in)
        return compare([reference, stage], probes, made.spec, tick, masks)


def _describe_measured(parent: Artifact, comparison: Comparison, probes: Samples, half: bool) -> dict[str, Any]:
    found = {**comparison.to_dict(), **probes.evidence(), "cpu": this_cpu().name}
    if parent.precision == "fp32":
        return found
    return {**parent.measured, "half": found} if half else dict(parent.measured)
