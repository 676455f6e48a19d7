"""Where the time goes is what the engine counted."""

from __future__ import annotations

import math

import pytest
from linear_model import ArtifactMaker

from edgeseg.errors import ArtifactError
from edgeseg.runtime.measure.layer_times import LayerTime, int8_share, layer_times, other_kinds


def test_every_layer_of_a_real_artifact_has_a_time(tiny_artifact: ArtifactMaker) -> None:
    times = layer_times(tiny_artifact("openvino"), runs=3)
    assert any(layer.kind == "Convolution" for layer in times)
    assert all(0 < layer.ms < 1000 for layer in times)
    assert int8_share(times) == 0, "an fp32 artifact"


def test_shares_are_of_the_whole_time() -> None:
    conv = "Convolution"
    times = [
        LayerTime("a", conv, "brgconv_avx512_I8", 5.0),
        LayerTime("b", conv, "jit_f32", 1.0),
        LayerTime("c", "TopK", "jit_f32", 3.0),
        LayerTime("d", "Transpose", "jit_uni_I8", 1.0),
    ]
    assert int8_share(times) == pytest.approx(0.5)
    assert dict(other_kinds(times)) == {"TopK": pytest.approx(0.3), conv: pytest.approx(0.1), "Transpose": 0.1}
    assert other_kinds(times)[0][0] == "TopK"
    assert math.isnan(int8_share([]))


def test_other_engines_do_not_tell(tiny_artifact: ArtifactMaker) -> None:
    with pytest.raises(ArtifactError, match="made for onnx"):
        layer_times(tiny_artifact("onnx"))
