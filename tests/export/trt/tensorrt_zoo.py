"""Every network of the registry as the ONNX files that TensorRT is given."""

from __future__ import annotations

from pathlib import Path

import onnx
from exported_nets import ExportNet

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.calibration.quantizers.recipe import USUAL
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.graphs.half_from_float import half_graph
from edgeseg.graphs.onnx_graph import load_graph
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b", "c"), 64, 96)


def artifact_of(name: str, exported: ExportNet, folder: Path) -> Artifact:
    """A small network with random weights as an fp32 ONNX artifact."""
    proto = exported(name, SPEC).proto
    path = artifact_dir(folder, name, "fp32", "onnx")
    outputs = ["labels", "confidence", "logits"]
    manifest = {"name": name, "precision": "fp32", "format": "onnx", "spec": SPEC, "outputs": outputs}
    with writing_artifact(path, manifest) as staged:
        onnx.save_model(deployed_graph(proto, SPEC, outputs), str(staged / "model.onnx"))
    return Artifact.open(path)


def every_precision(parent: Artifact, images: CalibrationSet, folder: Path) -> dict[str, Path]:
    """ONNX files by what they are: ``fp32``, ``fp32 half``, ``int8``, ``int8 half``."""
    (folder / "int8").mkdir()
    quantizer_for("tensorrt").quantize(parent, images, USUAL, folder / "int8", lambda: None)
    files = {"fp32": parent.model_path, "int8": folder / "int8" / "model.onnx"}
    return {**files, **{f"{name} half": halved(path, folder / f"{name}-half") for name, path in files.items()}}


def halved(path: Path, folder: Path) -> Path:
    folder.mkdir()
    model, _ = half_graph(load_graph(path))
    onnx.save_model(model, str(folder / "model.onnx"))
    return folder / "model.onnx"
