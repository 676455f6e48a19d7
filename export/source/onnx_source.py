"""An ONNX graph, of edgeseg or of anybody, brought to the form that every export starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from edgeseg.errors import SpecError
from edgeseg.export.graphs.deployed_graph import NORMALISED
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.reading.entry import Entry, keep_output, read_entry
from edgeseg.export.reading.other_kinds import refuse_other_kinds
from edgeseg.export.reading.own_graph import plain_graph
from edgeseg.export.source.foreign_net import ForeignNet, probe_inputs, strip_deployment
from edgeseg.export.source.onnx_file import embedded_spec, expect_float, open_onnx
from edgeseg.export.source.original import Own
from edgeseg.export.source.source_net import STAGE_FILE, SourceNet, SourceRequest
from edgeseg.export.specs.foreign_spec import SpecFlags, add_known, check_complete, foreign_spec, take_pixels
from edgeseg.export.specs.unsaid_task import expect_said
from edgeseg.spec import ModelSpec

_MOST_CLASSES = 256


@dataclass(frozen=True)
class Origin:
    """What a graph was before it became ONNX.

    Attributes:
        stage: what the reference is called in reports.
        run: runs the file as it is, in an engine of its own; None: ONNX Runtime runs the graph.
        known: what the file says of itself, such as mean and std; what the user says wins.
        notes: a sentence for each thing that a person should know about how it was opened.
    """

    stage: str = STAGE_FILE
    run: Own | None = None
    known: SpecFlags = field(default_factory=SpecFlags)
    notes: tuple[str, ...] = ()


_ONNX_FILE = Origin()


def open_onnx_source(path: Path, request: SourceRequest, name: str | None = None) -> SourceNet:
    """Read an ONNX file.

    Args:
        path: the file.
        request: what is asked for.
        name: what artifacts are called; None: as the file.

    Raises:
        ArtifactError: it is no whole ONNX file, or a quantised one.
        SpecError: no spec, or one that contradicts the file or what was said.
    """
    file = open_onnx(path)
    model, parents, name = file.model, {"onnx": file.digest}, name or path.stem
    own = embedded_spec(model)
    if own is not None and any(NORMALISED in node.output for node in model.graph.node):
        net = strip_deployment(model)
        spec = _same_size(own, request.settle(own))
        return SourceNet(name, spec, net, make_forward(net), STAGE_FILE, parents)
    return read_graph(model, path, request, name, parents, own)


def read_graph(
    model: onnx.ModelProto,
    path: Path,
    request: SourceRequest,
    name: str,
    parents: Mapping[str, str],
    own: ModelSpec | None = None,
    origin: Origin = _ONNX_FILE,
) -> SourceNet:
    """Bring a foreign graph to the form that exports start from; whatever became ONNX in memory comes in here.

    Args:
        model: one image in, one output or one that ``logits`` names.
        path: what it was read from, for messages.
        request: what is asked for.
        name: what artifacts are called.
        parents: SHA-256 of what it was read from, by role.
        own: the spec that it carries, if any.
        origin: what it was, and what runs it as the reference.

    Raises:
        ArtifactError: a quantised graph, or an operation that no engine knows.
        SpecError: no spec, or one that contradicts the graph, or an output that cannot be read.
    """
    flags = add_known(request.said, origin.known)
    expect_float(model)  # before flags are asked for: no flag helps a quantised file
    refuse_other_kinds(model, flags.logits)
    if flags.logits is not None:
        model = keep_output(model, flags.logits)
    entry = read_entry(plain_graph(model).graph)
    if own is None and entry.takes_pixels:
        flags = take_pixels(flags)
    foreign = _open_foreign(model, entry, own or flags, path, origin.run)
    if own is not None:
        spec = request.settle(own)
    else:
        spec = foreign_spec(path, flags, entry.size, foreign.channels, foreign.is_independent)
    bare = foreign.bare(spec, flags.upsample)
    reading = bare.reading
    if own is None and flags.task is None and reading.may_be_independent:
        expect_said(path, spec, [reading.logits(probe) for probe in probe_inputs(spec)])
    return SourceNet(
        *(name, bare.spec, bare.proto, reading.logits, origin.stage, dict(parents)),
        predict=reading.predict,
        notes=(*origin.notes, *bare.notes),
        is_foreign=own is None,
        takes_pixels=entry.takes_pixels,
    )


def _open_foreign(
    model: onnx.ModelProto, entry: Entry, known: SpecFlags | ModelSpec, path: Path, run: Own | None
) -> ForeignNet:
    """Fix what is dynamic at what is known, so that the file can be run and its output looked at."""
    if isinstance(known, ModelSpec):
        return ForeignNet(model, (known.channels, known.height, known.width), known.logit_channels, run)
    check_complete(path, known, entry.size, _told_channels(model))
    height, width = known.imgsz or (entry.height, entry.width)
    channels = entry.channels or (1 if known.color_order == "gray" else 3)
    classes = 1 if known.task == "binary" else len(known.classes or ())
    assert height is not None
    assert width is not None
    return ForeignNet(model, (channels, entry.height or height, entry.width or width), classes, run)


def _told_channels(model: onnx.ModelProto) -> int | None:
    """How many values the output has a pixel, where its shape says so without a run."""
    sides = [side.dim_value for side in model.graph.output[0].type.tensor_type.shape.dim]
    likely = [side for side in (sides[1], sides[3]) if 0 < side <= _MOST_CLASSES] if len(sides) == 4 else []
    return likely[0] if len(likely) == 1 else None


def _same_size(own: ModelSpec, asked: ModelSpec) -> ModelSpec:
    if (own.height, own.width) != (asked.height, asked.width):
        raise SpecError(
            f"This ONNX file is fixed at {own.height}x{own.width}. For another `imgsz` export the checkpoint again."
        )
    return asked
