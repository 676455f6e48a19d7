"""From a source network to artifacts on disk, each verified before it takes its name."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.calibration.quantizers.recipe import TUNED
from edgeseg.console.progress import Progress
from edgeseg.export.graphs.deployed_graph import deployed_graph, deployed_outputs
from edgeseg.export.source.reference_engine import ReferenceEngine
from edgeseg.export.source.source_net import SourceNet
from edgeseg.formats import ONNX, OPENVINO, ModelFormat
from edgeseg.proof.compare import Comparison, compare
from edgeseg.proof.image_record import write_record
from edgeseg.proof.judges.gates import check_parity
from edgeseg.proof.kept_masks import KeptMasks
from edgeseg.proof.publishing import ExportResult, OutputOptions, artifact_stage, engine_stage, open_staged
from edgeseg.proof.samples import Samples
from edgeseg.proof.stage import Stage
from edgeseg.proof.toolchain import toolchain
from edgeseg.runtime.system.machine import this_cpu

PARITY_IMAGES = 16


def onnx_artifact(
    source: SourceNet, place: OutputOptions, outputs: Sequence[str] | None, samples: Samples
) -> ExportResult:
    """Write ``<name>-fp32-onnx/``.

    Raises:
        GateFailed: its masks differ from the source's.
        OutputError: it cannot be written. In both cases nothing is left.
    """
    path = artifact_dir(place.out, place.name, "fp32", ONNX.name)
    outputs = deployed_outputs(source.spec, outputs)
    manifest = _manifest(place.name, "fp32", ONNX.name, source, outputs)
    with writing_artifact(path, manifest) as staged:
        onnx.save_model(deployed_graph(source.proto, source.spec, outputs), str(staged / ONNX.model_file))
        comparison = _parity(source, staged, manifest, samples, place.progress)
    return ExportResult(Artifact.open(path), comparison, notes=_name_exporter(source))


def _name_exporter(source: SourceNet) -> tuple[str, ...]:
    """Say what wrote the ONNX file, and why where it was not the first that was tried."""
    exporter, why = (source.origin.get(name) for name in ("exporter", "exporter_because"))
    if exporter is None:
        return ()
    return (f"{exporter} wrote the ONNX file{f', because {why}' if why else '.'}",)


def openvino_artifact(source: SourceNet, parent: Artifact, place: OutputOptions, samples: Samples) -> ExportResult:
    """Write ``<name>-fp32-openvino/``, see :func:`converted_artifact`."""
    return converted_artifact(source, parent, place, samples, OPENVINO)


def converted_artifact(
    source: SourceNet, parent: Artifact, place: OutputOptions, samples: Samples, model_format: ModelFormat
) -> ExportResult:
    """Write ``<name>-fp32-<format>/`` from the ONNX artifact of the same source.

    Args:
        source: the network, for the comparison.
        parent: what is converted.
        place: where it goes.
        samples: what the masks are compared on.
        model_format: one with a ``convert`` of its own.

    Raises:
        GateFailed: its masks differ from the source's.
        OutputError: it cannot be written. In both cases nothing is left.
    """
    path = artifact_dir(place.out, place.name, "fp32", model_format.name)
    manifest = _manifest(place.name, "fp32", model_format.name, source, parent.outputs)
    manifest["parents"]["fp32-onnx"] = parent.files[parent.model_path.name]
    with writing_artifact(path, manifest) as staged:
        model_format.load("convert")(parent.model_path, staged, source.spec, parent.outputs)
        comparison = _parity(source, staged, manifest, samples, place.progress)
    return ExportResult(Artifact.open(path), comparison)


def reference_stage(source: SourceNet) -> Stage:
    """Make a stage of the source network itself, through the same predictor as the artifacts."""
    return engine_stage(source.stage, ReferenceEngine(source.forward, source.spec, source.predict))


def _manifest(
    name: str, precision: str, model_format: str, source: SourceNet, outputs: Sequence[str]
) -> dict[str, Any]:
    return {
        "name": name,
        "precision": precision,
        "format": model_format,
        "spec": source.spec,
        "outputs": list(outputs),
        "parents": dict(source.parents),
        "toolchain": toolchain(model_format),
    }


def _parity(
    source: SourceNet, staged: Path, manifest: dict[str, Any], samples: Samples, progress: Progress
) -> Comparison:
    probes, masks = samples.spread(PARITY_IMAGES), KeptMasks()
    with contextlib.ExitStack() as stack, progress(f"verify {manifest['format']}", len(probes)) as tick:
        stages = [reference_stage(source), artifact_stage(open_staged(staged, manifest), stack)]
        comparison = compare(stages, probes, source.spec, tick, masks)
    check_parity(comparison)
    manifest["measured"] = {**comparison.to_dict(), **probes.evidence(), "cpu": this_cpu().name}
    manifest["measured"]["left_out"] = write_record(staged, comparison, source.spec.task, masks)
    if source.origin:
        manifest["measured"]["origin"] = dict(source.origin)
    if source.trained_on is not None:
        manifest["measured"]["trained_on"] = dict(source.trained_on)
    if source.is_tuned:
        manifest["measured"][TUNED] = True
    if source.cut is not None:
        manifest["measured"]["dropped_levels"] = source.cut.to_dict()
    if source.depth is not None:
        manifest["measured"]["depth"] = source.depth
    return comparison
