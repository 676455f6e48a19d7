"""Artifacts of the fitted network, for the tests of calibration and export."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from fitted import SPEC, fitted_net, write_dataset
from shared_folder import FillOnce

from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.export.build import onnx_artifact, openvino_artifact
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.source_net import SourceNet, torch_forward
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import ExportResult, OutputOptions
from edgeseg.proof.samples import samples_from


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def source(fill_once: FillOnce) -> SourceNet:
    net = fitted_net()

    def fill(folder: Path) -> None:
        onnx.save_model(onnx_from_checkpoint(net, SPEC), str(folder / "net.onnx"))

    proto = onnx.load_model(str(fill_once("net-blobs", fill) / "net.onnx"))
    return SourceNet("blobs", SPEC, proto, torch_forward(net), "torch", {"checkpoint": "ab"})


@pytest.fixture(scope="session")
def built(
    source: SourceNet, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ExportResult, ExportResult, ExportResult]:
    """ONNX, OpenVINO and INT8 artifacts of the fitted network."""
    place = OutputOptions(tmp_path_factory.mktemp("artifacts"), source.name)
    samples = samples_from(data, source.spec)
    images = load_set(data, source.spec, 10)
    first = onnx_artifact(source, place, ["labels", "confidence", "logits"], samples)
    second = openvino_artifact(source, first.artifact, place, samples)
    return first, second, int8_artifact(second.artifact, images, place, samples, Budget(5.0, 100, 100))
