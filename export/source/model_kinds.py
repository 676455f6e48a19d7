"""Every kind of model that export takes, in one table: how it is known, and what opens it.

A new kind is a line here. Its opener brings it to ONNX and hands that to
:func:`~edgeseg.export.source.onnx_source.read_graph`, or to a torch module and hands that to
:func:`~edgeseg.export.source.module_source.open_module`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from edgeseg.artifact import MANIFEST, find_model
from edgeseg.console.progress import Progress, no_progress
from edgeseg.errors import ArtifactError, UserError
from edgeseg.export.hubs.agreement import is_hub_folder, open_folder
from edgeseg.export.hubs.hub_name import is_hub_name, refuse_hub_name
from edgeseg.export.ir.ir_net import convert_ir, open_ir
from edgeseg.export.source.factory_source import open_factory, open_torchvision
from edgeseg.export.source.module_source import open_agreed
from edgeseg.export.source.onnx_source import Origin, open_onnx_source, read_graph
from edgeseg.export.source.own_source import open_artifact, open_checkpoint
from edgeseg.export.source.program_source import open_exported_program, open_torchscript
from edgeseg.export.source.source_net import DepthCut, LevelCut, SourceNet, SourceRequest
from edgeseg.export.specs.foreign_spec import SpecFlags, check_complete
from edgeseg.export.tflite.read_lite import open_lite
from edgeseg.files.foreign_kind import describe_foreign, is_torch_export, is_torchscript
from edgeseg.files.model_name import read_model
from edgeseg.formats import ONNX
from edgeseg.spec import ModelSpec

M = TypeVar("M", str, Path)
CHECKPOINT_SUFFIXES = (".pt", ".pth")
TORCH = ("torch", "onnxscript")


@dataclass(frozen=True)
class ModelKind(Generic[M]):
    """One kind of model.

    Attributes:
        title: what it is.
        matches: whether a model is of this kind, by its name or first bytes; nothing is loaded.
        open: makes a source of it.
        needs: modules that opening it imports, beside onnx and onnxruntime.
        takes: of ``cut`` and ``weights``, what may be asked for.
    """

    title: str
    matches: Callable[[M], bool]
    open: Callable[[M, SourceRequest], SourceNet]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def _is_artifact(path: Path) -> bool:
    return (path.is_dir() and (path / MANIFEST).is_file()) or (path.parent / MANIFEST).is_file()


def _is_checkpoint(path: Path) -> bool:
    return path.suffix in CHECKPOINT_SUFFIXES and not path.is_dir()


def _is_onnx(path: Path) -> bool:
    return path.suffix == ".onnx" or not path.exists()


def _is_lite(path: Path) -> bool:
    return path.suffix == ".tflite" and path.is_file()


def _open_lite(path: Path, request: SourceRequest) -> SourceNet:
    net = open_lite(path)
    origin = Origin("tflite file", known=SpecFlags(**net.known))
    return read_graph(net.model, path, request, path.stem, {"tflite": net.sha256}, origin=origin)


def _is_ir(path: Path) -> bool:
    return path.suffix == ".xml" and path.is_file()


def _open_ir(path: Path, request: SourceRequest) -> SourceNet:
    file, said = open_ir(path), request.said
    if None in file.size:
        check_complete(path, said, file.size)
    net = convert_ir(file, said.imgsz, 1 if said.color_order == "gray" else 3, said.logits)
    return read_graph(net.model, path, request, path.stem, {"ir": net.sha256}, origin=Origin("openvino ir", net.run))


def _decline(path: Path, request: SourceRequest) -> NoReturn:
    raise ArtifactError(describe_foreign(path))


def _open_hub_folder(path: Path, request: SourceRequest) -> SourceNet:
    name = request.name or path.resolve().name
    return open_agreed(open_folder(path, vars(request.said)), name, request)


def _refuse_hub_name(path: Path, request: SourceRequest) -> NoReturn:
    refuse_hub_name(path)


FILES: tuple[ModelKind[Path], ...] = (
    ModelKind("an artifact", _is_artifact, open_artifact),
    ModelKind("a TorchScript file", is_torchscript, open_torchscript, TORCH),
    ModelKind("a program of torch.export", is_torch_export, open_exported_program, TORCH),
    ModelKind("a checkpoint of edgeseg train", _is_checkpoint, open_checkpoint, TORCH, ("cut",)),
    ModelKind("a name on the Hugging Face hub", is_hub_name, _refuse_hub_name),
    ModelKind("an ONNX file", _is_onnx, open_onnx_source),
    ModelKind("a TensorFlow Lite file", _is_lite, _open_lite, ("tflite",)),
    ModelKind("a folder of a library's network", is_hub_folder, _open_hub_folder, TORCH),
    ModelKind("an OpenVINO IR", _is_ir, _open_ir, ("openvino",)),
    ModelKind("something else", lambda path: True, _decline),
)
"""Files and folders; the first that matches opens it."""

NAMES: tuple[ModelKind[str], ...] = (
    ModelKind(
        "a network of torchvision",
        lambda words: words.startswith("torchvision:"),
        open_torchvision,
        TORCH,
        ("weights",),
    ),
    ModelKind("a call that builds a network", lambda words: True, open_factory, TORCH, ("weights",)),
)
"""Words that are no path; the first that matches opens it."""


def source_net(
    model: str | Path,
    flags: SpecFlags,
    cut: LevelCut | DepthCut | None = None,
    spec: ModelSpec | None = None,
    progress: Progress = no_progress,
) -> SourceNet:
    """Read a model of any kind, see :func:`open_source`."""
    return open_source(model, SourceRequest(flags, spec, cut, progress=progress))


def open_source(model: str | Path, request: SourceRequest) -> SourceNet:
    """Read a model of any kind.

    Args:
        model: a path, the name of a network of the zoo, or words such as ``package.module:build()``.
        request: what is asked for.

    Raises:
        SpecError: no spec, or one that contradicts the model or what was said.
        CheckpointError, ArtifactError: the file is not what it should be.
        UserError: a model of no known kind, or a request that its kind cannot serve.
    """
    named = read_model(str(model))
    if isinstance(named, Path):
        named = find_model(named, ONNX.name)
        kind = _find(FILES, named)
        _check_request(kind, named, request)
        return kind.open(named, request)
    words = _find(NAMES, named)
    _check_request(words, named, request)
    return words.open(named, request)


def needs_of(model: str | Path) -> tuple[str, ...]:
    """List the modules that opening a model imports, beside onnx and onnxruntime."""
    named = read_model(str(model))
    return _find(FILES, named).needs if isinstance(named, Path) else _find(NAMES, named).needs


def _find(kinds: Sequence[ModelKind[M]], model: M) -> ModelKind[M]:
    for kind in kinds:
        if kind.matches(model):
            return kind
    raise UserError(f"There is no file {str(model)!r}, and it is no name of a network that edgeseg knows.")


def _check_request(kind: ModelKind[M], model: M, request: SourceRequest) -> None:
    if request.cut is not None and "cut" not in kind.takes:
        field = "depth" if isinstance(request.cut, DepthCut) else "drop_levels"
        raise UserError(f"`{field}` cuts checkpoints (.pt); {model} is not one. Export its checkpoint again.")
    if request.ignore_weights and request.weights is None:
        raise UserError("`ignore_weights` names parts of a file of weights; give that file: `weights`.")
    if request.weights is not None and "weights" not in kind.takes:
        raise UserError(
            f"`weights` are put into a network that a call builds, such as 'package.module:build()'; {model} is "
            f"{kind.title}. Leave `weights` out, or name the call in its place."
        )
