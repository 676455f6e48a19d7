"""Speed is said as it was measured; where INT8 brings nothing, that is said with the reason."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgeseg.cli import main
from edgeseg.proof.speed import compare_speed, judge_speed, median_and_noise
from edgeseg.runtime.measure.layer_times import LayerTime
from edgeseg.runtime.system.machine import Cpu, this_cpu

VNNI, AVX2, UNKNOWN = Cpu("new", 2, ("AVX2", "AVX-VNNI")), Cpu("old", 2, ("AVX2",)), Cpu("other", 2, None)
HANDED_OVER = "makes all that can run here and hands over the fastest within the budget."
TIMES = [
    LayerTime("a", "Convolution", "brgconv_avx512_I8", 6.0),
    LayerTime("b", "TopK", "jit_avx512_f32", 3.0),
    LayerTime("c", "Interpolate", "jit_avx512_f32", 1.0),
]


def in_turns(fp32_ms, int8_ms, jitter=0.01, count=200):
    """(rounds, 2) seconds around two medians."""
    scatter = np.random.default_rng(0).normal(1, jitter, (count, 2))
    return np.array([fp32_ms, int8_ms]) * scatter / np.median(scatter, 0) / 1e3


def verdict(fp32_ms, int8_ms, cpu=VNNI, times=(), **how):
    return judge_speed(("a-fp32", "a-int8", cpu.name), in_turns(fp32_ms, int8_ms, **how), cpu, list(times))


def test_a_gain_is_a_ratio_with_both_times():
    speed = verdict(20, 10)
    assert speed.is_faster
    assert speed.ratio == pytest.approx(2.0, rel=0.01)
    assert speed.verdict == "INT8 is 2.00 times as fast as fp32 here: 10.00 ms against 20.00 ms of a-fp32, on new."


@pytest.mark.parametrize(("fp32_ms", "int8_ms"), [(10, 10), (10, 20), (10.3, 10)])
def test_no_gain_is_called_no_gain(fp32_ms, int8_ms):
    speed = verdict(fp32_ms, int8_ms)
    assert not speed.is_faster
    assert speed.text().startswith("INT8 is not faster here")
    assert speed.text().endswith("`prefer='latency'` " + HANDED_OVER)


def test_a_gain_needs_no_other_artifact():
    assert "prefer" not in verdict(20, 10).text()


def test_a_gain_within_the_noise_is_none():
    assert verdict(11.5, 10, jitter=0.01).is_faster
    assert not verdict(11.5, 10, jitter=0.5, count=20).is_faster


def test_avx2_without_vnni_is_the_reason():
    assert (
        "AVX2 without VNNI has no instruction that multiplies and adds 8-bit integers" in verdict(10, 10, AVX2).text()
    )


def test_with_vnni_the_engines_own_times_are_the_reason():
    told = verdict(10, 10, VNNI, TIMES).reason
    assert "AVX-VNNI" in told
    assert "60 % of its time goes to INT8 convolutions, to other layers: TopK 30 %, Interpolate 10 %." in told


def test_what_is_not_known_is_not_claimed():
    assert "cannot be said why" in verdict(10, 10, UNKNOWN).reason
    assert "does not tell where its time goes" in verdict(10, 10, VNNI).reason
    assert verdict(20, 10, AVX2).reason == ""


def test_noise_shrinks_with_rounds():
    few, many = (median_and_noise(np.random.default_rng(0).normal(1, 0.1, count))[1] for count in (20, 2000))
    assert many < few / 5


@pytest.mark.parametrize("fp32", [0, 1])
def test_real_artifacts_are_run_in_turns(built, fp32):
    speed = compare_speed(built[fp32].artifact, built[2].artifact, 0.2)
    assert speed.rounds >= 20
    assert 1 / 5 < speed.ratio / (speed.fp32_p50_ms / speed.int8_p50_ms) < 5, "other work may scatter both"
    assert speed.cpu == this_cpu().name
    assert "blobs-int8-openvino" in json.dumps(speed.to_dict())
    if this_cpu().integer_units:
        assert "% of its time goes to INT8 convolutions" in speed.text()


def test_without_an_engine_there_is_a_sentence_and_no_number(built):
    tensorrt = replace(built[2].artifact, format="tensorrt")
    speed = compare_speed(built[0].artifact, tensorrt)
    assert (speed.ratio, speed.int8_p50_ms, speed.is_faster) == (None, None, False)
    assert "TensorRT builds its engine on the device that runs it" in speed.text()


def test_the_verb_says_it_on_any_device(built, capsys):
    int8, fp32 = str(built[2].artifact.path), str(built[0].artifact.path)
    assert main(["bench", int8, "--against", fp32, "--seconds", "0.2"]) == 0
    assert "blobs-fp32-onnx, on " in capsys.readouterr().out
    assert main(["bench", int8, "--against", fp32, "--seconds", "0.2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rounds"] >= 20


def test_what_cannot_be_compared_is_refused(built, capsys):
    int8, fp32 = str(built[2].artifact.path), str(built[0].artifact.path)
    assert main(["bench", fp32, "--against", int8]) == 2
    assert "Give the INT8 artifact first" in capsys.readouterr().err
