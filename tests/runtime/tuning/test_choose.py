"""Slots, streams and threads are chosen by what was measured here, and remembered for this model and device."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import pytest
from linear_model import ArtifactMaker

import edgeseg
from edgeseg.cli import main
from edgeseg.errors import UserError
from edgeseg.runtime.engines.engine import EngineOptions, open_with
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.system.core_plan import OPENCV_THREADS, opencv_in, share_cores
from edgeseg.runtime.tuning import choose
from edgeseg.runtime.tuning.choose import Choice, choose_slots, plan_slots
from edgeseg.runtime.tuning.slots import expect_slots
from edgeseg.runtime.tuning.trial import Tried, Way, find_best, list_ways, try_ways


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cache").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choose, "load_average", lambda: 0.0)
    return tmp_path / "cache"


def test_the_way_with_most_frames_is_taken_and_of_equals_the_least() -> None:
    ways = list_ways("throughput", "CPU", 4)
    tried = [Tried(way, frames, 1.0, [0.1]) for way, frames in zip(ways, [10, 50, 60, 60, 61, 20], strict=True)]
    assert find_best(tried, "throughput").way == ways[2]


def test_the_way_with_the_shortest_frame_is_taken_for_one_camera() -> None:
    slow, fast = Tried(Way(1, 1, 1), 500, 1.0, [0.02]), Tried(Way(1, 1, 2), 10, 1.0, [0.01])
    assert find_best([slow, fast], "latency") is fast


def test_every_way_is_run(tiny_artifact: ArtifactMaker) -> None:
    ways = list_ways("throughput", "CPU", 2)
    tried = try_ways(ways, tiny_artifact("onnx"), EngineOptions(), 0.1)
    assert [one.way for one in tried] == ways
    assert all(one.frames == len(one.times_s) >= one.way.slots and one.seconds > 0 for one in tried)


@pytest.mark.parametrize("goal", ["latency", "throughput"])
@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
def test_what_was_measured_is_remembered(tiny_artifact: ArtifactMaker, model_format: str, goal: str) -> None:
    artifact = tiny_artifact(model_format)
    first = choose_slots(artifact, goal, EngineOptions(), 0.1)
    again = choose_slots(artifact, goal, EngineOptions(), 0.1)
    assert not first.kept
    assert again == dataclasses.replace(first, kept=True, seconds=0.0)
    assert "measured before on this device" in str(again)


def test_another_model_number_of_threads_or_precision_is_measured_anew(tiny_artifact: ArtifactMaker) -> None:
    choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(), 0.1)
    assert not choose_slots(tiny_artifact("onnx"), "throughput", EngineOptions(), 0.1).kept
    assert not choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(threads=1), 0.1).kept
    assert not choose_slots(tiny_artifact("openvino"), "latency", EngineOptions(), 0.1).kept


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": 3, "way": {}}', "nan", "[" * 100_000])
def test_a_damaged_memory_is_measured_anew(tiny_artifact: ArtifactMaker, cache: Path, text: str) -> None:
    choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(), 0.1)
    (path,) = cache.glob("edgeseg/slots/*/*.json")
    path.write_text(text)
    assert not choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(), 0.1).kept


def test_slots_that_nobody_could_open_are_not_believed(tiny_artifact: ArtifactMaker, cache: Path) -> None:
    choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(), 0.1)
    (path,) = cache.glob("edgeseg/slots/*/*.json")
    values = json.loads(path.read_text())
    values["way"] = values["rows"][0] | {"slots": 10**9}
    path.write_text(json.dumps(values))
    assert not choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(), 0.1).kept


def test_what_was_measured_beside_other_work_is_measured_again_when_that_is_gone(
    tiny_artifact: ArtifactMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = iter([8.0 * 64, 7.0 * 64, 0.1, 0.1])
    monkeypatch.setattr(choose, "load_average", lambda: next(loads))
    choices = [choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(), 0.1) for _ in range(4)]
    assert [choice.kept for choice in choices] == [False, True, False, True]
    assert "beside other work (load average 512.0)" in str(choices[1])
    assert "beside" not in str(choices[3])


def test_a_folder_that_cannot_be_kept_costs_only_the_memory(
    tiny_artifact: ArtifactMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(), 0.1).kept
    assert not choose_slots(tiny_artifact("onnx"), "latency", EngineOptions(), 0.1).kept


def test_the_plan_is_said_and_given_numbers_win(tiny_artifact: ArtifactMaker) -> None:
    told: list[Event] = []
    options = EngineOptions(threads=1, on_event=told.append)
    plan, opened = plan_slots(tiny_artifact("openvino"), 3, options)
    assert (plan.slots, plan.streams, plan.threads, told) == (3, 3, 1, [])
    plan, opened = plan_slots(tiny_artifact("openvino"), "auto", options, live=True)
    assert (plan.slots, plan.threads, opened.threads, opened.slots) == (1, 1, 1, 1)
    assert [(event.kind, event.reason) for event in told] == [("slots", "latency")]
    _, _ = plan_slots(tiny_artifact("openvino"), "auto", options, live=True, cameras=4)
    assert told[-1].reason == "throughput"


def test_openvino_has_the_streams_of_the_plan(tiny_artifact: ArtifactMaker) -> None:
    engine = open_with(tiny_artifact("openvino"), EngineOptions(slots=2, streams=1, threads=1))
    assert engine._model.get_property("NUM_STREAMS") == 1  # type: ignore[attr-defined]
    engine.close()


def test_the_cores_are_shared_by_one_plan() -> None:
    assert share_cores(2, cores=2).opencv == share_cores(2, cores=2).decoder == 1
    assert share_cores(64, cores=4).opencv == 1
    assert share_cores(3, 2, 5, cores=16) == share_cores(3, 2, 5, cores=17)


def test_opencv_has_its_threads_back_and_its_own_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OPENCV_THREADS, raising=False)
    before = cv2.getNumThreads()
    with opencv_in(1):
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before
    monkeypatch.setenv(OPENCV_THREADS, "2")
    with opencv_in(1):
        assert cv2.getNumThreads() == before


@pytest.mark.parametrize("value", [0, 65, -1, True, 1.5, "", "3", "fast", None])
def test_what_is_no_number_of_slots_is_refused_with_what_is(value: object, tiny_artifact: ArtifactMaker) -> None:
    words = "`slots` takes auto, latency, throughput or a whole number from 1 to 64; found "
    with pytest.raises(UserError, match=words):
        expect_slots(value)
    with pytest.raises(UserError, match=words):
        edgeseg.load(tiny_artifact("onnx"), slots=value)


def test_a_model_has_the_slots_that_were_measured(tiny_artifact: ArtifactMaker) -> None:
    artifact = tiny_artifact("onnx")
    found: Choice = choose_slots(artifact, "throughput", EngineOptions(), 0.1)
    with edgeseg.load(artifact, slots="throughput") as model:
        assert model.slots == found.way.slots


def test_a_run_and_a_bench_take_auto_and_say_what_it_was(
    tiny_artifact: ArtifactMaker, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = tiny_artifact("openvino")
    for goal in ("latency", "throughput"):
        choose_slots(artifact, goal, EngineOptions(), 0.1)
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), cv2.merge([cv2.getGaussianKernel(64, 9) @ cv2.getGaussianKernel(64, 9).T * 9000] * 3))
    assert main(["run", str(artifact.path), "--source", str(picture), "--slots", "auto"]) == 0
    out, err = capfd.readouterr()
    assert "throughput, measured before on this device: " in err
    assert "cores: " in out
    assert main(["bench", str(artifact.path), "--slots", "auto", "--seconds", "0.2", "--json"]) == 0
    out, err = capfd.readouterr()
    said = json.loads(out)
    assert said["slots"] == choose_slots(artifact, "throughput", EngineOptions()).way.slots
    assert "latency, measured before" in err
    assert said["joules"] is None or said["joules"] > 0
    assert said["energy_statement"].startswith("energy is ")


@pytest.mark.parametrize("verb", [["run", "model", "--source", "x.png"], ["bench", "model"]])
@pytest.mark.parametrize("value", ["0", "65", "many", "1.5", ""])
def test_the_flag_says_what_it_takes(verb: list[str], value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main([*verb, "--slots", value])
    assert exit_code.value.code == 2
    assert "it takes auto, latency, throughput or a whole number from 1 to 64" in capsys.readouterr().err
