"""What is exported: a checkpoint, an ONNX file, or an fp32 ONNX artifact, brought to one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from edgeseg.artifact import MANIFEST, Artifact
from edgeseg.console.extras import require
from edgeseg.console.progress import Progress, no_progress
from edgeseg.errors import ArtifactError, SpecError, UserError
from edgeseg.export.graphs.deployed_graph import NORMALISED
from edgeseg.export.graphs.ort_session import Forward, make_forward
from edgeseg.export.reading.entry import Entry, keep_output, read_entry
from edgeseg.export.reading.other_kinds import refuse_other_kinds
from edgeseg.export.reading.own_graph import plain_graph
from edgeseg.export.source.finite_net import check_activations, check_weights
from edgeseg.export.source.foreign_net import ForeignNet, probe_inputs, strip_deployment
from edgeseg.export.source.foreign_spec import (
    SpecFlags,
    agree_with,
    change_spec,
    check_complete,
    describe_spec,
    foreign_spec,
    take_pixels,
)
from edgeseg.export.source.onnx_file import embedded_spec, expect_float, open_onnx
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.reference_engine import Predict
from edgeseg.export.source.unsaid_task import expect_said
from edgeseg.files.foreign_kind import describe_foreign
from edgeseg.image import Float32
from edgeseg.masks.mask_values import GivenValues
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from edgeseg.training.checkpoint import LoadedModel
    from edgeseg.training.pruning.level_cut import CutFacts

CHECKPOINT_SUFFIXES = (".pt", ".pth")
STAGE_FILE = "onnx file"


@dataclass(frozen=True)
class SourceNet:
    """A trained network, ready to be wrapped.

    Attributes:
        name: what artifacts made from it are called.
        spec: its contract.
        proto: the bare network as ONNX.
        forward: the network as it was given (torch, or the original file), the reference.
        stage: what ``forward`` is called in reports.
        parents: SHA-256 of the file it was read from, by role.
        cut: what ``drop_levels`` cost and saved, where levels were dropped.
        depth: what ``depth`` cut a U-Net++ to, where it did.
        predict: what the network's own last layers say, the reference where it has such; None: what follows from
            the logits.
        notes: a sentence for each thing that a person should know about how it was read.
        is_foreign: how its pixels are prepared is somebody's word, and not what training wrote.
        takes_pixels: it takes uint8 pixels and prepares them itself.
        trained_on: which pictures it learned from, see :func:`edgeseg.files.trained_on.record_training`; None where the
            file does not say.
    """

    name: str
    spec: ModelSpec
    proto: onnx.ModelProto
    forward: Forward
    stage: str
    parents: dict[str, str]
    cut: CutFacts | None = None
    depth: int | None = None
    predict: Predict | None = None
    notes: tuple[str, ...] = ()
    is_foreign: bool = False
    takes_pixels: bool = False
    trained_on: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class DepthCut:
    """What ``depth`` asks for: the levels of a U-Net++ to keep below the finest."""

    depth: int


@dataclass(frozen=True)
class LevelCut:
    """What ``drop_levels`` asks for: the deepest level to keep, and the labelled images it is measured on.

    Attributes:
        level: the deepest level to keep.
        data: a data folder.
        mask_values: what the values of its masks mean; None: as the data says it.
    """

    level: int
    data: Path | None
    mask_values: GivenValues | None = None


def source_net(
    path: Path,
    flags: SpecFlags,
    cut: LevelCut | DepthCut | None = None,
    spec: ModelSpec | None = None,
    progress: Progress = no_progress,
) -> SourceNet:
    """Read a checkpoint (``.pt``), an ONNX file or an fp32 ONNX artifact.

    Args:
        path: the file.
        flags: what the user said about its spec.
        cut: levels to drop; the network without them is the source then, and the reference for every export.
        spec: the whole spec, in place of ``flags``; of those only what a spec does not say counts then.
        progress: of what a cut measures.

    Raises:
        SpecError: no spec, or one that contradicts the model or the flags.
        CheckpointError, ArtifactError: the file is not what it should be.
        UserError: levels that cannot be dropped.
    """
    settle = partial(change_spec, flags=flags) if spec is None else partial(agree_with, asked=spec)
    if spec is not None:
        flags = describe_spec(spec, flags.logits, flags.upsample)
    if path.suffix in CHECKPOINT_SUFFIXES and not path.is_dir():
        return _from_checkpoint(path, settle, cut, progress)
    if cut is not None:
        field = "depth" if isinstance(cut, DepthCut) else "drop_levels"
        raise UserError(f"`{field}` cuts checkpoints (.pt); {path} is not one. Export its checkpoint again.")
    if path.is_dir() or (path.parent / MANIFEST).is_file():
        artifact = Artifact.open(path)
        if (artifact.format, artifact.precision) != ("onnx", "fp32"):
            raise ArtifactError(
                f"{artifact.path} is {artifact.precision} {artifact.format}; export starts from a checkpoint, an ONNX "
                "file or an fp32-onnx artifact. To quantise an fp32 OpenVINO artifact: "
                f"`edgeseg.quantize({str(artifact.path)!r}, DIR)`"
            )
        return _from_onnx(artifact.model_path, artifact.name, flags, settle)
    if path.exists() and path.suffix != ".onnx":
        raise ArtifactError(describe_foreign(path))
    return _from_onnx(path, path.stem, flags, settle)


def torch_forward(model: nn.Module) -> Forward:
    """Make a checkpoint's network a function of arrays."""
    torch = require("torch", "export")

    def forward(values: Float32) -> Float32:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(values)).numpy(), np.float32)

    return forward


