"""Where the time of an OpenVINO artifact goes, layer by layer, measured by the engine itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import EngineError
from edgeseg.runtime.engines.engine import expect_format
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.measure.bench import realistic_inputs
from edgeseg.runtime.measure.layer_precision import HEAVY

WARM_UP_RUNS, RUNS = 5, 25


@dataclass(frozen=True)
class LayerTime:
    """One layer as the device executes it.

    Attributes:
        name: of the first operation it was fused from.
        kind: what the engine calls it, for example ``Convolution``.
        kernel: the implementation that was chosen, its precision last, for example ``brgconv_avx512_I8``.
        ms: median over the runs.
    """

    name: str
    kind: str
    kernel: str
    ms: float

    @property
    def is_int8_arithmetic(self) -> bool:
        """A convolution or matrix product in 8 bits; moving bytes about gains nothing from INT8 instructions."""
        return self.kind in HEAVY and self.kernel.lower().endswith(("_i8", "_u8"))


def layer_times(artifact: Artifact, runs: int = RUNS, device: str = "CPU") -> list[LayerTime]:
    """Time of every layer that is executed, in order, one request at a time.

    Counting costs time of its own, so the sum is more than the latency; the shares are what it is for.

    Raises:
        ArtifactError: made for another engine.
        MissingExtra: OpenVINO is not installed.
        EngineError: it cannot run the model.
    """
    expect_format(artifact, "openvino")
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "PERF_COUNT": True}
    try:
        request = shared_core().compile_model(str(artifact.model_path), device, config).create_infer_request()
        counted = [_count(request, picture[None]) for picture in _pictures(artifact, runs)][WARM_UP_RUNS:]
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot run {artifact.model_path} on {device}: {error}") from error
    milliseconds: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for layers in counted:
        for layer, ms in layers:
            milliseconds[layer].append(ms)
    return [LayerTime(*layer, float(np.median(times))) for layer, times in milliseconds.items()]


def int8_share(times: Iterable[LayerTime]) -> float:
    """Compute the part of the time, 0..1, of convolutions and products in 8 bits; NaN when nothing was executed."""
    times = list(times)
    total = sum(layer.ms for layer in times)
    return sum(layer.ms for layer in times if layer.is_int8_arithmetic) / total if total else float("nan")


def other_kinds(times: Iterable[LayerTime]) -> list[tuple[str, float]]:
    """List the kinds of all other layers, with their part of the whole time, the largest first."""
    times = list(times)
    total = sum(layer.ms for layer in times)
    kinds: dict[str, float] = defaultdict(float)
    for layer in times:
        if not layer.is_int8_arithmetic:
            kinds[layer.kind] += layer.ms / total
    return sorted(kinds.items(), key=lambda kind: -kind[1])


def _pictures(artifact: Artifact, runs: int) -> list[Any]:
    pictures = realistic_inputs(artifact.spec)
    return [pictures[i % len(pictures)] for i in range(runs + WARM_UP_RUNS)]


def _count(request: Any, image: Any) -> list[tuple[tuple[str, str, str], float]]:
    request.infer({"image": image})
    return [
        ((layer.node_name, layer.node_type, layer.exec_type), 1e3 * layer.real_time.total_seconds())
        for layer in request.profiling_info
        if layer.real_time
    ]
