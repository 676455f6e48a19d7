"""fp32 artifacts of the network with a planted outlier."""

from __future__ import annotations

from pathlib import Path

import pytest
from fitted import SPEC
from planted import ChainNet, chain_net, with_outlier

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.proof.samples import samples_from


@pytest.fixture(scope="session")
def outlier(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """fp32 artifacts by format of what they are the parent of."""
    return _export(chain_net(), tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="session")
def curable(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """The same with a ReLU in place of the clip, so that the outlier can be taken off."""
    return _export(chain_net(clips=False), tmp_path_factory.mktemp("curable"))


def _export(net: ChainNet, folder: Path) -> dict[str, Artifact]:
    openvino = edgeseg.export_model(with_outlier(net), spec=SPEC, out=folder, name="planted")
    onnx = Artifact.open(openvino.path.parent / "planted-fp32-onnx")
    return {"openvino": openvino, "onnx": onnx, "tensorrt": onnx}


@pytest.fixture(scope="session")
def images(data: Path):
    return load_set(data, SPEC, 10)


@pytest.fixture(scope="session")
def samples(data: Path):
    return samples_from(data, SPEC)
