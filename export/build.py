"""From a source network to artifacts on disk, each verified before it takes its name."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from edgeseg.artifact import MANIFEST, Artifact, artifact_dir, write_manifest, writing_artifact
from edgeseg.calibration.calibration_set import CalibrationSet
from edgeseg.calibration.int8_ir_from_ir import ALGORITHM, int8_ir_from_ir
from edgeseg.calibration.progress import Progress, no_progress
from edgeseg.errors import ArtifactError
from edgeseg.export.compare import Comparison, Stage, compare, finite
from edgeseg.export.deployed_graph import deployed_graph, deployed_outputs
from edgeseg.export.gates import check_drop, check_parity
from edgeseg.export.ir_from_onnx import describe_ir, ir_from_onnx, read_ir, save_ir
from edgeseg.export.reference_engine import ReferenceEngine
from edgeseg.export.samples import Samples
from edgeseg.export.source_net import SourceNet
from edgeseg.export.toolchain import cpu_name, toolchain
from edgeseg.files import sha256_of
from edgeseg.runtime.engine import open_engine
from edgeseg.runtime.predict import Predictor

PARITY_IMAGES = 16


@dataclass(frozen=True)
class Built:
    """A published artifact and the comparison that let it pass."""

    artifact: Artifact
    comparison: Comparison


@dataclass(frozen=True)
class Place:
    """Where artifacts go and what they are called."""

    out: Path
    name: str
    progress: Progress = field(default=no_progress)


def onnx_artifact(source: SourceNet, place: Place, outputs: Sequence[str] | None, samples: Samples) -> Built:
    """Write ``<name>-fp32-onnx/``.

    Raises:
        GateFailed: its masks differ from the source's.
        OutputError: it cannot be written. In both cases nothing is left.
    """
    path = artifact_dir(place.out, place.name, "fp32", "onnx")
    outputs = deployed_outputs(source.spec, outputs)
    manifest = _manifest(place.name, "fp32", "onnx", source, outputs)
    with writing_artifact(path, manifest) as staged:
        onnx.save_model(deployed_graph(source.proto, source.spec, outputs), str(staged / "model.onnx"))
        comparison = _parity(source, staged, manifest, samples, place.progress)
    return Built(Artifact.open(path), comparison)


def openvino_artifact(source: SourceNet, parent: Artifact, place: Place, samples: Samples) -> Built:
    """Write ``<name>-fp32-openvino/`` from the ONNX artifact of the same source.

    Raises:
        GateFailed: its masks differ from the source's.
        OutputError: it cannot be written. In both cases nothing is left.
    """
    path = artifact_dir(place.out, place.name, "fp32", "openvino")
    manifest = _manifest(place.name, "fp32", "openvino", source, parent.outputs)
    manifest["parents"]["fp32-onnx"] = parent.files[parent.model_path.name]
    with writing_artifact(path, manifest) as staged:
        ir_from_onnx(parent.model_path, staged / "model.xml", source.spec, parent.outputs)
        comparison = _parity(source, staged, manifest, samples, place.progress)
    return Built(Artifact.open(path), comparison)


def int8_artifact(parent: Artifact, images: CalibrationSet, place: Place, samples: Samples, max_drop: float) -> Built:
    """Write ``<name>-int8-openvino/`` from an fp32 OpenVINO artifact.

    Raises:
        ArtifactError: the parent is something else, or NNCF refuses it.
        GateFailed: INT8 lost more than ``max_drop`` points of mIoU. An INT8 artifact that was
            there before stays as it was; otherwise there is none.
    """
    _expect_fp32_openvino(parent)
    path = artifact_dir(place.out, place.name, "int8", "openvino")
    manifest = _int8_manifest(parent, images, place.name)
    with writing_artifact(path, manifest) as staged:
        with place.progress("calibrate", len(images)) as tick:
            quantised = int8_ir_from_ir(read_ir(parent.model_path), images, tick)
        describe_ir(quantised, parent.spec, parent.outputs)
        save_ir(quantised, staged / "model.xml")
        with contextlib.ExitStack() as stack, place.progress("verify int8", len(samples)) as tick:
            stages = [
                artifact_stage(parent, stack, "openvino fp32"),
                artifact_stage(_opened(staged, manifest), stack, "openvino int8"),
            ]
            comparison = compare(stages, samples, parent.spec, tick)
        manifest["measured"] = _int8_measured(comparison, max_drop)
        check_drop(comparison, max_drop)
    return Built(Artifact.open(path), comparison)


def reference_stage(source: SourceNet) -> Stage:
    """The source network itself, through the same predictor as the artifacts."""
    return Stage(source.stage, Predictor(ReferenceEngine(source.forward, source.spec)))


def artifact_stage(artifact: Artifact, stack: contextlib.ExitStack, name: str | None = None) -> Stage:
    """An artifact in its engine; ``stack`` closes it."""
    name = name or f"{artifact.format} {artifact.precision}"
    return Stage(name, stack.enter_context(Predictor(open_engine(artifact))))


def _expect_fp32_openvino(parent: Artifact) -> None:
    if (parent.format, parent.precision) != ("openvino", "fp32"):
        raise ArtifactError(
            f"{parent.path} is {parent.precision} {parent.format}; calibration starts from an fp32 OpenVINO artifact. "
            "Make one with: edgeseg export MODEL --format openvino"
        )


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
        "toolchain": toolchain(),
    }


def _int8_manifest(parent: Artifact, images: CalibrationSet, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "precision": "int8",
        "format": "openvino",
        "spec": parent.spec,
        "outputs": list(parent.outputs),
        "parents": {**parent.parents, "fp32-openvino": sha256_of(parent.path / MANIFEST)},
        "calibration": {**images.describe(), "algorithm": ALGORITHM},
        "toolchain": {**parent.toolchain, **toolchain()},
    }


def _opened(staged: Path, manifest: Mapping[str, Any]) -> Artifact:
    write_manifest(staged, manifest)
    return Artifact.open(staged)


def _parity(
    source: SourceNet, staged: Path, manifest: dict[str, Any], samples: Samples, progress: Progress
) -> Comparison:
    probes = samples.spread(PARITY_IMAGES)
    with contextlib.ExitStack() as stack, progress(f"verify {manifest['format']}", len(probes)) as tick:
        stages = [reference_stage(source), artifact_stage(_opened(staged, manifest), stack)]
        comparison = compare(stages, probes, source.spec, tick)
    check_parity(comparison)
    manifest["measured"] = {**comparison.to_dict(), "cpu": cpu_name()}
    return comparison


def _int8_measured(comparison: Comparison, max_drop: float) -> dict[str, Any]:
    before, after = comparison.stages
    return {
        **comparison.to_dict(),
        "iou": {"fp32": finite(before.confusion.mean_iou), "int8": finite(after.confusion.mean_iou)},
        "drop_points": finite(comparison.drop(after)),
        "max_drop_points": max_drop,
        "agreement": finite(after.agreement),
        "cpu": cpu_name(),
    }
