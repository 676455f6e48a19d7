"""Every network of the registry on a real GPU: the engine's masks are those that were proven on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exported_nets import ExportNet
from fitted import scene
from tensorrt_artifacts import why_no_gpu
from tensorrt_zoo import SPEC, artifact_of, every_precision

from edgeseg.artifact import Artifact, writing_artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.image import fit
from edgeseg.models.registry import MODELS
from edgeseg.runtime.engines.engine import Engine, EngineOptions, open_engine
from edgeseg.runtime.engines.exact_engine import ExactEngine

pytestmark = [pytest.mark.gpu, pytest.mark.slow, pytest.mark.skipif(bool(why_no_gpu()), reason=why_no_gpu())]
SAME = {"fp32": 0.99, "fp32 half": 0.98, "int8": 0.95, "int8 half": 0.95}
"""Share of the pixels: TensorFloat-32, float16 and the order of sums move near ties of networks with random weights."""


def artifact_for(onnx_file: Path, precision: str, folder: Path) -> Artifact:
    outputs = ["labels", "confidence", "logits"]
    manifest = {"name": "zoo", "precision": precision, "format": "tensorrt", "spec": SPEC, "outputs": outputs}
    with writing_artifact(folder, manifest) as staged:
        (staged / "model.onnx").write_bytes(onnx_file.read_bytes())
    return Artifact.open(folder)


def labels(engine: Engine) -> list[np.ndarray]:
    slot, found = engine.open_slot(), []
    for seed in range(4):
        fit(scene(seed)[0], SPEC, out=slot.input)
        found.append(slot.run().labels.copy())
    engine.close()
    return found


@pytest.mark.parametrize("name", MODELS)
def test_masks_are_those_of_the_cpu(name: str, data: Path, exported: ExportNet, tmp_path: Path) -> None:
    files = every_precision(artifact_of(name, exported, tmp_path), load_set(data, SPEC, 4), tmp_path)
    for what, path in files.items():
        precision = {"fp32 half": "fp16"}.get(what, what.split()[0])
        artifact = artifact_for(path, precision, tmp_path / f"out-{what}")
        wanted = labels(ExactEngine(artifact, EngineOptions()))
        found = labels(open_engine(artifact, "cuda:0", cache_dir=tmp_path / "engines"))
        assert np.mean(np.stack(wanted) == np.stack(found)) >= SAME[what], what
