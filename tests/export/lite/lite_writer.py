"""Writes TFLite files for tests, by the builders of the package ``tflite``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

Array = np.ndarray
TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "float16": tflite.TensorType.FLOAT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "uint8": tflite.TensorType.UINT8,
    "int8": tflite.TensorType.INT8,
    "bool": tflite.TensorType.BOOL,
}
TABLES = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "CONCATENATION": "ConcatenationOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
}


@dataclass
class _Tensor:
    name: str
    shape: Sequence[int]
    dtype: str
    data: Array | None = None
    scale: tuple[float, int] | None = None


@dataclass
class LiteWriter:
    """A graph in the making; what is written says numbers of tensors."""

    tensors: list[_Tensor] = field(default_factory=list)
    operators: list[tuple[str, list[int], list[int], dict[str, Any], bytes]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    also: list[int] = field(default_factory=list)
    metadata: bytes | None = None

    def tensor(self, shape: Sequence[int], dtype: str = "float32", **more: Any) -> int:
        self.tensors.append(_Tensor(more.pop("name", f"t{len(self.tensors)}"), list(shape), dtype, **more))
        return len(self.tensors) - 1

    def image(self, *shape: int, **more: Any) -> int:
        self.inputs.append(self.tensor(shape or (1, 6, 7, 3), **{"name": "image", **more}))
        return self.inputs[-1]

    def constant(self, values: Any, **more: Any) -> int:
        values = np.asarray(values)
        return self.tensor(values.shape, str(values.dtype), data=values, **more)

    def ints(self, *values: int) -> int:
        return self.constant(np.array(values, np.int32))

    def add(self, kind: str, inputs: Sequence[int], shape: Sequence[int], **options: Any) -> int:
        """An operation with one result; ``dtype`` and ``scale`` are the result's, the rest its options."""
        more = {name: options.pop(name) for name in ("dtype", "scale", "name") if name in options}
        return self.add_many(kind, inputs, [self.tensor(shape, **more)], **options)[0]

    def add_many(self, kind: str, inputs: Sequence[int], outputs: list[int], **options: Any) -> list[int]:
        custom = options.pop("custom", b"")
        self.operators.append((kind, list(inputs), outputs, options, custom))
        return outputs

    def write(self, *outputs: int) -> bytes:
        """All of it as the bytes of a file."""
        self.outputs = list(outputs) or [self.operators[-1][2][0]]
        build = flatbuffers.Builder(1024)
        buffers = [_buffer(build, None)]
        tensors = []
        for one in self.tensors:
            buffers.append(_buffer(build, one.data))
            tensors.append(_tensor(build, one, len(buffers) - 1))
        kinds = list(dict.fromkeys(kind for kind, *_ in self.operators))
        codes = [_code(build, kind) for kind in kinds]
        operators = [_operator(build, kinds.index(kind), *rest, kind) for kind, *rest in self.operators]
        graph = _graph(build, tensors, operators, self.inputs, self.outputs)
        metadata = None
        if self.metadata is not None:
            buffers.append(_buffer(build, np.frombuffer(self.metadata, np.uint8)))
            metadata = _metadata(build, len(buffers) - 1)
        return _model(build, codes, graph, buffers, metadata)


def _offsets(build: Any, start: Any, entries: Sequence[int]) -> int:
    start(build, len(entries))
    for entry in reversed(entries):
        build.PrependUOffsetTRelative(entry)
    return build.EndVector()


def _buffer(build: Any, data: Array | None) -> int:
    values = (
        None if data is None else build.CreateNumpyVector(np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8))
    )
    tflite.BufferStart(build)
    if values is not None:
        tflite.BufferAddData(build, values)
    return tflite.BufferEnd(build)


def _tensor(build: Any, one: _Tensor, buffer: int) -> int:
    name, shape = build.CreateString(one.name), build.CreateNumpyVector(np.array(one.shape, np.int32))
    quantised = None
    if one.scale is not None:
        scale = build.CreateNumpyVector(np.array([one.scale[0]], np.float32))
        zero = build.CreateNumpyVector(np.array([one.scale[1]], np.int64))
        tflite.QuantizationParametersStart(build)
        tflite.QuantizationParametersAddScale(build, scale)
        tflite.QuantizationParametersAddZeroPoint(build, zero)
        quantised = tflite.QuantizationParametersEnd(build)
    tflite.TensorStart(build)
    tflite.TensorAddShape(build, shape)
    tflite.TensorAddType(build, TYPES[one.dtype])
    tflite.TensorAddBuffer(build, buffer)
    tflite.TensorAddName(build, name)
    if quantised is not None:
        tflite.TensorAddQuantization(build, quantised)
    return tflite.TensorEnd(build)


