"""The shipped model is no slower than when it was shipped: ratios to work timed in the same moments.

Two references. A fixed OpenCV workload notices a slower model or engine; the same file in plain
OpenVINO, whatever the CPU, notices what edgeseg's own engine adds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgeseg.artifact import Artifact
from edgeseg.runtime.engines.engine import Engine, open_engine
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.measure import latency_gate
from edgeseg.runtime.measure.bench import realistic_inputs, time_runs

pytestmark = [pytest.mark.alone, pytest.mark.isa]

MAX_RATIO = 15.0
"""fp32 against the OpenCV workload: 7.7 on an AVX-512 Xeon, idle or busy; doubled for other CPUs."""
MAX_INT8_SHARE = 1.35
"""INT8 against fp32: 0.47 with VNNI; without it INT8 may be no faster, but never much slower."""
MAX_OVERHEAD = 1.2
"""edgeseg's engine against plain OpenVINO: 1.0 measured."""
ROUNDS = 60


@dataclass
class SlowedEngine:
    """An engine that infers ``times`` times where once would do."""

    engine: Engine
    times: int

    @property
    def spec(self) -> Any:
        return self.engine.spec

    def open_slot(self) -> Any:
        return SlowedSlot(self.engine.open_slot(), self.times)

    def close(self) -> None:
        self.engine.close()


@dataclass
class SlowedSlot:
    slot: Any
    times: int

    @property
    def input(self) -> Any:
        return self.slot.input

    def run(self) -> Any:
        for _ in range(self.times - 1):
            self.slot.run()
        return self.slot.run()


def check_ratio(artifact: Artifact) -> None:
    found = latency_gate.latency_ratio(artifact)
    assert found.ratio <= MAX_RATIO, (
        f"{artifact.path.name} takes {found.ratio:.1f} reference passes; {MAX_RATIO} allowed"
    )


def check_overhead(artifact: Artifact, engine: Engine) -> None:
    """Alternate edgeseg's engine with plain OpenVINO on one thread each."""
    ours, bare = time_runs(engine.open_slot(), engine.spec), plain_openvino(artifact)
    pairs = np.array([(next(ours), next(bare)) for _ in range(ROUNDS)])[10:]
    found = float(np.median(pairs[:, 0] / pairs[:, 1]))
    assert found <= MAX_OVERHEAD, f"edgeseg takes {found:.2f} times plain OpenVINO; {MAX_OVERHEAD} allowed"


def plain_openvino(artifact: Artifact) -> Iterator[float]:
    """Seconds of one run after the other, by OpenVINO's own documentation."""
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = shared_core().compile_model(artifact.model_path, "CPU", options).create_infer_request()
    pictures = realistic_inputs(artifact.spec)
    while True:
        for picture in pictures:
            request.get_input_tensor().data[0] = picture
            start = time.perf_counter()
            request.infer()
            yield time.perf_counter() - start


def test_the_model_costs_no_more_reference_passes_than_it_did(fp32: Artifact) -> None:
    check_ratio(fp32)


def test_int8_is_not_slower_than_fp32(fp32: Artifact, int8: Artifact) -> None:
    before, after = (latency_gate.latency_ratio(artifact).ratio for artifact in (fp32, int8))
    share = after / before
    assert share <= MAX_INT8_SHARE, f"INT8 takes {share:.2f} times fp32's time; {MAX_INT8_SHARE} allowed"


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_engine_adds_little_to_plain_openvino(precision: str, request: pytest.FixtureRequest) -> None:
    artifact = request.getfixturevalue(precision)
    with closing(open_engine(artifact, threads=1)) as engine:
        check_overhead(artifact, engine)


def test_a_slowed_engine_fails_the_ratio_gate(fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_gate, "open_engine", lambda *a, **o: SlowedEngine(open_engine(*a, **o), 4))
    with pytest.raises(AssertionError, match="reference passes"):
        check_ratio(fp32)


def test_a_slowed_engine_fails_the_overhead_gate(fp32: Artifact) -> None:
    with (
        closing(SlowedEngine(open_engine(fp32, threads=1), 2)) as engine,
        pytest.raises(AssertionError, match="times plain"),
    ):
        check_overhead(fp32, engine)
