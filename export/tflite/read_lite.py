"""A TFLite file as a network in ONNX, with what it says of itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from edgeseg.errors import ArtifactError
from edgeseg.export.tflite.lite_file import MAGIC, parse_lite
from edgeseg.export.tflite.metadata import read_metadata
from edgeseg.export.tflite.onnx_from_lite import onnx_from_lite
from edgeseg.files.foreign_kind import describe_foreign
from edgeseg.files.input_file import read_bytes

MAX_BYTES = 2**31 - 1


@dataclass(frozen=True)
class LiteNet:
    """A network that was a TFLite file.

    Attributes:
        model: at opset 17, channels first.
        sha256: of the file.
        known: of ``classes``, ``color_order``, ``mean`` and ``std`` (of values of 0..1) what its metadata say.
    """

    model: onnx.ModelProto
    sha256: str
    known: dict[str, Any] = field(default_factory=dict)


def open_lite(path: Path) -> LiteNet:
    """Read a TFLite file.

    Raises:
        ArtifactError: it is none, it is damaged or quantised, or has operations that are not read.
    """
    data = read_bytes(path, MAX_BYTES, ArtifactError)
    if data[4:8] != MAGIC:
        raise ArtifactError(describe_foreign(path))
    return read_lite(data, path)


def read_lite(data: bytes, path: Path) -> LiteNet:
    """Read the bytes of a TFLite file, see :func:`open_lite`; ``path`` is what they are called in messages."""
    file = parse_lite(data, path)
    model, known = onnx_from_lite(file, path), read_metadata(file.metadata, data)
    if len(known.get("classes", ())) == 1:  # of one channel, which says how sure it is of this one
        known = {**known, "classes": ("background", *known["classes"])}
    takes_pixels = model.graph.input[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT
    if takes_pixels:  # the scale of its integers says how they are prepared, and mean and std would do so twice
        known = {name: value for name, value in known.items() if name not in ("mean", "std")}
    return LiteNet(model, hashlib.sha256(data).hexdigest(), known)
