"""An OpenVINO model as a traceable form."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any

import numpy as np

from edgeseg.calibration.quantizers.int8_ir_from_ir import WEIGHTED
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import EngineError
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
from edgeseg.graphs.ir_file import logits_output
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import INPUT, LABELS
from edgeseg.runtime.engines.openvino_core import shared_core

GIVEN = "given/"
_F32 = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
_AS_WRITTEN = {**_F32, "LP_TRANSFORMS_MODE": "NO"}
_PASSES_ON = ("FakeQuantize", "Convert", "Parameter", "Result", "Constant")


class OpenVinoForm:
    """See :class:`~edgeseg.export.trace.form.Form`.

    Args:
        name: what tables call it.
        model: an ``openvino.Model`` of the deployed graph. It is not changed.
    """

    def __init__(self, name: str, model: Any) -> None:
        self.name = name
        self._model = model.clone()  # which drops some second names of tensors, once
        _expose_logits(self._model)
        self.quantised = any(node.get_type_name() == "FakeQuantize" for node in self._nodes)

    @cached_property
    def readable(self) -> frozenset[str]:
        """Names of the tensors that can be read."""
        return frozenset(self._ports)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The operations that compute from the image, in the order of computation."""
        return tuple(
            Layer(_name(node), node.get_type_name(), self._sources(node), _weights(node))
            for node in self._nodes
            if _is_layer(node)
        )

    def taps(self, names: Collection[str]) -> Taps:
        """Read tensors as OpenVINO computes them; see :meth:`edgeseg.export.trace.form.Form.taps`."""
        run = _runner(self._with_outputs(names), names, _F32)
        return lambda pixels: run({INPUT: pixels[None]})

    def exact(self, names: Collection[str]) -> Taps:
        """Read tensors as the graph says, without integer kernels."""
        run = _runner(self._with_outputs(names), names, _AS_WRITTEN)
        return lambda pixels: run({INPUT: pixels[None]})

    def replay(self, names: Collection[str]) -> Replay:
        """Run every layer on given inputs."""
        run = _runner(self._cut(names), names, _F32)
        return lambda pixels, given: run({INPUT: pixels[None], **{GIVEN + name: given[name] for name in names}})

    def whole(self) -> Callable[[UInt8], Ending]:
        """Run the deployed model."""
        run = _runner(self._with_outputs((LABELS, LOGITS)), (LABELS, LOGITS), _F32)

        def ending(pixels: UInt8) -> Ending:
            found = run({INPUT: pixels[None]})
            return Ending(np.asarray(found[LABELS][0], np.uint8), found[LOGITS])

        return ending

    def ranges(self, name: str) -> tuple[Range, ...]:
        """List the ranges of the FakeQuantize nodes that read the tensor."""
        consumers = [target.get_node() for target in self._ports[name].get_target_inputs()]
        return tuple(_range(node) for node in consumers if node.get_type_name() == "FakeQuantize")

    @cached_property
    def _nodes(self) -> list[Any]:
        return list(self._model.get_ordered_ops())

    @cached_property
    def _ports(self) -> dict[str, Any]:
        return _ports(self._model)

    def _sources(self, node: Any) -> tuple[str, ...]:
        """The nearest layers upstream."""
        found: list[str] = []
        for port in node.input_values():
            maker = port.get_node()
            found.extend([_name(maker)] if _is_layer(maker) else self._sources(maker))
        return tuple(dict.fromkeys(found))

    def _with_outputs(self, names: Collection[str]) -> Any:
        """The model with these outputs first and its own behind them."""
        model = self._model.clone()
        ports = _ports(model)
        own = [result.input_value(0) for result in model.get_results()]
        extra = [port for port in own if not port.get_names() & set(names)]
        return _model([*(ports[name] for name in names), *extra], model.get_parameters())

    def _cut(self, names: Collection[str]) -> Any:
        operations = require("openvino.opset13", "export")
        model = self._model.clone()
        ports = _ports(model)
        given = []
        for name in names:
            parameter = operations.parameter(ports[name].get_shape(), np.float32, name=GIVEN + name)
            parameter.output(0).set_names({GIVEN + name})
            for target in ports[name].get_target_inputs():
                target.replace_source_output(parameter.output(0))
            given.append(parameter)
        return _model([ports[name] for name in names], [*model.get_parameters(), *given])


def _model(ports: list[Any], parameters: list[Any]) -> Any:
    operations = require("openvino.opset13", "export")
    return require("openvino", "export").Model([operations.result(port) for port in ports], parameters)


def _expose_logits(model: Any) -> None:
    """Give the logits of the picture their name where the labels are cut and not the logits."""
    if LOGITS not in _ports(model):
        port = logits_output(model)
        port.get_tensor().set_names({LOGITS})
        model.add_results([require("openvino.opset13", "export").result(port)])


def _name(node: Any) -> str:
    names = node.output(0).get_names()
    return NORMALISED if NORMALISED in names else min(names)


def _is_layer(node: Any) -> bool:
    if node.get_type_name() in _PASSES_ON or not node.get_output_size() or not node.output(0).get_names():
        return False
    port = node.output(0)
    floats = port.get_element_type().to_dtype() == np.float32
    return floats and len(port.get_partial_shape()) == 4 and is_comparable(_name(node))


def _weights(node: Any) -> str:
    """Of a convolution, or of one with its bias as a sum behind it."""
    makers = [node, *(port.get_node() for port in node.input_values()[:1])]
    weighted = next((one for one in makers if one.get_type_name() in WEIGHTED), None)
    return weighted.input_value(1).get_node().get_friendly_name() if weighted else ""


def _ports(model: Any) -> dict[str, Any]:
    return {
        name: port
        for node in model.get_ordered_ops()
        if node.get_type_name() not in ("Result", "Constant")
        for port in node.outputs()
        for name in port.get_names()
    }


def _range(node: Any) -> Range:
    low, high = (np.asarray(node.input_value(at).get_node().data, np.float32) for at in (1, 2))
    return Range(low, high)


def _runner(model: Any, names: Collection[str], config: dict[str, str]) -> Callable[[dict[str, Any]], Tensors]:
    core = shared_core("export")
    try:
        with quiet():
            request = core.compile_model(model, "CPU", {**config, "CACHE_DIR": ""}).create_infer_request()
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise EngineError(f"OpenVINO cannot trace this network: {lines[-1]}. Export the model again.") from error
    wanted = {name for port in request.model_inputs for name in port.get_names()}

    def run(feed: dict[str, Any]) -> Tensors:
        request.infer({name: value for name, value in feed.items() if name in wanted})
        return {name: np.array(request.get_output_tensor(at).data) for at, name in enumerate(names)}

    return run
