"""A slower model fails, an unchanged one does not, and a machine too noisy to tell says so."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.cli import main
from edgeseg.errors import UserError
from edgeseg.runtime.measure import latency_gate
from edgeseg.runtime.measure.baseline import read_baseline, save_baseline
from edgeseg.runtime.measure.fingerprint import this_device
from edgeseg.runtime.measure.latency_gate import LatencyRatio, latency_ratio, summarize
from edgeseg.runtime.measure.slowdown import judge_slowdown, slowdown_gate
from edgeseg.runtime.system.machine import this_cpu
from edgeseg.spec import ModelSpec

RATIO = LatencyRatio(2.0, 1.99, 2.01, 2.0, 8.0, 4.0, 90)
FIRST_FORMAT = {"ratio": 2.0, "spread": 0.01, "engine_ms": 8.0, "reference_ms": 4.0, "rounds": 30}


def of(ratio: float, spread: float = 1.005, clock: float | None = 2.0) -> LatencyRatio:
    return LatencyRatio(ratio, ratio / spread, ratio * spread, clock, 8.0, 4.0, 90)


class TestFile:
    def test_a_saved_baseline_is_read_back(self, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
        save_baseline(tmp_path / "base.json", tiny_artifact("onnx"), RATIO)
        assert read_baseline(tmp_path / "base.json", tiny_artifact("onnx")) == RATIO

    def test_one_file_holds_several_models_and_devices(self, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
        path = tmp_path / "base.json"
        save_baseline(path, tiny_artifact("onnx"), RATIO)
        values = json.loads(path.read_text())
        there = json.loads(json.dumps(values["devices"][0]))
        there["fingerprint"]["cpu"] = "Z80"
        path.write_text(json.dumps({**values, "devices": [*values["devices"], there]}))
        save_baseline(path, tiny_artifact("openvino"), of(3.0))
        assert read_baseline(path, tiny_artifact("onnx")) == RATIO
        assert read_baseline(path, tiny_artifact("openvino")).ratio == 3.0
        assert len(json.loads(path.read_text())["devices"]) == 3  # an engine's version is part of a device

    def test_one_of_another_model_is_refused(self, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
        path, artifact = tmp_path / "base.json", tiny_artifact("onnx")
        save_baseline(path, artifact, RATIO)
        path.write_text(path.read_text().replace(f"{artifact.name} fp32 onnx", "cells int8 onnx"))
        with pytest.raises(UserError, match=r"another model on this device \(cells int8 onnx\)"):
            read_baseline(path, artifact)

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("cpu", "Z80", r"cpu Z80 there, .* here"),
            ("isa", [], "isa none there"),
            ("cores", 400, "cores 400 there"),
            ("governor", "powersave", "governor powersave there"),
            ("engine", ["onnxruntime 0.1"], r"engine onnxruntime 0\.1 there, onnxruntime"),
        ],
    )
    def test_one_of_another_device_is_refused(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, field: str, value: Any, said: str
    ) -> None:
        path = tmp_path / "base.json"
        save_baseline(path, tiny_artifact("onnx"), RATIO)
        values = json.loads(path.read_text())
        values["devices"][0]["fingerprint"][field] = value
        path.write_text(json.dumps(values))
        with pytest.raises(UserError, match=f"nothing of this device .*{said}.*`save_baseline"):
            read_baseline(path, tiny_artifact("onnx"))

    def test_one_of_the_first_format_is_read(self, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
        path, artifact = tmp_path / "base.json", tiny_artifact("onnx")
        values = {"model": f"{artifact.name} fp32 onnx", "cpu": this_cpu().name, "latency": FIRST_FORMAT}
        path.write_text(json.dumps(values))
        found = read_baseline(path, artifact)
        assert (found.ratio, found.clock_ratio) == (2.0, None)
        path.write_text(json.dumps({**values, "cpu": "Z80"}))
        with pytest.raises(UserError, match="cpu Z80 there"):
            read_baseline(path, artifact)

    def test_a_later_format_is_refused(self, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
        (tmp_path / "base.json").write_text('{"edgeseg_baseline": 3}')
        with pytest.raises(UserError, match="format 3; this edgeseg reads up to 2"):
            read_baseline(tmp_path / "base.json", tiny_artifact("onnx"))

    @pytest.mark.parametrize(
        "text",
        [
            *("", "[]", "{}", "NaN", '{"model": 1, "cpu": 2, "latency": {"ratio": "x"}}', '{"edgeseg_baseline": 2}'),
            json.dumps({"model": "a", "cpu": "b", "latency": {**FIRST_FORMAT, "ratio": 0}}),
        ],
    )
    def test_what_is_none_is_refused_and_kept(self, tiny_artifact: ArtifactMaker, tmp_path: Path, text: str) -> None:
        (tmp_path / "base.json").write_text(text)
        with pytest.raises(UserError, match=r"base\.json is not a baseline.*delete it and save one"):
            read_baseline(tmp_path / "base.json", tiny_artifact("onnx"))
        with pytest.raises(UserError, match=r"base\.json is not a baseline"):
            save_baseline(tmp_path / "base.json", tiny_artifact("onnx"), RATIO)
        assert (tmp_path / "base.json").read_text() == text


def test_a_device_is_told_from_the_same_device_with_another_engine(tiny_artifact: ArtifactMaker) -> None:
    first, second = this_device(tiny_artifact("onnx")), this_device(tiny_artifact("openvino"))
    assert (first.cpu, first.isa, first.cores) == (second.cpu, second.isa, second.cores)
    assert first.digest != second.digest
    assert first.digest == this_device(tiny_artifact("onnx")).digest


class TestVerdict:
    @pytest.mark.parametrize(
        ("ratio", "spread", "verdict"),
        [
            (2.0, 1.005, "passed"),
            (2.06, 1.005, "passed"),
            (2.2, 1.005, "failed"),
            (2.2, 1.2, "cannot tell"),
            (2.0, 1.2, "cannot tell"),
            (1.5, 1.2, "passed"),
            (3.0, 1.2, "failed"),
        ],
    )
    def test_against_a_saved_ratio(self, ratio: float, spread: float, verdict: str) -> None:
        gate = judge_slowdown(of(ratio, spread, 2.0 * ratio / 2), RATIO, 0.06)
        assert (gate.verdict, gate.passed) == (verdict, verdict == "passed")
        assert "the baseline says 2.00" in gate.sentence
        assert ("too noisy" in gate.sentence) is (verdict == "cannot tell")

    def test_beside_others_a_saved_ratio_tells_less_than_the_other_artifact(self) -> None:
        assert judge_slowdown(of(2.2, clock=None), RATIO, 0.06).verdict == "cannot tell"
        assert judge_slowdown(of(1.1, clock=None), None, 0.06, "before").verdict == "failed"
        assert judge_slowdown(of(1.0, clock=None), None, 0.06, "before").verdict == "passed"

    def test_waiting_is_seen_on_the_clock(self) -> None:
        gate = judge_slowdown(of(2.0, clock=2.4), RATIO, 0.06)
        assert (gate.verdict, gate.field) == ("failed", "latency slowdown as a share, on the clock")
        assert gate.found == pytest.approx(0.2)

    def test_batches_that_differ_make_a_ratio_less_sure(self) -> None:
        rng = np.random.default_rng(0)

        def batches(scatter: float) -> list[Any]:
            factors = np.exp(rng.normal(0, scatter, 8))
            return [np.full((20, 2, 2), 0.01) * np.array([[[2 * one] * 2, [1, 1]]]) for one in factors]

        calm, wild = summarize(batches(0.002)), summarize(batches(0.1))
        assert calm.spread < 0.005
        assert wild.spread > 0.03
        assert calm.low < calm.ratio < calm.high
        assert calm.ratio == pytest.approx(2, rel=0.01)
        assert calm.clock_ratio == pytest.approx(2, rel=0.01)

    def test_a_machine_that_others_use_has_no_ratio_on_the_clock(self) -> None:
        disturbed = np.full((20, 2, 2), 0.01)
        disturbed[:, :, 1] *= 1.5
        assert summarize([disturbed + 1e-5 * n for n in range(6)]).clock_ratio is None


@pytest.mark.alone
class TestMeasured:
    def test_it_is_as_fast_as_itself(self, tiny_artifact: ArtifactMaker) -> None:
        artifact = tiny_artifact("openvino")
        gate, found = slowdown_gate(artifact, tiny_artifact("openvino"), 0.3)
        assert gate.verdict == "passed"
        assert found.ratio == pytest.approx(1, abs=0.2)

    @pytest.mark.parametrize("waits", [False, True])
    def test_one_that_takes_twice_as_long_fails(
        self, tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, waits: bool
    ) -> None:
        artifact = tiny_artifact("openvino", tiny_spec.replace(height=384, width=384))
        before = replace(artifact)
        real = latency_gate.open_engine

        def opened(which: Any, **options: Any) -> Any:
            engine = real(which, **options)
            return Slowed(engine, waits) if which is artifact else engine

        monkeypatch.setattr(latency_gate, "open_engine", opened)
        gate, found = slowdown_gate(artifact, before, 0.3)
        if waits and found.clock_ratio is None:
            pytest.skip("others use this machine, so that the clock tells nothing")
        assert gate.verdict == "failed"

    def test_a_ratio_that_settles_is_not_measured_on(self, tiny_artifact: ArtifactMaker) -> None:
        asked: list[int] = []
        latency_ratio(
            tiny_artifact("onnx"), 0.1, None, lambda found: bool(asked.append(found.rounds)) or len(asked) > 1
        )
        assert len(asked) == 2
        assert asked[0] < asked[1]


class Slowed:
    """An engine of which each run takes twice as long, by work or by waiting."""

    def __init__(self, engine: Any, waits: bool) -> None:
        self.engine, self.spec, self.waits = engine, engine.spec, waits

    def open_slot(self) -> Any:
        slot = self.engine.open_slot()
        run = slot.run

        def slower() -> Any:
            start = time.perf_counter()
            answer = run()
            if not self.waits:
                return run()
            time.sleep(time.perf_counter() - start)
            return answer

        slot.run = slower
        return slot

    def close(self) -> None:
        self.engine.close()


@pytest.mark.alone
class TestVerb:
    def test_saving_and_comparing(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        artifact, baseline = str(tiny_artifact("onnx").path), str(tmp_path / "base.json")
        assert main(["check", artifact, "--save-baseline", baseline]) == 0
        for before in (baseline, artifact):
            assert main(["check", artifact, "--baseline", before, "--max-slowdown", "2", "--json"]) == 0
            told = capsys.readouterr().out
            gates = json.loads(told[told.index("{") :])["gates"]
            assert [(gate["field"], gate["verdict"]) for gate in gates] == [("latency slowdown as a share", "passed")]

    def test_a_machine_too_noisy_to_tell_ends_with_4(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        artifact, path = tiny_artifact("onnx"), tmp_path / "base.json"
        save_baseline(path, artifact, RATIO)
        noisy = replace(RATIO, low=1.0, high=4.0)
        monkeypatch.setattr("edgeseg.runtime.measure.slowdown.latency_ratio", lambda *_: noisy)
        assert main(["check", str(artifact.path), "--baseline", str(path)]) == 4
        told = capsys.readouterr()
        assert "UNSURE  latency slowdown" in told.out
        assert "too noisy to tell whether that is over 6 %" in told.err
