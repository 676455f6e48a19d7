"""Figures of the bench come from runs that happened, and say how far they can be trusted."""

from __future__ import annotations

import json
import time

import cv2
import numpy as np
import pytest
from fake_engine import FakeEngine
from linear_model import ArtifactMaker

from edgeseg.cli import main
from edgeseg.errors import EngineError, UserError
from edgeseg.runtime.measure.bench import (
    MIN_RUNS,
    BenchResult,
    Latency,
    bench_engine,
    bench_in_turns,
    realistic_inputs,
    summarize_latency,
    throughput,
    time_runs,
    warm_up,
)
from edgeseg.runtime.measure.latency_gate import latency_ratio, reference_workload_ms
from edgeseg.spec import ModelSpec

pytestmark = pytest.mark.alone


def test_percentiles_are_of_the_times_given() -> None:
    latency = summarize_latency([i / 1000 for i in range(1, 101)])
    assert (latency.runs, latency.min_ms, latency.max_ms) == (100, 1.0, 100.0)
    assert [latency.p50_ms, latency.p90_ms] == pytest.approx([50.5, 90.1])


def test_timed_runs_see_how_slow_the_engine_is(tiny_spec: ModelSpec) -> None:
    slot = FakeEngine(tiny_spec, delay_s=lambda: 0.004).open_slot()
    latency = summarize_latency(time_runs(slot, tiny_spec, 0.01))
    assert latency.runs == MIN_RUNS
    assert latency.min_ms >= 4.0


def test_warm_up_waits_until_the_engine_is_even(tiny_spec: ModelSpec) -> None:
    delays = iter([0.02] * 3 + [0.01] * 9 + [0.005] * 1000)
    runs, settled = warm_up(FakeEngine(tiny_spec, delay_s=lambda: next(delays)).open_slot(), tiny_spec)
    assert settled
    assert runs >= 18


def test_warm_up_says_when_the_engine_never_settles(tiny_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.measure.bench.WARM_UP_S", 0.2)
    delays = iter(0.001 * 1.2**i for i in range(1000))
    runs, settled = warm_up(FakeEngine(tiny_spec, delay_s=lambda: next(delays)).open_slot(), tiny_spec)
    assert not settled
    assert runs > 12


def test_slots_run_at_the_same_time(tiny_spec: ModelSpec) -> None:
    engine = FakeEngine(tiny_spec, delay_s=lambda: 0.02)
    one = throughput(engine, 0.5, 1).fps
    four = throughput(engine, 0.5, 4).fps
    assert one < 50
    assert four > 2.5 * one


def test_waiting_costs_no_core_time(tiny_spec: ModelSpec) -> None:
    core_ms = throughput(FakeEngine(tiny_spec, delay_s=lambda: 0.05), 0.5, 1).core_ms
    assert core_ms < 25


def test_a_failing_slot_is_raised_not_counted(tiny_spec: ModelSpec) -> None:
    with pytest.raises(EngineError, match="told to fail"):
        throughput(FakeEngine(tiny_spec, fail_after=3), 0.5, 2)


@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
def test_the_bench_of_a_real_engine_is_consistent(tiny_artifact: ArtifactMaker, model_format: str) -> None:
    result = bench_engine(tiny_artifact(model_format), seconds=0.4, slots=2)
    latency = result.latency
    ordered = [latency.min_ms, latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, latency.max_ms]
    assert ordered == sorted(ordered)
    assert latency.runs >= MIN_RUNS
    assert 0 < result.core_ms < 1e3 * result.cores / result.throughput_fps * 1.1
    assert result.slots == 2


def test_artifacts_in_turns_run_equally_often(tiny_artifact: ArtifactMaker) -> None:
    first, second = bench_in_turns([tiny_artifact("onnx"), tiny_artifact("openvino")], 0.2)
    assert first.runs == second.runs >= MIN_RUNS


@pytest.mark.parametrize(
    ("p95", "settled", "said"), [(1.1, True, "quiet"), (1.5, True, "noisy"), (1.0, False, "noisy")]
)
def test_noise_is_said(p95: float, settled: bool, said: str) -> None:
    latency = Latency(100, 0.9, 1.0, 1.0, p95, p95, p95)
    result = BenchResult("a", "CPU", "cpu", 2, 2, latency, 12, settled, 100.0, 1.0, 3.0)
    assert result.noise_statement.startswith(said)
    assert "load average before the run was 3.0 on 2 cores" in result.noise_statement


def test_inputs_are_pictures_and_the_same_each_time(tiny_spec: ModelSpec) -> None:
    pictures = realistic_inputs(tiny_spec.replace(height=96, width=128))
    again = realistic_inputs(tiny_spec.replace(height=96, width=128))
    assert all(np.array_equal(a, b) for a, b in zip(pictures, again, strict=True))
    for picture in pictures:
        steps = np.abs(np.diff(picture.astype(int), axis=1))
        assert picture.std() > 20  # it has contrast,
        assert np.median(steps) < 20  # smooth areas,
        assert steps.max() > 40  # and edges


def test_a_grey_model_is_benched_too(tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec) -> None:
    spec = tiny_spec.replace(color_order="gray", mean=(0.5,), std=(0.25,))
    assert bench_engine(tiny_artifact("onnx", spec), 0.1, 1).throughput_fps > 0


class TestRatio:
    def test_two_measurements_of_one_artifact_agree(self, tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec) -> None:
        artifact = tiny_artifact("onnx", tiny_spec.replace(height=256, width=256))
        first, second = latency_ratio(artifact, 0.5), latency_ratio(artifact, 0.5)
        assert first.ratio == pytest.approx(second.ratio, rel=0.25)
        assert first.rounds >= 30

    def test_more_pixels_cost_more(self, tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec) -> None:
        small, large = (
            latency_ratio(tiny_artifact("onnx", tiny_spec.replace(height=side, width=side)), 0.3).ratio
            for side in (128, 256)
        )
        assert 2.5 < large / small < 6.5

    def test_opencvs_threads_are_as_before(self, tiny_artifact: ArtifactMaker) -> None:
        before = cv2.getNumThreads()
        latency_ratio(tiny_artifact("onnx"), 0.01)
        assert cv2.getNumThreads() == before

    def test_the_reference_counts_work_not_waiting(self) -> None:
        start = time.perf_counter()
        cost = reference_workload_ms()
        assert 0 < cost < 1e3 * (time.perf_counter() - start) * (cv2.getNumThreads() + 1)


class TestVerb:
    def test_what_is_printed(self, tiny_artifact: ArtifactMaker, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", str(tiny_artifact("onnx").path), "--seconds", "0.1", "--slots", "1"]) == 0
        told = capsys.readouterr().out
        for words in ("p50", "frames/s with 1 slot, 1 stream, ", "core-ms a frame", "energy is ", "noise"):
            assert words in told

    def test_json(self, tiny_artifact: ArtifactMaker, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["bench", str(tiny_artifact("onnx").path), "--seconds", "0.1", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["latency"]["runs"] >= MIN_RUNS

    @pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
    def test_no_time_is_refused(self, tiny_artifact: ArtifactMaker, seconds: float) -> None:
        with pytest.raises(UserError, match="`seconds`"):
            bench_engine(tiny_artifact("onnx"), seconds)
