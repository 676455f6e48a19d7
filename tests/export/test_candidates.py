"""What can run here is made, proven and measured, and the best of it kept: which, and what is said of the others."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import pytest

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.errors import GateFailed, UserError
from edgeseg.export.candidates.candidate import Candidate
from edgeseg.export.candidates.choose import Candidates, choose_candidate
from edgeseg.proof.publishing import ExportResult
from edgeseg.runtime.engines.engine import EngineOptions, open_engine
from edgeseg.runtime.engines.openvino_core import openvino_precisions
from edgeseg.runtime.engines.placement import Placement, placement_of
from edgeseg.runtime.measure.in_turns import Pace

Captured = pytest.CaptureFixture[str]


def tried(name: str, ms: float, drop: float = 0.0, fps: float = 100.0, size: int = 1000) -> Candidate:
    words = name.split()
    place = Placement("CPU", words[2] if len(words) > 2 else "f32")
    return Candidate(name, place=place, drop=drop, pace=Pace(ms, ms, 20, fps, 2, ms * 2), size_bytes=size)


class TestChoice:
    def test_the_fastest_is_kept_by_latency(self) -> None:
        made = [tried("fp32 onnx", 20), tried("fp32 openvino", 18), tried("int8 openvino", 10, 0.2)]
        assert choose_candidate(made, "latency").name == "int8 openvino"

    def test_of_equals_the_more_exact_is_kept(self) -> None:
        bf16, int8 = tried("fp32 openvino bf16", 10.2), tried("int8 openvino", 10.0)
        assert choose_candidate([int8, bf16], "latency") is bf16
        assert choose_candidate([bf16, tried("fp32 openvino", 10.4)], "latency").name == "fp32 openvino"
        assert choose_candidate([tried("fp32 onnx", 10.6), int8], "latency") is int8

    def test_each_preference_has_its_own_measure(self) -> None:
        fast, wide = tried("int8 openvino", 5, fps=100, size=9), tried("int8 onnx", 8, fps=300, size=5)
        assert choose_candidate([fast, wide], "throughput") is wide
        assert choose_candidate([fast, wide], "size") is wide
        assert choose_candidate([fast, wide], "energy") is fast, "CPU time stands in where nothing measures energy"
        assert fast.pace is not None
        assert wide.pace is not None
        metered = [
            dataclasses.replace(one, pace=dataclasses.replace(one.pace, joules=joules))
            for one, joules in ((fast, 0.4), (wide, 0.2))
        ]
        assert choose_candidate(metered, "energy").name == "int8 onnx"

    def test_what_is_out_is_never_kept(self) -> None:
        out = dataclasses.replace(tried("int8 openvino", 1), out="lost 9 points")
        assert choose_candidate([out, tried("fp32 onnx", 10)], "latency").name == "fp32 onnx"
        with pytest.raises(GateFailed, match="int8 openvino: lost 9 points"):
            choose_candidate([out], "latency")
        with pytest.raises(UserError, match="latency, throughput, energy, size; found 'beauty'"):
            choose_candidate([out], "beauty")

    def test_the_front_is_what_nothing_else_beats_in_both(self) -> None:
        plain, middle = tried("fp32 onnx", 20), tried("fp32 openvino bf16", 15, 0.1)
        fast, slow = tried("int8 openvino", 10, 0.3), tried("int8 onnx", 30, 0.2)
        out = dataclasses.replace(tried("int8 openvino f16", 5, 9.0), out="lost 9 points")
        found = Candidates("latency", fast, (plain, middle, fast, slow, out))
        assert [found.is_on_front(one) for one in found.tried] == [True, True, True, False, False]
        assert found.verdict(fast) == "kept"
        assert found.verdict(middle) == "on the front: 1.50 times the cost of what is kept"
        assert found.verdict(slow) == "lost: 3.00 times the cost of what is kept"
        assert found.verdict(out) == "refused: lost 9 points"
        assert [one.name for one in found.ranked][::4] == ["int8 openvino", "int8 openvino f16"]
        assert "10.00 ms against 15.00 ms of fp32 openvino bf16" in found.sentence


@pytest.mark.long
class TestExport:
    def test_the_best_here_is_kept_and_runs_as_it_was_proven(
        self, built: list[ExportResult], data: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        onnx = built[0].artifact
        older = tmp_path / "cells-fp32-tensorrt"
        older.mkdir()
        words = ["--for", "here", "--data", str(data), "-n", "8", "--max-drop", "20", "--max-class-drop", "50"]
        more = ["--max-boundary-drop", "50", "--out", str(tmp_path), "--name", "cells"]
        assert main(["export", str(onnx.path), *words, *more]) == 0
        said = capsys.readouterr().out
        folder = tmp_path / "cells-candidates"
        record = json.loads((folder / "candidates.json").read_text())
        names = [one["name"] for one in record["candidates"]]
        precisions = ["", *(f" {name}" for name in openvino_precisions("CPU")[1:])]
        assert set(names) == {"fp32 onnx", "int8 onnx"} | {
            f"{kind} openvino{precision}" for kind in ("fp32", "int8") for precision in precisions
        }
        kept = Artifact.open(record["run"])
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            ["cells-candidates", "cells-fp32-tensorrt", kept.path.name]
        ), "what was not kept is removed, and nothing else"
        assert sorted(path.name for path in folder.iterdir()) == ["candidates.json", "candidates.png"]
        (winner,) = [one for one in record["candidates"] if one["verdict"] == "kept"]
        assert winner["name"] == record["name"]
        engine = open_engine(kept)
        assert placement_of(engine, EngineOptions()).precision == winner["precision"]
        engine.close()
        able = [one for one in record["candidates"] if not one["out"]]
        assert winner["p50_ms"] <= 1.05 * min(one["p50_ms"] for one in able)
        assert all(one["fps"] > 0 and one["core_ms"] > 0 and one["bytes"] > 0 for one in able)
        assert cv2.imread(str(folder / "candidates.png")) is not None
        assert "energy is" in said
        assert "(--keep-all keeps them)" in said
        assert f"run {kept.path} --slots 1 --source" in said
        assert all(name in said for name in names)

    def test_without_a_target_all_are_kept(
        self, built: list[ExportResult], data: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        words = ["--prefer", "size", "--data", str(data), "-n", "8", "--max-drop", "20", "--max-class-drop", "50"]
        more = ["--max-boundary-drop", "50", "--out", str(tmp_path), "--name", "cells", "--json"]
        assert main(["export", str(built[0].artifact.path), *words, *more]) == 0
        told = json.loads(capsys.readouterr().out)["preferred"]
        for one in told["candidates"]:
            assert Artifact.open(one["path"]).path.parent == tmp_path
        assert Artifact.open(told["run"]).precision == "int8"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--keep-all", "--data", "DIR"], "--keep-all is for --for here"),
        (["--for", "here", "--int8"], "leave --format and --int8 out"),
        (["--for", "here", "--format", "onnx"], "leave --format and --int8 out"),
        (["--for", "here"], "INT8 needs sample images"),
    ],
)
def test_what_cannot_be_meant_is_said_before_the_work(words: list[str], said: str, capsys: Captured) -> None:
    assert main(["export", "net.onnx", *words]) == 2
    assert said in capsys.readouterr().err