def _code(build: Any, kind: str) -> int:
    number = getattr(tflite.BuiltinOperator, kind, None)
    custom = build.CreateString(kind) if number is None else None
    number = tflite.BuiltinOperator.CUSTOM if number is None else number
    tflite.OperatorCodeStart(build)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(build, min(number, 127))
    tflite.OperatorCodeAddBuiltinCode(build, number)
    tflite.OperatorCodeAddVersion(build, 2 if kind == "BROADCAST_TO" else 1)
    if custom is not None:
        tflite.OperatorCodeAddCustomCode(build, custom)
    return tflite.OperatorCodeEnd(build)


def _operator(
    build: Any, code: int, inputs: list[int], outputs: list[int], options: dict[str, Any], custom: bytes, kind: str
) -> int:
    given, made = (build.CreateNumpyVector(np.array(one, np.int32)) for one in (inputs, outputs))
    extra = build.CreateByteVector(custom) if custom else None
    table = TABLES.get(kind) or re.sub(r"_?([A-Z0-9])([A-Z0-9]*)", lambda m: m[1] + m[2].lower(), kind) + "Options"
    known = getattr(tflite.BuiltinOptions, table, 0)
    if known:
        getattr(tflite, f"{table}Start")(build)
        for name, value in options.items():
            getattr(tflite, f"{table}Add{name}")(build, value)
        record = getattr(tflite, f"{table}End")(build)
    else:
        assert not options, f"{table} is no table of options"
    tflite.OperatorStart(build)
    tflite.OperatorAddOpcodeIndex(build, code)
    tflite.OperatorAddInputs(build, given)
    tflite.OperatorAddOutputs(build, made)
    if known:
        tflite.OperatorAddBuiltinOptionsType(build, known)
        tflite.OperatorAddBuiltinOptions(build, record)
    if extra is not None:
        tflite.OperatorAddCustomOptions(build, extra)
    return tflite.OperatorEnd(build)


def _graph(build: Any, tensors: list[int], operators: list[int], inputs: list[int], outputs: list[int]) -> int:
    held = _offsets(build, tflite.SubGraphStartTensorsVector, tensors)
    done = _offsets(build, tflite.SubGraphStartOperatorsVector, operators)
    given, made = (build.CreateNumpyVector(np.array(one, np.int32)) for one in (inputs, outputs))
    tflite.SubGraphStart(build)
    tflite.SubGraphAddTensors(build, held)
    tflite.SubGraphAddInputs(build, given)
    tflite.SubGraphAddOutputs(build, made)
    tflite.SubGraphAddOperators(build, done)
    return tflite.SubGraphEnd(build)


def _metadata(build: Any, buffer: int) -> int:
    name = build.CreateString("TFLITE_METADATA")
    tflite.MetadataStart(build)
    tflite.MetadataAddName(build, name)
    tflite.MetadataAddBuffer(build, buffer)
    return tflite.MetadataEnd(build)


def _model(build: Any, codes: list[int], graph: int, buffers: list[int], metadata: int | None) -> bytes:
    held = _offsets(build, tflite.ModelStartOperatorCodesVector, codes)
    graphs = _offsets(build, tflite.ModelStartSubgraphsVector, [graph])
    stored = _offsets(build, tflite.ModelStartBuffersVector, buffers)
    more = None if metadata is None else _offsets(build, tflite.ModelStartMetadataVector, [metadata])
    tflite.ModelStart(build)
    tflite.ModelAddVersion(build, 3)
    tflite.ModelAddOperatorCodes(build, held)
    tflite.ModelAddSubgraphs(build, graphs)
    tflite.ModelAddBuffers(build, stored)
    if more is not None:
        tflite.ModelAddMetadata(build, more)
    build.Finish(tflite.ModelEnd(build), b"TFL3")
    return bytes(build.Output())
