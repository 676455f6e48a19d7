"""A trained network becomes proven artifacts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.api.needs import need_to_export
from edgeseg.artifact import MANIFEST, Artifact
from edgeseg.console.extras import require
from edgeseg.console.progress import OnProgress, report_to
from edgeseg.errors import DataWarning, UserError
from edgeseg.files.atomic import check_writable
from edgeseg.files.model_name import read_model
from edgeseg.formats import OPENVINO, TENSORRT, format_names
from edgeseg.proof.budget import Budget
from edgeseg.runtime.trt.build_settings import BuildSettings
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from edgeseg.export.source.source_net import SourceNet, SourceRequest
    from edgeseg.masks.mask_values import GivenValues

IN_MEMORY = Path("artifacts")
"""Where artifacts of a network go that comes from no file."""


def export_model(
    net: nn.Module | str | Path | Artifact,
    *,
    spec: ModelSpec | None = None,
    classes: Sequence[str] | None = None,
    imgsz: int | tuple[int, int] | None = None,
    color_order: str | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    task: str | None = None,
    example: Any = None,
    weights: str | Path | None = None,
    ignore_weights: Sequence[str] = (),
    data: str | Path | None = None,
    mask_values: GivenValues | None = None,
    format: str = OPENVINO.name,
    outputs: Sequence[str] = ("labels",),
    half: bool = False,
    budget: Budget | None = None,
    build: BuildSettings | None = None,
    logits: str | None = None,
    upsample: str | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    progress: OnProgress | None = None,
) -> Artifact:
    """Export a network in float and prove that it still segments what it segmented.

    Every artifact is compared with the network itself, from the image to the mask, before it takes its name. The
    ``onnx`` artifact is written on the way to each of the others and stays beside it.

    Args:
        net: a ``torch.nn.Module`` from normalised float32 ``[1, C, H, W]`` to logits ``[1, K, H, W]``; or the path of a
            checkpoint, of an ONNX file, or of an fp32 ``onnx`` artifact; or a call such as
            ``package.module:build(arch='x')``, whose code is imported, from the current directory too. All kinds are in
            docs/your-network.md.
        spec: what the network takes and gives, where it brings none, as a module or somebody else's ONNX file;
            for one that brings its own only size, threshold and ignore index may differ.
        classes, imgsz, color_order, mean, std, task: the parts of a spec that are known, in place of ``spec``. Of a
            module, what is left out follows from it (the number of classes) or is assumed (ImageNet's mean and std),
            and a warning says which; mean and std are for values of 0..1, one a channel or one for all.
        example: a tensor or an array ``[1, C, H, W]`` as the network takes it, which gives ``imgsz``.
        weights: a file with the weights of a network that a call builds (``.pth``, ``.ckpt``, ``.safetensors``, ...).
        ignore_weights: parts in that file that the network has not and that its results do not depend on, by their
            names, such as ``decoder_boundary``; auxiliary heads are known without it.
        data: a data folder, or a folder of images, to compare masks on; None: synthetic pictures.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as the data says it.
        format: ``openvino``, ``onnx``, ``tensorrt``, or one that another package brings (docs/engines.md).
        outputs: of the graph: ``labels``, and on request ``confidence`` and ``logits``. A spec with a threshold has
            ``confidence`` in any case. ``("logits",)`` alone is for programs that find the labels themselves, such as
            Intel's Model API (docs/engines.md); edgeseg runs and proves such an artifact too.
        half: float16 wherever it is safe (``tensorrt``).
        budget: what float16 may lose.
        build: how a device is to build its engine (``tensorrt``).
        logits: the output with the logits, where an ONNX file has several.
        upsample: ``bilinear`` or ``bilinear-align-corners``: bring an ONNX file's smaller logits to the input's size.
        out: the folder for artifacts; None: ``artifacts`` beside the file, or here for a module.
        name: what they are called; None: as the file, or the module's class.
        progress: called with a description, a count and its end.

    Returns:
        The artifact of the format that was asked for; what was compared is in ``measured``.

    Raises:
        SpecError: no spec, or one that contradicts the network.
        CheckpointError, ArtifactError: the file is not what it should be, or cannot be exported.
        UserError: an argument that makes no sense.
        GateFailed: the masks differ; ``comparison`` shows by how much. Nothing is left of that artifact.
        MissingExtra: a package is not installed.
        OutputError: ``out`` cannot be written.

    Warns:
        DataWarning: what should be known about how a network was read (docs/foreign.md), such as that its pixels were
            probably prepared in another way in training.

    Example:
        >>> spec = edgeseg.ModelSpec("multiclass", ("background", "disc", "box"), height=64, width=96)
        >>> artifact = edgeseg.export_model(net, spec=spec, data="data", name="shapes")
        >>> artifact.path.name, artifact.outputs
        ('shapes-fp32-openvino', ('labels',))
    """
    check_choice("format", format, format_names())
    if half and format != TENSORRT.name:
        raise UserError(f"`half=True` is for TensorRT; use `format='tensorrt'`. Found {format!r}.")
    net = net.path if isinstance(net, Artifact) else net
    need_to_export(net if isinstance(net, str | Path) else None, format, int8=False)
    from edgeseg.export.forms import ExportOptions, export_forms
    from edgeseg.export.source.source_net import SourceRequest
    from edgeseg.export.specs.foreign_spec import SpecFlags
    from edgeseg.proof.publishing import OutputOptions

    options = ExportOptions(
        format,
        tuple(outputs),
        half,
        build or BuildSettings(),
        as_path(data),
        mask_values=mask_values,
        budget=budget or Budget(),
    )
    weights = as_path(weights)
    folder = as_path(out) or default_out(net, weights)
    check_writable(folder)
    shown = report_to(progress)
    parts = {"classes": classes, "imgsz": imgsz, "color_order": color_order, "mean": mean, "std": std, "task": task}
    flags = SpecFlags(logits=logits, upsample=upsample, **read_parts(parts, spec, example))
    request = SourceRequest(flags, spec, None, weights, name, shown, tuple(ignore_weights))
    source = read_network(net, request)
    place = OutputOptions(folder, name or source.name, shown)
    warn = partial(warnings.warn, category=DataWarning, stacklevel=5)
    return export_forms(source, options, place, warn=warn)[-1].artifact


def read_parts(parts: Mapping[str, Any], spec: ModelSpec | None, example: Any) -> dict[str, Any]:
    """Read the parts of a spec that were given on their own.

    Raises:
        UserError: there is a whole spec beside them, or one is not what its name says.
    """
    given = {name: value for name, value in parts.items() if value is not None}
    if spec is not None and (given or example is not None):
        raise UserError(f"`spec` says it all; leave `{next(iter(given), 'example')}` out, or say it in `spec`.")
    for name in ("classes", "mean", "std"):
        if name in given:
            many = not isinstance(given[name], str | int | float)
            given[name] = tuple(given[name]) if many else (given[name],)
    if example is not None and "imgsz" not in given:
        shape = tuple(getattr(example, "shape", ()))
        if len(shape) != 4:
            raise UserError(
                f"`example` is a tensor or an array [1, C, H, W]; found {list(shape) or type(example).__name__}."
            )
        given["imgsz"] = shape[2:]
    if isinstance(size := given.get("imgsz"), int):
        given["imgsz"] = (size, size)
    elif size is not None and (len(size) != 2 or not all(isinstance(side, int) for side in size)):
        raise UserError(f"`imgsz` is (H, W) in whole pixels, or one number for both; found {size!r}.")
    return given


def read_network(net: Any, request: SourceRequest) -> SourceNet:
    """Bring a module, or a model of any other kind, to the form that every export starts from.

    Args:
        net: a ``torch.nn.Module``, a path, or a call that builds a network.
        request: what is asked for.

    Raises:
        SpecError, CheckpointError, ArtifactError, UserError: see :func:`export_model`.
    """
    from edgeseg.export.source.assumed_spec import open_in_memory
    from edgeseg.export.source.factory_source import open_built
    from edgeseg.export.source.model_kinds import open_source
    from edgeseg.export.source.module_source import TorchNet

    if isinstance(net, str | Path):
        return open_source(net, request)
    if not isinstance(net, require("torch", "export").nn.Module):
        raise UserError(
            "A network is a torch.nn.Module, the path of a file, or a call such as 'package.module:build()'; found "
            f"{type(net).__name__}."
        )
    if request.weights is not None:
        raise UserError("`weights` are put into a network that a call builds; load them into this module first.")
    name = request.name or type(net).__name__.lower()
    return open_in_memory(net, name, request) if request.spec is None else open_built(TorchNet(net, name), request)


def default_out(net: Any, weights: Path | None = None) -> Path:
    """Choose ``artifacts/`` beside a file; beside the directory itself for an artifact; here for anything else."""
    named = read_model(str(net)) if isinstance(net, str | Path) else None
    if not isinstance(named, Path):
        return IN_MEMORY if weights is None else weights.resolve().parent / "artifacts"
    path = named.resolve()
    return path.parent if (path / MANIFEST).is_file() else path.parent / "artifacts"


def as_path(value: str | Path | None) -> Path | None:
    """Make a path of what names one."""
    return None if value is None else Path(value)


def check_choice(field: str, value: str, choices: Sequence[str]) -> None:
    """Raise UserError when ``value`` is none of ``choices``."""
    if value not in choices:
        raise UserError(f"`{field}` is one of {', '.join(choices)}; found {value!r}.")