def _from_checkpoint(
    path: Path, settle: Callable[[ModelSpec], ModelSpec], cut: LevelCut | DepthCut | None, progress: Progress
) -> SourceNet:
    require("torch", "export")
    from edgeseg.training.checkpoint import load_model
    from edgeseg.training.pruning.depth_cut import cut_to_depth

    loaded = load_model(path)
    check_weights(loaded.model, path)
    spec = settle(loaded.spec)
    depth = cut.depth if isinstance(cut, DepthCut) else None
    if depth is not None:
        loaded = cut_to_depth(loaded, depth)
    model, facts = _without_levels(loaded, spec, cut, progress) if isinstance(cut, LevelCut) else (loaded.model, None)
    proto, parents = onnx_from_checkpoint(model, spec), {"checkpoint": loaded.digest}
    check_activations(model, probe_inputs(spec), path)
    known = loaded.training.get("trained_on")
    return SourceNet(loaded.name, spec, proto, torch_forward(model), "torch", parents, facts, depth, trained_on=known)


def _without_levels(
    loaded: LoadedModel, spec: ModelSpec, cut: LevelCut, progress: Progress
) -> tuple[nn.Module, CutFacts]:
    if cut.data is None:
        raise UserError("`drop_levels` needs the means of what it drops; give `data=DIR` with images and masks.")
    require("accelerate", "train")
    from edgeseg.training.pruning.level_cut import cut_and_measure, labelled_validator

    validator = labelled_validator(cut.data, spec, mask_values=cut.mask_values)
    with progress("drop levels", 2) as tick:
        return cut_and_measure(loaded.model, cut.level, validator, tick)


def _from_onnx(path: Path, name: str, flags: SpecFlags, settle: Callable[[ModelSpec], ModelSpec]) -> SourceNet:
    file = open_onnx(path)
    model, parents = file.model, {"onnx": file.digest}
    own = embedded_spec(model)
    if own is not None and any(NORMALISED in node.output for node in model.graph.node):
        net = strip_deployment(model)
        return SourceNet(name, _same_size(own, settle(own)), net, make_forward(net), STAGE_FILE, parents)
    expect_float(model)  # before flags are asked for: no flag helps a quantised file
    refuse_other_kinds(model, flags.logits)
    if flags.logits is not None:
        model = keep_output(model, flags.logits)
    entry = read_entry(plain_graph(model).graph)
    if own is None and entry.takes_pixels:
        flags = take_pixels(flags)
    foreign = _open_foreign(model, entry, own or flags, path)
    spec = settle(own) if own else foreign_spec(path, flags, entry.size, foreign.channels, foreign.is_independent)
    bare = foreign.bare(spec, flags.upsample)
    reading = bare.reading
    if own is None and flags.task is None and reading.may_be_independent:
        expect_said(path, spec, [reading.logits(probe) for probe in probe_inputs(spec)])
    return SourceNet(
        *(name, bare.spec, bare.proto, reading.logits, STAGE_FILE, parents),
        predict=reading.predict,
        notes=bare.notes,
        is_foreign=own is None,
        takes_pixels=entry.takes_pixels,
    )


def _open_foreign(model: onnx.ModelProto, entry: Entry, known: SpecFlags | ModelSpec, path: Path) -> ForeignNet:
    """Fix what is dynamic at what is known, so that the file can be run and its output looked at."""
    if isinstance(known, ModelSpec):
        return ForeignNet(model, (known.channels, known.height, known.width), known.logit_channels)
    check_complete(path, known, entry.size)
    height, width = known.imgsz or (entry.height, entry.width)
    channels = entry.channels or (1 if known.color_order == "gray" else 3)
    classes = 1 if known.task == "binary" else len(known.classes or ())
    assert height is not None
    assert width is not None
    return ForeignNet(model, (channels, entry.height or height, entry.width or width), classes)


def _same_size(own: ModelSpec, asked: ModelSpec) -> ModelSpec:
    if (own.height, own.width) != (asked.height, asked.width):
        raise SpecError(
            f"This ONNX file is fixed at {own.height}x{own.width}. For another `imgsz` export the checkpoint again."
        )
    return asked
