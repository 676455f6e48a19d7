"""Networks that torch saved whole, TorchScript and programs of ``torch.export``, as they are."""

from __future__ import annotations

from pathlib import Path

from edgeseg.errors import SpecError
from edgeseg.export.checkpoints.saved_program import input_size, load_exported_program, load_torchscript
from edgeseg.export.source.factory_source import plain_name
from edgeseg.export.source.module_source import TorchNet, open_module
from edgeseg.export.source.source_net import SourceNet, SourceRequest
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.files.atomic import file_sha256


def open_torchscript(path: Path, request: SourceRequest) -> SourceNet:
    """Read what ``torch.jit.save`` wrote.

    Raises:
        CheckpointError: it cannot be opened, or would do more than compute.
        SpecError: see :func:`~edgeseg.export.source.module_source.open_module`.
    """
    module = load_torchscript(path)
    name = request.name or plain_name(path)
    return open_module(TorchNet(module, name, str(path), {"torchscript": file_sha256(path)}), request)


def open_exported_program(path: Path, request: SourceRequest) -> SourceNet:
    """Read what ``torch.export.save`` wrote; its size is that of the picture it was exported with.

    Raises:
        CheckpointError, SpecError: see :func:`open_torchscript`.
    """
    module = load_exported_program(path)
    shape = input_size(module)
    _expect_size(path, shape, request.said.imgsz)
    known = SpecFlags(imgsz=(shape[2], shape[3])) if shape is not None and len(shape) == 4 else SpecFlags()
    parents = {"exported-program": file_sha256(path)}
    return open_module(TorchNet(module, request.name or plain_name(path), str(path), parents, known), request)


def _expect_size(path: Path, shape: tuple[int, ...] | None, asked: tuple[int, int] | None) -> None:
    """Refuse another size than the one that a program was made for."""
    if shape is None or len(shape) != 4:
        return
    count, _, height, width = shape
    if count != 1:
        raise SpecError(
            f"{path} takes {count} pictures at once and no other number. Make it for one: "
            f"torch.export.export(net, (torch.zeros(1, {shape[1]}, {height}, {width}),))."
        )
    if asked not in (None, (height, width)):
        raise SpecError(
            f"{path} is a program for pictures of {height}x{width} alone. Leave `imgsz` out, or make it for "
            f"another size: torch.export.export(net, (torch.zeros(1, {shape[1]}, H, W),))."
        )
