"""A TFLite file as plain values: tensors, operators and their options, checked against the bytes that are there.

The generated accessors of the package ``tflite`` (the schema of TensorFlow 2.18) read a flatbuffer without a verifier.
Whatever they meet in a damaged file ends as a Python exception, and each becomes one sentence here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError

Array = npt.NDArray[Any]
MAGIC = b"TFL3"
MOST_ENTRIES = 200_000
MOST_VALUES = 1 << 28
"""In one tensor: a gigabyte of float32."""
METADATA = b"TFLITE_METADATA"
DAMAGES = (struct.error, ValueError, IndexError, KeyError, TypeError, AttributeError, ArithmeticError, AssertionError)
"""What reading bytes that make no sense raises."""
_DTYPES = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "FLOAT64": np.float64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "BOOL": np.bool_,
}


@dataclass(frozen=True)
class Scale:
    """What an integer stands for: ``(value - zero) * scale``, one pair or one an entry of ``axis``."""

    scale: Array
    zero: Array
    axis: int


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file.

    Attributes:
        name: as its author called it.
        shape: as declared; channels last.
        dtype: None for strings, complex numbers and integers of four bits.
        data: of a constant.
        scale: where it is quantised.
        is_sparse: its data are stored in another form.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    data: Array | None
    scale: Scale | None
    is_sparse: bool


@dataclass(frozen=True)
class Operator:
    """One operation: its name in the schema (or of its author), numbers of tensors (-1: left out), and options."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]
    custom: bytes
    is_custom: bool


