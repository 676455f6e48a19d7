"""fp32 artifacts of the network with a planted outlier."""

from __future__ import annotations

from pathlib import Path

import pytest
from fitted import SPEC
from planted import chain_net, with_outlier

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.export.build import onnx_artifact, openvino_artifact
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.source_net import SourceNet, torch_forward
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import samples_from, synthetic_samples


@pytest.fixture(scope="session")
def outlier(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """fp32 artifacts by format of what they are the parent of."""
    net = with_outlier(chain_net())
    source = SourceNet("planted", SPEC, onnx_from_checkpoint(net, SPEC), torch_forward(net), "torch", {})
    place, samples = OutputOptions(tmp_path_factory.mktemp("planted"), "planted"), synthetic_samples(SPEC)
    onnx = onnx_artifact(source, place, None, samples)
    openvino = openvino_artifact(source, onnx.artifact, place, samples)
    return {"openvino": openvino.artifact, "onnx": onnx.artifact, "tensorrt": onnx.artifact}


@pytest.fixture(scope="session")
def images(data: Path):
    return load_set(data, SPEC, 10)


@pytest.fixture(scope="session")
def samples(data: Path):
    return samples_from(data, SPEC)
