"""A predictor gives the labels the network gives, at the size of the image."""

from __future__ import annotations

import numpy as np
import pytest
from fake_engine import FakeEngine
from linear_model import ArtifactMaker, reference

from edgeseg.errors import DataError, EngineError, UserError
from edgeseg.image import UInt8, fit, unfit
from edgeseg.runtime.engines.predictor import Predictor, open_predictor
from edgeseg.spec import ModelSpec


def picture(height: int = 50, width: int = 41, seed: int = 0) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_labels_are_the_networks_brought_back_to_the_image(
    tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec, model_format: str, resize: str
) -> None:
    spec = tiny_spec.replace(resize=resize)
    expected = unfit(reference(fit(picture(), spec), spec)[0], spec, (50, 41))
    with open_predictor(tiny_artifact(model_format, spec)) as predict:
        assert np.array_equal(predict(picture()), expected)


def test_an_answer_outlives_the_next_one(tiny_spec: ModelSpec) -> None:
    with Predictor(FakeEngine(tiny_spec)) as predict:
        first = predict(picture(tiny_spec.height, tiny_spec.width))
        kept = first.copy()
        predict(picture(tiny_spec.height, tiny_spec.width, seed=1))
    assert np.array_equal(first, kept)


def test_the_specs_threshold_is_applied_and_conf_replaces_it(
    tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec
) -> None:
    spec = tiny_spec.replace(threshold=0.9)
    labels, confidence = reference(fit(picture(), spec), spec)
    for threshold, applied in ((None, 0.9), (0.5, 0.5)):
        with open_predictor(tiny_artifact("onnx", spec), threshold) as predict:
            expected = np.where(confidence < round(255 * applied), 255, labels).astype(np.uint8)
            differing = predict(picture()) != unfit(expected, spec, (50, 41))
            assert differing.mean() < 0.02  # confidence may round the other way by one level


def test_a_threshold_without_a_confidence_output_is_refused(tiny_artifact: ArtifactMaker) -> None:
    with pytest.raises(UserError, match="no confidence output"):
        open_predictor(tiny_artifact("onnx", confidence=False), threshold=0.5)


def test_what_is_no_image_is_refused(tiny_spec: ModelSpec) -> None:
    with Predictor(FakeEngine(tiny_spec)) as predict, pytest.raises(DataError, match=r"\(4, 4\)"):
        predict(np.zeros((4, 4), np.uint8))


def test_a_closed_predictor_refuses(tiny_artifact: ArtifactMaker) -> None:
    predict = open_predictor(tiny_artifact("onnx"))
    predict.close()
    predict.close()
    with pytest.raises(EngineError, match="predictor is closed"):
        predict(picture())


def test_leaving_the_block_closes_the_engine_and_failures_are_not_hidden(tiny_spec: ModelSpec) -> None:
    engine = FakeEngine(tiny_spec, fail_after=0)
    with pytest.raises(EngineError, match="told to fail"), Predictor(engine) as predict:
        predict(picture())
    assert engine.closed
