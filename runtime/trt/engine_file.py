"""Engine files from elsewhere: told apart by their first bytes, without deserialising them.

Deserialising an engine runs what is in it. ``trtexec`` writes a bare plan; Ultralytics puts four bytes of length and
a JSON text before it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.errors import ArtifactError
from edgeseg.files.input_file import open_regular
from edgeseg.runtime.trt.versions import RTX, TENSORRT, Library

SUFFIXES = (".engine", ".plan", ".trt")
"""Under which engine files go; it is their first bytes that tell what they are."""
MAX_BYTES = 4 << 30
MAX_HEADER = 1 << 20
_MAGIC_TAIL, _RTX_MAGIC = b"trt", b"vtrt"
_RTX_VERSION = slice(24, 28)
_SHOWN = ("description", "author", "version", "task", "imgsz", "names", "stride", "batch")
RISK = (
    "Loading an engine runs the code in it, and nothing tells what it segments. Build it here from the ONNX file "
    "(export with `format='engine'`), or accept this file with `trust=True` if you made it yourself."
)


@dataclass(frozen=True)
class EngineFile:
    """What a file's first bytes tell.

    Attributes:
        path: the file.
        maker: ``TensorRT``, ``TensorRT-RTX``, ``Ultralytics`` around one of them.
        library: name of the module that loads it.
        version: the library's, where the file tells it.
        metadata: what Ultralytics wrote before the plan.
        start: where the plan begins.
        size: bytes of the plan.
    """

    path: Path
    maker: str
    library: str
    version: str | None
    metadata: Mapping[str, Any]
    start: int
    size: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for ``edgeseg inspect``."""
        shown = {key: self.metadata[key] for key in _SHOWN if key in self.metadata}
        made = {"engine": str(self.path), "maker": self.maker, "version": self.version or "not told"}
        return {**made, "bytes": self.size, "metadata": shown, "loaded": f"no. {RISK}"}

    def __str__(self) -> str:
        made = f"{self.maker} {self.version}" if self.version else f"{self.maker} (version not told)"
        shown = {key: self.metadata[key] for key in _SHOWN if key in self.metadata}
        facts = "".join(f", {key} {str(value)[:80]}" for key, value in shown.items())
        return f"{self.path}: engine by {made}, {self.size / 1e6:.1f} MB{facts}"


def inspect_engine_file(path: Path) -> EngineFile:
    """Look at an engine file without loading it.

    Raises:
        ArtifactError: it cannot be read, or is no engine.
    """
    try:
        with open_regular(path, ArtifactError) as stream:
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(MAX_HEADER + 4 + 64)
    except OSError as error:
        raise ArtifactError(f"Cannot read {path}: {error.strerror}.") from None
    if size > MAX_BYTES:
        raise ArtifactError(f"{path} has {size} bytes; engines are under {MAX_BYTES}.")
    metadata, start = _ultralytics_header(head)
    plan = head[start : start + 64]
    if plan[1:4] != _MAGIC_TAIL:
        raise ArtifactError(f"{path} is not a TensorRT engine: it begins with {plan[:8]!r}. Give the file of trtexec.")
    is_rtx = plan[:4] == _RTX_MAGIC
    maker = "TensorRT-RTX" if is_rtx else "TensorRT"
    version = ".".join(str(number) for number in plan[_RTX_VERSION]) if is_rtx and len(plan) > 28 else None
    maker = f"Ultralytics, {maker}" if start else maker
    return EngineFile(path, maker, RTX if is_rtx else TENSORRT, version, metadata, start, size - start)


def read_trusted_plan(path: Path, library: Library, trust: bool) -> bytes:
    """Read the plan in an engine file from elsewhere.

    Raises:
        ArtifactError: it is no engine, ``trust`` is false, or it is none of ``library``.
    """
    found = inspect_engine_file(path)
    if not trust:
        raise ArtifactError(f"{found}. It is not loaded. {RISK}")
    if found.library != library.name:
        todo = "engine-rtx" if found.library == RTX else "engine"
        raise ArtifactError(
            f"{found}. {library.title} does not load it. Use `format={todo!r}` where that library is installed, or "
            "build an engine here: leave out `engine_file`."
        )
    return path.read_bytes()[found.start :]


def _ultralytics_header(head: bytes) -> tuple[dict[str, Any], int]:
    """The JSON before a plan and where the plan begins; ({}, 0) when there is none."""
    size = int.from_bytes(head[:4], "little", signed=False)
    if not 2 <= size <= MAX_HEADER or len(head) < 4 + size:
        return {}, 0
    try:
        values = json.loads(head[4 : 4 + size].decode("utf-8"))
    except (ValueError, RecursionError):
        return {}, 0
    return (values, 4 + size) if isinstance(values, dict) else ({}, 0)
