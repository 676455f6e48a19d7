"""An ONNX file, or a checkpoint through ONNX, as a traceable form in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from edgeseg.console.quiet import quiet
from edgeseg.export.trace.form import (
    LOGITS,
    NORMALISED,
    Ending,
    Layer,
    Range,
    Replay,
    Taps,
    Tensors,
    is_comparable,
)
from edgeseg.graphs.cut_labels import expose_logits
from edgeseg.image import Float32, UInt8
from edgeseg.runtime.engines.engine import INPUT, LABELS
from edgeseg.runtime.engines.ort_session import EVERYTHING, NOTHING, open_session, translate_errors
from edgeseg.runtime.system.machine import usable_cores

GIVEN = "given/"
_PASSES_ON = ("Identity", "QuantizeLinear", "DequantizeLinear", "Cast")
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_LIMITS: dict[int, tuple[int, int]] = {TensorProto.INT8: (-128, 127), TensorProto.UINT8: (0, 255)}

Forward = Callable[[Float32], Float32]


class OnnxForm:
    """See :class:`~edgeseg.export.trace.form.Form`.

    Args:
        name: what tables call it.
        model: a deployed graph (``docs/architecture.md``).
        fused: the deployed form is run with ONNX Runtime's optimisations; without, operator by
            operator, which is the stand-in for TensorRT.
        forward: gives the logits instead, for a checkpoint: normalised input to logits.
    """

    def __init__(self, name: str, model: onnx.ModelProto, fused: bool = True, forward: Forward | None = None) -> None:
        self.name = name
        self._fused = fused
        self._forward = forward
        with quiet():
            self._model = shape_inference.infer_shapes(expose_logits(model))
        self._graph = self._model.graph
        self.quantised = any(node.op_type == "DequantizeLinear" for node in self._graph.node)

    @cached_property
    def readable(self) -> frozenset[str]:
        """Names of the tensors whose shape is known."""
        return frozenset(name for node in self._graph.node for name in node.output if name in self._shapes)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The nodes that compute from the image, in the order of the file."""
        return tuple(
            Layer(name, node.op_type, self._sources(node), self._weights(node))
            for node in self._graph.node
            for name in node.output[:1]
            if self._is_layer(node, name)
        )

    def taps(self, names: Collection[str]) -> Taps:
        """Read tensors as the engine computes them; see :meth:`edgeseg.export.trace.form.Form.taps`."""
        run = _runner(self._with_outputs(names), fused=not self.quantised)
        if self._forward is None or LOGITS not in names:
            return lambda pixels: run({INPUT: pixels[None]})
        return self._with_forward(run)

    def exact(self, names: Collection[str]) -> Taps:
        """Read tensors with every optimisation switched off."""
        run = _runner(self._with_outputs(names), fused=False)
        return lambda pixels: run({INPUT: pixels[None]})

    def replay(self, names: Collection[str]) -> Replay:
        """Run every layer on given inputs, as the engine computes it."""
        run = _runner(self._cut(names), fused=True)
        return lambda pixels, given: run({INPUT: pixels[None], **{GIVEN + name: given[name] for name in names}})

    def whole(self) -> Callable[[UInt8], Ending]:
        """Run the deployed model."""
        names = (LOGITS, NORMALISED) if self._forward else (LOGITS,)
        run = _runner(self._with_outputs((LABELS, *names)), fused=self._fused)
        patched = self._with_forward(run) if self._forward else lambda pixels: run({INPUT: pixels[None]})

        def ending(pixels: UInt8) -> Ending:
            found = patched(pixels)
            return Ending(np.asarray(found[LABELS][0], np.uint8), found[LOGITS])

        return ending

    def ranges(self, name: str) -> tuple[Range, ...]:
        """List the QuantizeLinear nodes that read the tensor."""
        return tuple(self._range(node) for node in self._consumers(name) if node.op_type == "QuantizeLinear")

    def _with_forward(self, run: Callable[[dict[str, Any]], Tensors]) -> Taps:
        forward = self._forward
        assert forward is not None

        def read(pixels: UInt8) -> Tensors:
            found = run({INPUT: pixels[None]})
            return {**found, LOGITS: forward(found[NORMALISED])}

        return read

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Static shapes of the float tensors."""
        entries = [*self._graph.value_info, *self._graph.output]
        tensors = {entry.name: entry.type.tensor_type for entry in entries}
        return {
            name: tuple(dim.dim_value for dim in tensor.shape.dim)
            for name, tensor in tensors.items()
            if tensor.elem_type == TensorProto.FLOAT and tensor.shape.dim and all(d.dim_value for d in tensor.shape.dim)
        }

    @cached_property
    def _makers(self) -> dict[str, onnx.NodeProto]:
        return {name: node for node in self._graph.node for name in node.output}

    @cached_property
    def _constants(self) -> dict[str, onnx.TensorProto]:
        return {tensor.name: tensor for tensor in self._graph.initializer}

    @cached_property
    def _from_image(self) -> frozenset[str]:
        """Every tensor that depends on the image."""
        found = {INPUT}
        for node in self._graph.node:
            if found & set(node.input):
                found.update(node.output)
        return frozenset(found)

    def _is_layer(self, node: onnx.NodeProto, name: str) -> bool:
        if name not in self._shapes or name not in self._from_image or not is_comparable(name):
            return False
        return len(self._shapes[name]) == 4 and (node.op_type not in _PASSES_ON or name == LOGITS)

    def _sources(self, node: onnx.NodeProto) -> tuple[str, ...]:
        """The nearest layers upstream."""
        found: list[str] = []
        for name in node.input:
            if name in self._makers and name in self._from_image:
                maker = self._makers[name]
                found.extend([name] if self._is_layer(maker, name) else self._sources(maker))
        return tuple(dict.fromkeys(found))

    def _weights(self, node: onnx.NodeProto) -> str:
        return node.input[1] if node.op_type in _WEIGHTED and node.input[1] in self._constants else ""

    def _consumers(self, name: str) -> Iterator[onnx.NodeProto]:
        for node in self._graph.node:
            if name in node.input:
                yield node
                if node.op_type == "Identity":
                    yield from self._consumers(node.output[0])

    def _range(self, node: onnx.NodeProto) -> Range:
        scale = numpy_helper.to_array(self._constants[node.input[1]]).astype(np.float32)
        zero_point = self._constants[node.input[2]] if len(node.input) > 2 else None
        low, high = _LIMITS[zero_point.data_type if zero_point is not None else TensorProto.UINT8]
        middle = numpy_helper.to_array(zero_point).astype(np.float32) if zero_point is not None else np.float32(0)
        return Range(np.asarray((low - middle) * scale), np.asarray((high - middle) * scale))

    def _with_outputs(self, names: Collection[str]) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        kinds = {entry.name: entry for entry in [*model.graph.value_info, *model.graph.output]}
        del model.graph.output[:]
        model.graph.output.extend(kinds[name] for name in names)
        return model

    def _cut(self, names: Collection[str]) -> onnx.ModelProto:
        model = self._with_outputs(names)
        for node in model.graph.node:
            for at, name in enumerate(node.input):
                if name in names:
                    node.input[at] = GIVEN + name
        model.graph.input.extend(
            helper.make_tensor_value_info(GIVEN + name, TensorProto.FLOAT, self._shapes[name]) for name in names
        )
        return model


def run_graph(model: onnx.ModelProto, feed: dict[str, Any]) -> Tensors:
    """Compute the outputs of a small graph."""
    return _runner(model, fused=False)(feed)


def _runner(model: onnx.ModelProto, fused: bool) -> Callable[[dict[str, Any]], Tensors]:
    session = _session(model, fused)
    names = [output.name for output in session.get_outputs()]
    taken = {entry.name for entry in session.get_inputs()}

    def run(feed: dict[str, Any]) -> Tensors:
        results = session.run(names, {name: value for name, value in feed.items() if name in taken})
        return dict(zip(names, results, strict=True))

    return run


def _session(model: onnx.ModelProto, fused: bool) -> Any:
    with translate_errors("ONNX Runtime cannot trace this network", "Export the model again."):
        return open_session(model.SerializeToString(), EVERYTHING if fused else NOTHING, threads=usable_cores())
