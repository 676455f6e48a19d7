"""Giving layers of a quantised OpenVINO model their float weights and inputs back.

NNCF finds activation ranges in the float model, so they do not depend on which layers are kept in
float; undoing a layer takes a second where quantising again takes half a minute. What differs from
``nncf.quantize`` with an ``ignored_scope`` is the bias correction of later layers, which NNCF computed
while this layer was still quantised.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact
from edgeseg.calibration.equalisation.ir_steps import write_factors
from edgeseg.calibration.equalisation.record import read_from_ir
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.graphs.ir_file import constant_of, logits_output, read_ir, save_ir
from edgeseg.image import UInt8
from edgeseg.runtime.engines.openvino_core import shared_core

PASSING = ("Concat", "MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "StridedSlice", "Slice", "Pad", "Split")
_SURROUNDINGS = "edgeseg/"


class IrInFloat:
    """See :class:`~edgeseg.calibration.quantizers.quantizer.InFloat`."""

    def __init__(self, parent: Artifact, plain: Artifact) -> None:
        self._quantised = read_ir(plain.model_path)
        self._parent = read_ir(parent.model_path)
        self.layers = quantised_layers(self._quantised)
        self.file = plain.model_path.name

    def logits(self, kept: Collection[str], tensors: Sequence[UInt8]) -> list[npt.NDArray[np.float32]]:
        """Compute logits with ``kept`` in float; see :class:`~edgeseg.calibration.search.sensitivity.InFloat`."""
        openvino = require("openvino", "export")
        with quiet():
            model = in_float(self._quantised, self._parent, kept)
            cut = openvino.Model([logits_output(model)], model.get_parameters())
            compiled = shared_core("export").compile_model(cut, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            return [compiled(tensor)[0].copy() for tensor in tensors]

    def write(self, kept: Collection[str], out: Path) -> None:
        """Write the IR with the layers ``kept`` in float into ``out``."""
        with quiet():
            save_ir(in_float(self._quantised, self._parent, kept), out / self.file)


def quantised_layers(model: Any) -> tuple[str, ...]:
    """List the friendly names of the nodes that compute with quantised values, in the order of computation."""
    return tuple(
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() not in (*PASSING, "FakeQuantize", "Result")
        and not node.get_friendly_name().startswith(_SURROUNDINGS)
        and any(_is_quantised(value) for value in node.input_values())
    )


def in_float(quantised: Any, parent: Any, layers: Collection[str]) -> Any:
    """Copy ``quantised`` so that ``layers`` compute as they do in ``parent``.

    Args:
        quantised: made from ``parent`` by NNCF. It is not changed.
        parent: the float model, its nodes under the same friendly names. It is not changed.
        layers: of :func:`quantised_layers`; names that are not quantised are passed over.

    Raises:
        ArtifactError: a layer of the parent has no counterpart.
    """
    model = quantised.clone()
    if exponents := read_from_ir(quantised):
        parent = write_factors(parent, exponents)
    originals = {node.get_friendly_name(): node for node in parent.get_ordered_ops()}
    copies: dict[str, Any] = {}
    for node in model.get_ordered_ops():
        if node.get_friendly_name() in layers:
            _undo(node, _counterpart(node, originals), copies)
            _undo_bias(node, originals)
    model.validate_nodes_and_infer_types()
    return model


def _is_quantised(value: Any) -> bool:
    node = value.get_node()
    if node.get_type_name() in PASSING:
        return any(_is_quantised(before) for before in node.input_values())
    return bool(node.get_type_name() == "FakeQuantize")


def _counterpart(node: Any, originals: dict[str, Any]) -> Any:
    name = node.get_friendly_name()
    if name not in originals:
        raise ArtifactError(f"The quantised layer {name} has no counterpart in the fp32 artifact; export it again.")
    return originals[name]


def _undo(node: Any, original: Any, copies: dict[str, Any]) -> None:
    for port, before in zip(node.inputs(), original.input_values(), strict=True):
        found = port.get_source_output()
        if found.get_node().get_type_name() == "Constant":
            continue
        constant = _constant(before)
        port.replace_source_output(_unquantise(found, copies) if constant is None else constant)


def _unquantise(value: Any, copies: dict[str, Any]) -> Any:
    """The same values before they were rounded; nodes that only pass values on are copied."""
    node = value.get_node()
    if node.get_type_name() == "FakeQuantize":
        return node.input_value(0)
    if node.get_type_name() not in PASSING or not _is_quantised(value):
        return value
    name = node.get_friendly_name()
    if name not in copies:
        copies[name] = _copy(node, [_unquantise(before, copies) for before in node.input_values()])
        copies[name].set_friendly_name(f"{name}/in_float")
    return copies[name].output(value.get_index())


def _copy(node: Any, inputs: list[Any]) -> Any:
    factory = require("openvino.utils.node_factory", "export").NodeFactory(node.get_type_info().version_id)
    return factory.create(node.get_type_name(), inputs, node.get_attributes())


def _constant(value: Any) -> Any:
    """A constant of this value's own, or None when it is computed from the input."""
    data = constant_of(value)
    return None if data is None else require("openvino", "export").op.Constant(data).output(0)


def _undo_bias(node: Any, originals: dict[str, Any]) -> None:
    """Bias correction made up for this layer's rounding, which is gone."""
    openvino = require("openvino", "export")
    for target in node.output(0).get_target_inputs():
        add = target.get_node()
        bias = add.input(1 - target.get_index()) if add.get_type_name() == "Add" else None
        if bias is None or bias.get_source_output().get_node().get_type_name() != "Constant":
            continue
        original = originals.get(add.get_friendly_name())
        before = _constant(original.input_value(bias.get_index())) if original else None
        if before is None:  # NNCF gave a layer without a bias one
            before = openvino.op.Constant(np.zeros_like(bias.get_source_output().get_node().data)).output(0)
        bias.replace_source_output(before)
