"""Looking into ONNX files: what the tests of both ONNX encodings ask of them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper
from quantizer_contract import EncodingContract, EvenedChannels

from edgeseg.artifact import Artifact

QUANTISERS = ("QuantizeLinear", "DequantizeLinear")


def node_of(model: Any, name: str) -> Any:
    return next(node for node in model.graph.node if node.name == name)


def maker_of(model: Any, tensor: str) -> Any:
    return next((node for node in model.graph.node if tensor in node.output), None)


def quantisers(model: Any) -> list[Any]:
    return [node for node in model.graph.node if node.op_type in QUANTISERS]


def constant(model: Any, name: str) -> Any:
    return numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == name))


def metadata(model: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


class OnnxEncodingContract(EvenedChannels, EncodingContract):
    def is_float(self, folder: Path, layer: str) -> bool:
        model = onnx.load(folder / "model.onnx")
        makers = [maker_of(model, name) for name in node_of(model, layer).input]
        return not any(maker is not None and maker.op_type == "DequantizeLinear" for maker in makers)

    def engine_tag(self, folder: Path) -> str:
        return metadata(onnx.load(folder / "model.onnx"))["edgeseg.engine"]

    def _channels_in(self, parent: Artifact, layer: str) -> int:
        model = onnx.load(parent.model_path)
        return int(constant(model, node_of(model, layer).input[1]).shape[1])

    def with_weight(self, parent: Artifact, place: Path, value: float, layer: int) -> Artifact:
        shutil.copytree(parent.path, place)
        model = onnx.load(place / "model.onnx")
        convolution = [node for node in model.graph.node if node.op_type == "Conv"][layer]
        tensor = next(t for t in model.graph.initializer if t.name == convolution.input[1])
        values = numpy_helper.to_array(tensor).copy()
        values.flat[0] = value
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        onnx.save(model, place / "model.onnx")
        return dataclasses.replace(parent, path=place)
