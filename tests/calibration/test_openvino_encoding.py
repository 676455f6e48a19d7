from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from encoding_contract import EncodingContract

from edgeseg.artifact import Artifact
from edgeseg.calibration.built import Built
from edgeseg.calibration.ir_file import read_ir


def node_of(model: Any, name: str) -> Any:
    return next(node for node in model.get_ordered_ops() if node.get_friendly_name() == name)


class TestOpenVinoEncoding(EncodingContract):
    format = "openvino"

    @pytest.fixture(scope="class")
    @classmethod
    def int8(cls, built: tuple[Built, ...]) -> Built:
        return built[2]

    @pytest.fixture(scope="class")
    @classmethod
    def images(cls, data: Path, parent: Artifact) -> Any:
        from edgeseg.calibration.calibration_set import calibration_set

        return calibration_set(data, parent.spec, 10)  # what int8 was made with

    def test_the_artifact_records_what_decided_it(self, int8: Built) -> None:
        assert int8.artifact.calibration["algorithm"].startswith("nncf.quantize")
        assert int8.artifact.calibration["images"] == 10

    def is_float(self, folder: Path, layer: str) -> bool:
        node = node_of(read_ir(folder / "model.xml"), layer)
        makers = [node.input_value(i).get_node().get_type_name() for i in range(2)]
        return "FakeQuantize" not in makers

    def engine_tag(self, folder: Path) -> str:
        return str(read_ir(folder / "model.xml").get_rt_info(["edgeseg", "engine"]).astype(str))

    def _channels_in(self, parent: Artifact, layer: str) -> int:
        return int(node_of(read_ir(parent.model_path), layer).input_value(0).get_shape()[1])
