"""In which precision each layer of an artifact really runs on this device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.errors import EngineError
from edgeseg.runtime.engines.openvino_core import shared_core

HEAVY = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
_NO_WORK = frozenset({"Const", "Input", "Output", "Reorder", "Reshape", "Transpose", "Convert"})
_INTEGER = frozenset({"i8", "u8"})


@dataclass(frozen=True)
class Layer:
    """One layer as the device executes it.

    Attributes:
        name: of the first operation it was fused from.
        kind: what the engine calls it, for example ``Convolution``.
        precision: of its main input: ``u8``, ``i8``, ``bf16``, ``f32`` ...
        kernel: the implementation that was chosen.
    """

    name: str
    kind: str
    precision: str
    kernel: str

    @property
    def is_int8(self) -> bool:
        """Whether the layer computes in eight bits."""
        return self.precision in _INTEGER


def executed_layers(artifact: Artifact, device: str = "CPU") -> list[Layer]:
    """List the layers of an OpenVINO artifact in topological order, from the compiled model on this device.

    The IR's FakeQuantize nodes only say what may run in INT8; the compiled model says what does.
    Constants and pure data movement are left out.

    Raises:
        MissingExtra: OpenVINO is not installed.
        EngineError: it cannot compile the model.
    """
    core = shared_core()
    try:
        compiled = core.compile_model(str(artifact.model_path), device, {"INFERENCE_PRECISION_HINT": "f32"})
        operations = compiled.get_runtime_model().get_ordered_ops()
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot compile {artifact.model_path} for {device}: {error}") from error
    layers = [_layer(operation) for operation in operations]
    return [layer for layer in layers if layer.kind not in _NO_WORK]


def _layer(operation: Any) -> Layer:
    info = operation.get_rt_info()
    values = {key: str(info[key].value) for key in ("layerType", "runtimePrecision", "primitiveType") if key in info}
    return Layer(
        operation.get_friendly_name(),
        values.get("layerType", operation.get_type_name()),
        values.get("runtimePrecision", "unknown").lower(),
        values.get("primitiveType", "unknown"),
    )


def summary(layers: Iterable[Layer]) -> dict[str, dict[str, int]]:
    """Count how many layers of each kind run in which precision: ``{"Convolution": {"u8": 27, "f32": 1}}``."""
    counts: dict[str, Counter[str]] = {}
    for layer in layers:
        counts.setdefault(layer.kind, Counter())[layer.precision] += 1
    return {kind: dict(sorted(counter.items())) for kind, counter in sorted(counts.items())}


def headline(layers: Iterable[Layer], device: str = "CPU") -> str:
    """Say in one sentence what the layers are in which the time goes."""
    heavy = [layer for layer in layers if layer.kind in HEAVY]
    integer = sum(layer.is_int8 for layer in heavy)
    return f"{integer} of {len(heavy)} convolutions and matrix products run in INT8 on this {device}"
