"""What an engine's inputs and outputs are, in words that need no TensorRT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_NAMES = {"FLOAT": "float32", "HALF": "float16", "UINT8": "uint8", "INT8": "int8", "INT32": "int32", "INT64": "int64"}


@dataclass(frozen=True)
class Tensor:
    """One input or output.

    Attributes:
        name: in the ONNX file.
        kind: numpy name of its element type.
        shape: fixed.
        is_input: or output.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    is_input: bool

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return int(np.prod(self.shape)) * np.dtype(self.kind).itemsize


def list_tensors(engine: Any, module: Any) -> dict[str, Tensor]:
    """Map the name of every input and output of an ``ICudaEngine`` to its tensor."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return {name: _tensor(engine, module, name) for name in names}


def _tensor(engine: Any, module: Any, name: str) -> Tensor:
    kind = engine.get_tensor_dtype(name)
    told = _NAMES.get(str(getattr(kind, "name", kind)), "float32")
    is_input = engine.get_tensor_mode(name) == module.TensorIOMode.INPUT
    return Tensor(name, told, tuple(int(side) for side in engine.get_tensor_shape(name)), is_input)
