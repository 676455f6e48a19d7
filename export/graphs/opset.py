"""Bringing an ONNX graph to opset 17, which TensorRT from 8.6, ONNX Runtime and OpenVINO all read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import onnx
from onnx import defs, helper, version_converter

from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError

OPSET = 17
STANDARD_DOMAINS = ("", "ai.onnx")
RESIZE_HAS_COORDINATES = 11
_ASIDE = "edgeseg.aside"
_PAD_AXES = 3


class OpsetError(ValueError):
    """The graph cannot be said at opset 17."""


def read_opset(model: onnx.ModelProto) -> int:
    """Read the version of the default operator set."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in STANDARD_DOMAINS), 0)


def check_operations(model: onnx.ModelProto) -> None:
    """Check that every operation is one of standard ONNX at the file's opset.

    Raises:
        ArtifactError: one is not, with its name and node.
    """
    for node in _nodes(model.graph):
        if node.domain not in STANDARD_DOMAINS or not defs.has(node.op_type, read_opset(model), ""):
            whose = f"of {node.domain}" if node.domain not in STANDARD_DOMAINS else f"at opset {read_opset(model)}"
            name = node.name or next(iter(node.output), "?")
            raise ArtifactError(
                f"The node {name!r} is the operation {node.op_type} {whose}, which "
                "is not standard ONNX: no engine of edgeseg runs it. Export the model with standard operations "
                "(a float model, before any other tool has optimised or quantised it)."
            )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node of a graph and its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for sub in (attribute.g, *attribute.graphs):
                yield from _nodes(sub)


def at_opset_17(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert the graph up or down to opset 17; the version is read back.

    Raises:
        OpsetError: an operation has no form at 17, or the converter left another version.
    """
    if read_opset(model) == OPSET:
        return model
    try:
        with quiet(), _pads_aside(model):
            converted = version_converter.convert_version(model, OPSET)
    except (RuntimeError, ValueError, version_converter.ConvertError) as error:
        raise OpsetError(str(error).strip().split("\n", maxsplit=1)[0]) from None
    _pads_back(converted)
    _drop_later_attributes(converted)
    if read_opset(model) < RESIZE_HAS_COORDINATES:
        _keep_coordinates(converted)
    if (found := read_opset(converted)) != OPSET:
        raise OpsetError(f"the converter left opset {found}")
    converted.ir_version = max(converted.ir_version, 8)
    return converted


def _drop_later_attributes(model: onnx.ModelProto) -> None:
    """Reductions of opset 18 say that empty axes mean all; 17 knows nothing else, and the converter leaves them."""
    for node in _nodes(model.graph):
        known = defs.get_schema(node.op_type, OPSET, "").attributes if defs.has(node.op_type, OPSET, "") else {}
        for attribute in list(node.attribute):
            if attribute.name == "noop_with_empty_axes" and not attribute.i and attribute.name not in known:
                node.attribute.remove(attribute)


def _keep_coordinates(model: onnx.ModelProto) -> None:
    """Upsample and Resize of before opset 11 are asymmetric; the converter leaves the new default, half-pixel."""
    for node in model.graph.node:
        if node.op_type == "Resize" and not any(a.name == "coordinate_transformation_mode" for a in node.attribute):
            node.attribute.append(helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
            node.attribute.append(helper.make_attribute("nearest_mode", "floor"))


@contextmanager
def _pads_aside(model: onnx.ModelProto) -> Iterator[None]:
    """Hide ``Pad`` from a conversion downwards.

    The converter has no adapter for Pad 18 -> 17, though without the axes input they are equal.
    """
    pads = [node for node in model.graph.node if node.op_type == "Pad" and len(node.input) <= _PAD_AXES]
    if read_opset(model) < OPSET or not pads:
        yield
        return
    for pad in pads:
        pad.domain = _ASIDE
    model.opset_import.append(helper.make_opsetid(_ASIDE, 1))
    try:
        yield
    finally:
        _pads_back(model)


def _pads_back(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.domain == _ASIDE:
            node.domain = ""
    kept = [entry for entry in model.opset_import if entry.domain != _ASIDE]
    if len(kept) != len(model.opset_import):
        entries = [helper.make_opsetid(entry.domain, entry.version) for entry in kept]
        del model.opset_import[:]
        model.opset_import.extend(entries)
