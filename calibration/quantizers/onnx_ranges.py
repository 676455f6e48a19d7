"""What the activations of an ONNX network look like on sample images: found once, used for many encodings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.nonfinite import describe_broken_values, describe_broken_weights, is_finite
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.graphs.onnx_graph import float_activations, is_surrounding, map_makers
from edgeseg.runtime.engines.ort_session import open_session

METHODS = ("minmax", "entropy", "percentile")
PERCENTILE = 99.999
BINS = {"entropy": 512, "percentile": 2048}
ENTROPY_LEVELS = 128
HISTOGRAM_VALUES = 200_000
"""Values of one tensor of one image that go into its histogram; smallest and largest come from all of them."""

Array = npt.NDArray[np.float32]
Collected = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Ranges:
    """Lowest and highest value of each tensor that is to be represented.

    Attributes:
        method: how they were chosen, of :data:`METHODS`.
        of: (lowest, highest) by tensor name.
    """

    method: str
    of: Collected

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"method": self.method, "of": {name: list(pair) for name, pair in self.of.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Ranges:
        """Read what :meth:`to_dict` gave."""
        return cls(values["method"], {name: (float(low), float(high)) for name, (low, high) in values["of"].items()})


def find_ranges(
    model: Any,
    tensors: Iterable[str],
    images: CalibrationSet,
    method: str = "minmax",
    on_image: Callable[[], object] = lambda: None,
) -> Ranges:
    """Run the float network on every image and keep what one image after the other shows.

    Args:
        model: a deployed graph with the uint8 NHWC input ``image``. Not changed.
        tensors: names of the activations to look at.
        images: what is shown.
        method: ``minmax`` keeps everything; ``entropy`` and ``percentile`` cut rare values, by the
            histograms of :mod:`onnxruntime.quantization`.
        on_image: called once an image.

    Raises:
        ArtifactError: an activation or a weight is NaN or infinite; the layer is named.
        MissingExtra: onnx or ONNX Runtime is not installed.
    """
    check_weights(model)
    wanted = set(tensors)
    watched = _in_order(model, wanted | _layer_outputs(model))
    collector = _Histograms(method) if method in BINS else _Extremes()
    makers = map_makers(model.graph)
    for path, arrays in _activations(model, watched, images):
        for name, values in arrays.items():
            if not is_finite(values):
                raise ArtifactError(describe_broken_values(makers[name].name, makers[name].op_type, values, path))
        collector.add({name: values for name, values in arrays.items() if name in wanted})
        on_image()
    return Ranges(method, collector.result())


def check_weights(model: Any) -> None:
    """Raise ArtifactError when a constant of the network is NaN or infinite."""
    to_array = require("onnx.numpy_helper", "export").to_array
    floats = [tensor for tensor in model.graph.initializer if tensor.data_type == 1]
    broken = next((tensor.name for tensor in floats if not is_finite(to_array(tensor))), None)
    if broken is not None:
        reader = next((node.name for node in model.graph.node if broken in node.input), "no layer")
        raise ArtifactError(describe_broken_weights(reader, broken))


def _in_order(model: Any, tensors: set[str]) -> list[str]:
    return [name for node in model.graph.node for name in node.output if name in tensors]


def _layer_outputs(model: Any) -> set[str]:
    """What has to be finite: of every layer, as a ReLU behind it may hide what is not."""
    made = {name for node in model.graph.node if not is_surrounding(node) for name in node.output}
    return made & float_activations(model)


def _activations(model: Any, names: list[str], images: CalibrationSet) -> Iterator[tuple[str, dict[str, Array]]]:
    """The image's name and the tensors, one image at a time."""
    session = _session(model, names)
    for path in images.images:
        yield path.name, dict(zip(names, session.run(names, {"image": images.tensor(path)}), strict=True))


def _session(model: Any, names: list[str]) -> Any:
    onnx = require("onnx", "export")
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    present = {output.name for output in model.graph.output}
    make = onnx.helper.make_tensor_value_info
    watched.graph.output.extend(make(name, onnx.TensorProto.FLOAT, None) for name in names if name not in present)
    with quiet():
        return open_session(watched.SerializeToString(), spins=False)


class _Extremes:
    def __init__(self) -> None:
        self._found: dict[str, tuple[float, float]] = {}

    def add(self, arrays: Mapping[str, Array]) -> None:
        for name, values in arrays.items():
            low, high = self._found.get(name, (np.inf, -np.inf))
            self._found[name] = (min(low, float(values.min())), max(high, float(values.max())))

    def result(self) -> Collected:
        return self._found


class _Histograms:
    """ONNX Runtime's own collector, fed one image at a time so that memory stays that of one image."""

    def __init__(self, method: str) -> None:
        calibrate = require("onnxruntime.quantization.calibrate", "export")
        self._extremes = _Extremes()
        self._collector = calibrate.HistogramCollector(method, False, BINS[method], ENTROPY_LEVELS, PERCENTILE, "same")

    def add(self, arrays: Mapping[str, Array]) -> None:
        self._extremes.add(arrays)
        with quiet():
            self._collector.collect({name: [_thin(values)] for name, values in arrays.items()})

    def result(self) -> Collected:
        with quiet():
            found = self._collector.compute_collection_result()
        whole = self._extremes.result()
        return {name: _within(whole[name], float(low), float(high)) for name, (low, high, *_) in found.items()}


def _thin(values: Array) -> Array:
    """Values at equal distances; an odd distance, so that no column of the image is preferred."""
    step = -(-values.size // HISTOGRAM_VALUES) | 1
    thinned: Array = values.reshape(-1)[::step]
    return thinned


def _within(whole: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    """A cut range never exceeds what was seen, and an empty one is no range."""
    low, high = max(low, whole[0]), min(high, whole[1])
    return (low, high) if low < high else whole