@dataclass(frozen=True)
class LiteFile:
    """A TFLite file: its first graph, and the metadata that it carries."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: bytes | None


def parse_lite(data: bytes, path: object) -> LiteFile:
    """Read the bytes of a TFLite file.

    Args:
        data: all of it.
        path: what to call it in messages.

    Raises:
        ArtifactError: it is none, it ends early, or it contradicts itself.
        MissingExtra: the package with the schema is not installed.
    """
    schema = require("tflite", "export")
    if data[4:8] != MAGIC:
        raise ArtifactError(f"{path} is no TensorFlow Lite model: its bytes 4 to 8 are {data[4:8]!r}, not {MAGIC!r}.")
    try:
        return _read(data, schema)
    except DAMAGES as error:
        raise ArtifactError(damaged(path, f"{type(error).__name__}: {error}")) from None


def damaged(path: object, reason: str) -> str:
    """Word that a file is not whole."""
    said = " ".join(reason.split()).rstrip(".")[:200]
    return f"{path} is not a whole TensorFlow Lite model ({said}). Copy it again from its source."


def _read(data: bytes, schema: Any) -> LiteFile:
    model = schema.Model.GetRootAs(data, 0)
    if not model.SubgraphsLength():
        raise ValueError("no graph in it")
    graph = model.Subgraphs(0)
    tensors = tuple(_tensors(data, model, graph, schema))
    operators = tuple(_operators(model, graph, schema))
    inputs, outputs = _numbers(graph.InputsAsNumpy()), _numbers(graph.OutputsAsNumpy())
    used = [*inputs, *outputs, *(number for one in operators for number in (*one.inputs, *one.outputs))]
    if any(not -1 <= number < len(tensors) for number in used) or not inputs or not outputs or not operators:
        raise ValueError("its graph names tensors that it does not have")
    return LiteFile(tensors, operators, inputs, outputs, _metadata(data, model))


def _tensors(data: bytes, model: Any, graph: Any, schema: Any) -> Iterator[Tensor]:
    types = _reverse(schema.TensorType)
    for one in _each(graph.Tensors, graph.TensorsLength()):
        shape = _numbers(one.ShapeAsNumpy())
        if any(side < 0 for side in shape) or math.prod(shape) > MOST_VALUES:
            raise ValueError(f"a tensor of {list(shape)}")
        kind = _DTYPES.get(types.get(one.Type(), ""))
        dtype = None if kind is None else np.dtype(kind)
        values = None if dtype is None or one.Sparsity() is not None else _constant(data, model, one, dtype, shape)
        name = (one.Name() or b"").decode("utf-8", "replace")
        yield Tensor(name, shape, dtype, values, _scale(one.Quantization()), one.Sparsity() is not None)


def _constant(data: bytes, model: Any, tensor: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array | None:
    if not 0 <= tensor.Buffer() < model.BuffersLength():
        raise ValueError("a tensor without its buffer")
    buffer = model.Buffers(tensor.Buffer())
    if buffer.Offset() > 1:  # beside the tables, in files that are large
        raw = data[buffer.Offset() : buffer.Offset() + buffer.Size()]
    elif buffer.DataLength():
        raw = buffer.DataAsNumpy().tobytes()
    else:
        return None
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _scale(given: Any) -> Scale | None:
    if given is None or not given.ScaleLength():
        return None
    zero = given.ZeroPointAsNumpy() if given.ZeroPointLength() else np.zeros(given.ScaleLength(), np.int64)
    scale = np.asarray(given.ScaleAsNumpy(), np.float32)
    if len(zero) != len(scale) or not (np.isfinite(scale) & (scale > 0)).all():
        raise ValueError("quantised by a scale that is no number")
    return Scale(scale, np.asarray(zero, np.int64), given.QuantizedDimension())


def _operators(model: Any, graph: Any, schema: Any) -> Iterator[Operator]:
    kinds, tables = _reverse(schema.BuiltinOperator), _reverse(schema.BuiltinOptions)
    for one in _each(graph.Operators, graph.OperatorsLength()):
        if not 0 <= one.OpcodeIndex() < model.OperatorCodesLength():
            raise ValueError("an operation without its code")
        code = model.OperatorCodes(one.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = kinds.get(number, f"operation {number}")
        is_custom = kind == "CUSTOM"
        if is_custom:
            kind = (code.CustomCode() or b"?").decode("utf-8", "replace")
        custom = bytes(one.CustomOptionsAsNumpy()) if one.CustomOptionsLength() else b""
        table = getattr(schema, tables.get(one.BuiltinOptionsType(), ""), None)
        options = {} if table is None or one.BuiltinOptions() is None else _options(table, one.BuiltinOptions())
        yield Operator(kind, _numbers(one.InputsAsNumpy()), _numbers(one.OutputsAsNumpy()), options, custom, is_custom)


def _options(table: Any, place: Any) -> dict[str, Any]:
    """Every field of a table of options, by its name in the schema."""
    record = table()
    record.Init(place.Bytes, place.Pos)
    fields: dict[str, Callable[[Any], Any]] = {
        name: method
        for name, method in vars(table).items()
        if isinstance(method, FunctionType)
        and method.__code__.co_argcount == 1
        and not name.endswith(("Length", "IsNone"))
    }
    return {name.removesuffix("AsNumpy"): method(record) for name, method in fields.items()}


def _metadata(data: bytes, model: Any) -> bytes | None:
    for one in _each(model.Metadata, model.MetadataLength()):
        if one.Name() == METADATA and 0 <= one.Buffer() < model.BuffersLength():
            return bytes(model.Buffers(one.Buffer()).DataAsNumpy())
    return None


def _each(entry: Callable[[int], Any], count: int) -> Iterator[Any]:
    if count > MOST_ENTRIES:
        raise ValueError(f"a list of {count} entries")
    return (entry(number) for number in range(count))


def _numbers(values: Any) -> tuple[int, ...]:
    """A vector; the accessors give 0 for one that is left out."""
    found = np.atleast_1d(values) if isinstance(values, np.ndarray) else np.zeros(0, np.int64)
    if len(found) > MOST_ENTRIES:
        raise ValueError(f"a list of {len(found)} numbers")
    return tuple(int(value) for value in found)


def _reverse(names: Any) -> dict[int, str]:
    return {value: name for name, value in vars(names).items() if isinstance(value, int)}
