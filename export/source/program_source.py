"""Networks that torch saved whole, TorchScript and programs of ``torch.export``, as they are."""

from __future__ import annotations

from pathlib import Path

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
    known = SpecFlags(imgsz=(shape[2], shape[3])) if shape is not None and len(shape) == 4 else SpecFlags()
    parents = {"exported-program": file_sha256(path)}
    return open_module(TorchNet(module, request.name or plain_name(path), str(path), parents, known), request)
