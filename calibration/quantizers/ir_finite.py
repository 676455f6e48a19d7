"""Whether an OpenVINO float model computes finite numbers on the images that calibrate it.

NNCF 3.4 does not say when it does not: a NaN is gone behind the next ReLU, as OpenVINO computes it, and what is
infinite becomes a range without end. Either gave a file that opened and ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.nonfinite import describe_broken_values, describe_broken_weights, is_finite
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.image import UInt8
from edgeseg.runtime.engines.openvino_core import shared_core

_SURROUNDINGS = "edgeseg/"
_CARRIES_WEIGHTS = ("Convert", "Reshape", "Transpose", "Squeeze", "Unsqueeze")


def check_ir(model: Any, images: CalibrationSet) -> None:
    """Run the float model on every image and look at what each layer gives.

    A sum is finite only where all that is summed is, so sums are looked at first, and whole layers only where one is
    not: 0.08 s of CPU an image for a network of 142 such values at 360x480, where fetching all of them took 0.66.

    Args:
        model: an ``openvino.Model`` with the uint8 NHWC input ``image``. It is not changed.
        images: what is shown.

    Raises:
        ArtifactError: weights or activations are NaN or infinite; the first such layer is named.
        MissingExtra: OpenVINO is not installed.
    """
    check_ir_weights(model)
    sums = _Watch(model, _sum)
    for path in images.images:
        tensor = images.tensor(path)
        if sums.first_broken(tensor) is not None and (found := _Watch(model).first_broken(tensor)) is not None:
            raise ArtifactError(describe_broken_values(*found, path.name))


def check_ir_weights(model: Any) -> None:
    """Raise ArtifactError when a constant of the network is NaN or infinite."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant" and _is_float(node.output(0)) and not is_finite(node.data):
            raise ArtifactError(describe_broken_weights(_reader(node), node.get_friendly_name()))


class _Watch:
    """A float model whose outputs are what its layers give, or something made of that.

    Args:
        model: it is copied.
        made: of one layer's output; nothing is made of it by default.
    """

    def __init__(self, model: Any, made: Callable[[Any], Any] = lambda output: output) -> None:
        openvino = require("openvino", "export")
        with quiet():
            copy = model.clone()
            outputs = list(_activations(copy))
            self._layers = [output.get_node() for output in outputs]
            watched = openvino.Model([made(output) for output in outputs], copy.get_parameters())
            compiled = shared_core("export").compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            self._request = compiled.create_infer_request()

    def first_broken(self, tensor: UInt8) -> tuple[str, str, Any] | None:
        """Name, operation and values of the first layer that is not finite for a network input (1, H, W, C)."""
        self._request.infer({"image": tensor})
        for at, layer in enumerate(self._layers):
            values = self._request.get_output_tensor(at).data
            if not is_finite(values):
                return layer.get_friendly_name(), layer.get_type_name(), values
        return None


def _sum(output: Any) -> Any:
    operations = require("openvino", "export").opset13
    axes = np.arange(len(output.get_partial_shape()))
    return operations.reduce_sum(output, axes, keep_dims=False).output(0)


def _activations(model: Any) -> Iterator[Any]:
    """Float values that depend on the image, in the order of computation; those of our own layers left out."""
    computed: set[str] = set()
    for node in model.get_ordered_ops():
        from_image = any(value.get_node().get_name() in computed for value in node.input_values())
        if node.get_type_name() == "Parameter" or from_image:
            computed.add(node.get_name())
        is_ours = node.get_friendly_name().startswith(_SURROUNDINGS) or node.get_type_name() == "Result"
        if from_image and not is_ours:
            yield from (output for output in node.outputs() if _is_float(output))


def _is_float(output: Any) -> bool:
    return bool(output.get_element_type().is_real())


def _reader(constant: Any) -> str:
    """The first layer that computes with a constant."""
    node = constant
    while targets := [port for output in node.outputs() for port in output.get_target_inputs()]:
        node = targets[0].get_node()
        if node.get_type_name() not in _CARRIES_WEIGHTS:
            return str(node.get_friendly_name())
    return "no layer"
