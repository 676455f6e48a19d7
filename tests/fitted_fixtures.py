"""Artifacts of the fitted network, for the tests of calibration and export."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from fitted import SPEC, fitted_net, write_dataset
from shared_folder import FillOnce

from edgeseg.calibration.quantization import Quantization
from edgeseg.export.forms import ExportOptions, export_forms
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.own_source import torch_forward
from edgeseg.export.source.source_net import SourceNet
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import ExportResult, OutputOptions


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
    int8 = Quantization(data, data, count=10, budget=Budget(5.0, 100, 100))
    options = ExportOptions(outputs=("labels", "confidence", "logits"), data=data, int8=int8)
    first, second, third = export_forms(source, options, place)
    return first, second, third
