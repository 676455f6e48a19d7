"""Bringing an ONNX graph to opset 17, which TensorRT from 8.6, ONNX Runtime and OpenVINO all read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import onnx
from onnx import helper, version_converter

from edgeseg.calibration.quiet import quiet

OPSET = 17
_ASIDE = "edgeseg.aside"
_PAD_AXES = 3


class OpsetError(ValueError):
    """The graph cannot be said at opset 17."""


def opset_of(model: onnx.ModelProto) -> int:
    """Version of the default operator set."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def at_opset_17(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph at opset 17, converted up or down; the version is read back.

    Raises:
        OpsetError: an operation has no form at 17, or the converter left another version.
    """
    if opset_of(model) == OPSET:
        return model
    try:
        with quiet(), _pads_aside(model):
            converted = version_converter.convert_version(model, OPSET)
    except (RuntimeError, ValueError) as error:
        raise OpsetError(str(error).strip().split("\n", maxsplit=1)[0]) from None
    _pads_back(converted)
    if (found := opset_of(converted)) != OPSET:
        raise OpsetError(f"the converter left opset {found}")
    converted.ir_version = max(converted.ir_version, 8)
    return converted


@contextmanager
def _pads_aside(model: onnx.ModelProto) -> Iterator[None]:
    """Hide ``Pad`` from a conversion downwards.

    The converter has no adapter for Pad 18 -> 17, though without the axes input they are equal.
    """
    pads = [node for node in model.graph.node if node.op_type == "Pad" and len(node.input) <= _PAD_AXES]
    if opset_of(model) < OPSET or not pads:
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
