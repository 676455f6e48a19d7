"""What a TFLite file says of its pictures and classes, by the schema of TFLite Metadata (version 1.x).

It is a flatbuffer of its own, named TFLITE_METADATA in the model, and the files that it names are in a zip archive
behind the model. Only what a spec needs is read: normalisation, colour space and the names of the classes.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from typing import Any

from edgeseg.console.extras import require
from edgeseg.export.tflite.lite_file import DAMAGES

MAGIC = b"M001"
MOST_TABLES, MOST_LABELS_BYTES, MOST_CLASSES = 1000, 1 << 20, 4096
_NORMALISATION, _IMAGE = 1, 2
_AXIS_LABELS, _VALUE_LABELS = 2, 3
_COLORS = {1: "rgb", 2: "gray"}
Known = dict[str, Any]
"""Of ``mean`` and ``std`` (of values of 0..1), ``color_order`` and ``classes`` what is said."""


def read_metadata(metadata: bytes | None, whole: bytes) -> Known:
    """Read what metadata says; nothing where there are none or they make no sense, as a person can say it too.

    Args:
        metadata: the flatbuffer.
        whole: the file, for the archive behind the model.
    """
    if metadata is None or metadata[4:8] != MAGIC:
        return {}
    try:
        root = _Table(require("flatbuffers", "export").table.Table(metadata, _offset(metadata)))
        graph = next(root.tables(3), None)
        if graph is None:
            return {}
        return {**_image(graph), **_classes(graph, whole)}
    except (*DAMAGES, RecursionError):
        return {}


def _offset(data: bytes) -> int:
    return int.from_bytes(data[:4], "little")


class _Table:
    """A table whose fields are read by their place in the schema."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def text(self, field: int) -> str:
        at = self._at(field)
        return self._table.String(at).decode("utf-8") if at else ""

    def byte(self, field: int) -> int:
        at = self._at(field)
        return int(self._table.Bytes[at]) if at else 0

    def floats(self, field: int) -> tuple[float, ...]:
        flags = require("flatbuffers.number_types", "export").Float32Flags
        place = self._table.Offset(4 + 2 * field)
        return tuple(map(float, self._table.GetVectorAsNumpy(flags, place))) if place else ()

    def table(self, field: int) -> _Table | None:
        at = self._at(field)
        return self._make(self._table.Indirect(at)) if at else None

    def tables(self, field: int) -> Iterator[_Table]:
        place = self._table.Offset(4 + 2 * field)
        if place:
            start, count = self._table.Vector(place), min(self._table.VectorLen(place), MOST_TABLES)
            for number in range(count):
                yield self._make(self._table.Indirect(start + 4 * number))

    def _at(self, field: int) -> int:
        place = self._table.Offset(4 + 2 * field)
        return int(place + self._table.Pos) if place else 0

    def _make(self, position: int) -> _Table:
        return _Table(type(self._table)(self._table.Bytes, position))


def _image(graph: _Table) -> Known:
    """The first input: how its pixels are normalised, given for values of 0..255, and their colours."""
    image, known = next(graph.tables(2), None), Known()
    if image is None:
        return known
    content = image.table(3)
    properties = content.table(1) if content is not None and content.byte(0) == _IMAGE else None
    if properties is not None and properties.byte(0) in _COLORS:
        known["color_order"] = _COLORS[properties.byte(0)]
    for unit in image.tables(4):
        options = unit.table(1) if unit.byte(0) == _NORMALISATION else None
        mean, std = (options.floats(0), options.floats(1)) if options is not None else ((), ())
        if mean and std and all(map(math.isfinite, (*mean, *std))) and min(std) > 0:
            known["mean"], known["std"] = (tuple(value / 255 for value in values) for values in (mean, std))
    return known


def _classes(graph: _Table, whole: bytes) -> Known:
    """The labels of the first output that has any: one a line, in the archive behind the model."""
    for output in graph.tables(3):
        for file in output.tables(6):
            if file.byte(2) in (_AXIS_LABELS, _VALUE_LABELS) and (names := _lines(whole, file.text(0))):
                return {"classes": names}
    return {}


def _lines(whole: bytes, name: str) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(whole)) as archive, archive.open(name) as stream:
            text = stream.read(MOST_LABELS_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, NotImplementedError, EOFError):
        return ()
    lines = tuple(line.strip() for line in text.decode("utf-8-sig").splitlines() if line.strip())
    return lines if len(text) <= MOST_LABELS_BYTES and len(lines) <= MOST_CLASSES else ()
