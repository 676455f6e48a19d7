"""An OpenVINO IR that edgeseg did not write as a network in ONNX; OpenVINO itself runs it as the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.export.ir.onnx_from_ir import onnx_from_ir
from edgeseg.export.reading.entry import Dims, Entry, is_channels_last, read_entry
from edgeseg.export.reading.graph_view import Array
from edgeseg.files.ir_digest import ir_sha256, weights_beside
from edgeseg.graphs.ir_file import read_ir
from edgeseg.image import Float32
from edgeseg.runtime.engines.openvino_core import load_openvino, shared_core

MAX_BYTES = 2**31 - 1
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


@dataclass(frozen=True)
class IrFile:
    """An IR as OpenVINO reads it.

    Attributes:
        path: the ``.xml`` file.
        model: an ``openvino.Model``.
        dims: of its one image, None where they are open; empty where it has no image of four axes.
    """

    path: Path
    model: Any
    dims: Dims

    @property
    def size(self) -> tuple[int | None, int | None, int | None]:
        """Channels, height and width, None where they are open."""
        if len(self.dims) != 4:
            return (0, 0, 0)
        if is_channels_last(self.dims):
            return self.dims[3], self.dims[1], self.dims[2]
        return self.dims[1], self.dims[2], self.dims[3]


@dataclass(frozen=True)
class IrNet:
    """A network that was an IR.

    Attributes:
        model: at opset 17.
        run: normalised ``[1, C, H, W]`` to the file's own result, in OpenVINO.
        sha256: of its two files.
    """

    model: onnx.ModelProto
    run: Callable[[Float32], Array]
    sha256: str


def open_ir(path: Path) -> IrFile:
    """Read an IR: a ``.xml`` file, and the ``.bin`` file of the same name beside it.

    Raises:
        ArtifactError: OpenVINO cannot read it, its weights are missing, or it is one of edgeseg's own.
    """
    _expect_weights(path)
    try:
        model = read_ir(path)
    except UnicodeDecodeError:
        raise ArtifactError(f"{path} is no OpenVINO IR: it is not text in UTF-8. Copy it again.") from None
    if model.has_rt_info(["edgeseg", "spec"]):
        raise ArtifactError(
            f"{path} is the model of an edgeseg artifact without its manifest. Export starts from the checkpoint or "
            "file that the artifact was made from; to run or quantise it, give the artifact's whole folder."
        )
    shape = model.inputs[0].get_partial_shape() if len(model.inputs) == 1 else None
    if shape is None or shape.rank.is_dynamic or len(shape) != 4:
        return IrFile(path, model, [])
    return IrFile(path, model, [dim.get_length() if dim.is_static else None for dim in shape])


def convert_ir(file: IrFile, imgsz: tuple[int, int] | None, channels: int, named: str | None) -> IrNet:
    """Convert an IR, its open sizes fixed.

    Args:
        file: the IR.
        imgsz: height and width where they are open.
        channels: where they are open.
        named: the result that counts, where it has several.

    Raises:
        ArtifactError: it is quantised, has layers that are not read, or does not take this size.
    """
    _fix_sizes(file, imgsz, channels)
    model = onnx_from_ir(_fold(file.model.clone()), file.path)
    return IrNet(model, _runner(file, model, named), ir_sha256(file.path))


def _expect_weights(path: Path) -> None:
    weights = weights_beside(path)
    told = f"{path} is an OpenVINO IR that keeps its weights in {weights.name}, "
    if not weights.exists():
        raise ArtifactError(f"{told}which is not there. Copy both files into one folder.")
    if weights.is_symlink() or not weights.is_file():
        raise ArtifactError(f"{told}which is no plain file. Put the file itself beside it (cp -L follows links).")
    size = weights.stat().st_size + path.stat().st_size
    if size > MAX_BYTES:
        raise ArtifactError(f"{told}{size} bytes together; edgeseg takes models under 2 GiB.")


def _fix_sizes(file: IrFile, imgsz: tuple[int, int] | None, channels: int) -> None:
    if None not in file.dims:
        return
    height, width = imgsz or file.size[1:]
    is_last = is_channels_last(file.dims)
    asked = [1, height, width, channels] if is_last else [1, channels, height, width]
    try:
        with quiet():
            file.model.reshape([size if dim is None else dim for dim, size in zip(file.dims, asked, strict=True)])
    except RuntimeError as error:
        raise ArtifactError(
            f"{file.path} does not take pictures of {height}x{width}: {_reason(error)}. Give the `imgsz` that it was "
            "made for."
        ) from None


def _fold(model: Any) -> Any:
    """Let OpenVINO compute what it can before any picture is there."""
    load_openvino("export")
    passes = require("openvino.passes", "export")
    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    with quiet():
        manager.run_passes(model)
    return model


def _runner(file: IrFile, graph: onnx.ModelProto, named: str | None) -> Callable[[Float32], Array]:
    names = [one.name for one in graph.graph.output]
    index = names.index(named) if named in names else 0
    try:
        with quiet():
            compiled = shared_core("export").compile_model(file.model, "CPU", EXACT)
    except RuntimeError as error:
        raise ArtifactError(f"OpenVINO cannot run {file.path}: {_reason(error)}.") from None
    entries: list[Entry] = []

    def run(values: Float32) -> Array:
        if not entries:
            entries.append(read_entry(graph.graph).fixed(*values.shape[1:]))
        result = np.array(compiled(entries[0].given(values))[index])
        is_batch = entries[0].batch > 1 and result.ndim > 0 and result.shape[0] == entries[0].batch
        return result[:1] if is_batch else result

    return run


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")[-300:]
