"""What is preferred was measured here, meets the budget, and is INT8 only where that brings something."""

from __future__ import annotations

import json
import sys

import pytest

from edgeseg.artifact import Artifact
from edgeseg.calibration.search.preferred_format import Candidate, choose_preferred, offer
from edgeseg.console.installation import install_line
from edgeseg.errors import ArtifactError, GateFailed, UserError


def candidates(**p50_ms):
    """``candidates(fp32_onnx=10, int8_onnx=9)``; fp32 is 4 MB, INT8 1 MB."""
    return [
        Candidate(name.replace("_", " "), 4_000_000 if name.startswith("fp32") else 1_000_000, ms)
        for name, ms in p50_ms.items()
    ]


def test_the_fastest_is_preferred_by_latency():
    choice = choose_preferred(candidates(fp32_onnx=20, fp32_openvino=18, int8_openvino=10), "latency")
    assert choice.best.name == "int8 openvino"
    assert "10.00 ms against 18.00 ms of fp32 openvino" in choice.sentence


def test_float_is_preferred_where_int8_is_not_faster():
    choice = choose_preferred(candidates(fp32_onnx=10, fp32_openvino=12, int8_openvino=11), "latency")
    assert choice.best.name == "fp32 onnx"
    assert "the fastest here" in choice.sentence


def test_a_gain_of_less_than_a_twentieth_is_no_reason_for_int8():
    choice = choose_preferred(candidates(fp32_onnx=10.3, int8_openvino=10), "latency")
    assert choice.best.name == "fp32 onnx"
    assert choice.sentence == "Run fp32 onnx: 10.30 ms against 10.00 ms of int8 openvino is no gain worth a loss."
    assert choose_preferred(candidates(fp32_onnx=10.6, int8_openvino=10), "latency").best.is_int8


def test_the_smallest_is_preferred_by_size_though_it_is_slower():
    choice = choose_preferred(candidates(fp32_onnx=10, int8_openvino=30), "size")
    assert choice.best.name == "int8 openvino"
    assert "1.00 MB" in choice.sentence


def test_what_missed_the_budget_is_shown_and_never_chosen():
    out = Candidate("int8 onnx", out="int8 onnx lost 14.00 points of mIoU")
    for by in ("latency", "size"):
        choice = choose_preferred([*candidates(fp32_onnx=10), out], by)
        assert choice.best.name == "fp32 onnx"
        assert "nothing else meets the budget" in choice.sentence
        assert "lost 14.00 points" in choice.text()


def test_there_is_no_choice_among_nothing():
    with pytest.raises(GateFailed, match=r"None of the candidates can be run here\. int8 onnx: too bad"):
        choose_preferred([Candidate("int8 onnx", out="too bad")], "size")
    with pytest.raises(UserError, match="latency, size; found 'beauty'"):
        choose_preferred(candidates(fp32_onnx=10), "beauty")


def test_real_artifacts_are_made_timed_and_compared(built):
    onnx, openvino, int8 = built

    def make_int8(fp32):
        if fp32 is openvino:
            return int8
        raise GateFailed("onnx int8 lost 9.00 points.\ntable")

    choice = offer([onnx, openvino], make_int8, "size")
    assert [one.name for one in choice.candidates] == ["fp32 onnx", "fp32 openvino", "int8 onnx", "int8 openvino"]
    times = {one.name: one.p50_ms for one in choice.candidates}
    assert times.pop("int8 onnx") is None
    assert all(0 < ms < 1000 for ms in times.values())
    told = json.loads(json.dumps(choice.to_dict()))
    assert Artifact.open(told["run"]).size_bytes == min(one.size_bytes for one in choice.candidates if one.size_bytes)
    assert choice.candidates[2].out == "onnx int8 lost 9.00 points."
    assert choice.candidates[3].drop == pytest.approx(int8.comparison.drop(int8.comparison.stages[-1]))
    assert told["run"] in choice.text()


def test_an_engine_that_is_not_there_is_a_reason_not_a_failure(built, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    choice = offer([built[0], built[1]], lambda fp32: refuse(), "latency")
    assert choice.best.name == "fp32 openvino"
    assert install_line("onnxruntime") in choice.candidates[0].out


def refuse():
    raise ArtifactError("There is nothing to quantise.")
