"""The few fields beside the graph of an ONNX file, read without the onnx package.

A device that builds an engine has no onnx; it needs the opset, to say that a file is too new, and the metadata, to
refuse a file that was quantised for another engine. ONNX files are Protocol Buffers: a sequence of (field, value).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgeseg.errors import ArtifactError

_OPSET_IMPORT, _METADATA = 8, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTH = {_FIXED64: 8, _FIXED32: 4}
MAX_SHIFT = 63


@dataclass(frozen=True)
class OnnxHeader:
    """Of a ``ModelProto``: the version of the default operators (0 when unnamed), and ``metadata_props``."""

    opset: int
    metadata: Mapping[str, str]


def read_onnx_header(data: bytes | memoryview) -> OnnxHeader:
    """Read what stands beside the graph.

    Raises:
        ArtifactError: the bytes are no Protocol Buffers message, or end early.
    """
    opset, metadata = 0, {}
    for field, value in _fields(memoryview(data)):
        if field == _OPSET_IMPORT and isinstance(value, memoryview):
            domain, version = _two(value)
            if domain in ("", "ai.onnx"):
                opset = int(version or 0)
        elif field == _METADATA and isinstance(value, memoryview):
            key, text = _two(value)
            metadata[str(key)] = str(text)
    return OnnxHeader(opset, metadata)


def _two(data: memoryview) -> tuple[str, str | int]:
    """Fields 1 and 2 of a small message; the second is text or a number."""
    found: dict[int, str | int] = {}
    for field, value in _fields(data):
        found[field] = value if isinstance(value, int) else bytes(value).decode("utf-8", errors="replace")
    return str(found.get(1, "")), found.get(2, "")


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield field, value
        elif kind == _BYTES:
            size, at = _varint(data, at)
            yield field, _cut(data, at, size)
            at += size
        elif kind in _WIDTH:
            yield field, _cut(data, at, _WIDTH[kind])
            at += _WIDTH[kind]
        else:
            raise _broken_error()


def _cut(data: memoryview, at: int, size: int) -> memoryview:
    if at + size > len(data):
        raise _broken_error()
    return data[at : at + size]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift <= MAX_SHIFT:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _broken_error()


def _broken_error() -> ArtifactError:
    return ArtifactError("This is not a whole ONNX file: its bytes end early or are something else. Copy it again.")
