from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.runtime.engines.threshold import threshold_for
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec

RAMP = Prediction(np.tile(np.uint8([0, 1, 2, 1]), 64)[None], np.arange(256, dtype=np.uint8)[None])


def with_spec(artifact: Artifact, **changes: object) -> Artifact:
    return dataclasses.replace(artifact, spec=artifact.spec.replace(**changes))


def test_pixels_under_the_threshold_become_unknown(tiny_artifact: ArtifactMaker) -> None:
    labels = threshold_for(tiny_artifact("onnx"), 0.6)(RAMP).labels
    assert np.all(labels[0, :153] == 255)
    assert np.array_equal(labels[0, 153:], RAMP.labels[0, 153:])


def test_they_become_background_where_there_is_one(tiny_artifact: ArtifactMaker) -> None:
    artifact = with_spec(tiny_artifact("onnx"), classes=("sky", "road", "background"))
    assert np.all(threshold_for(artifact, 0.5)(RAMP).labels[0, :128] == 2)


def test_without_any_threshold_labels_stay(tiny_artifact: ArtifactMaker) -> None:
    result = threshold_for(tiny_artifact("onnx"))(RAMP)
    assert np.array_equal(result.labels, RAMP.labels)
    assert not np.shares_memory(result.labels, RAMP.labels)


def test_the_specs_threshold_is_the_default_and_conf_overrides_it(tiny_artifact: ArtifactMaker) -> None:
    artifact = with_spec(tiny_artifact("onnx"), threshold=0.8)
    assert np.count_nonzero(threshold_for(artifact)(RAMP).labels == 255) == 204
    assert np.count_nonzero(threshold_for(artifact, 0.2)(RAMP).labels == 255) == 51


@pytest.mark.parametrize(("threshold", "first"), [(0.5, 128), (0.2, 51), (0.9, 230)])
def test_a_binary_pixel_is_foreground_from_the_threshold_on(
    tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec, threshold: float, first: int
) -> None:
    spec = tiny_spec.replace(task="binary", classes=("background", "cell"), palette=())
    labels = threshold_for(tiny_artifact("onnx", spec), threshold)(RAMP).labels
    assert labels.dtype == np.uint8
    assert np.array_equal(np.flatnonzero(labels[0]), np.arange(first, 256))


def test_without_a_confidence_output_a_threshold_is_refused(tiny_artifact: ArtifactMaker) -> None:
    with pytest.raises(UserError, match=r"no confidence output .*Export it again with `threshold=0.7`"):
        threshold_for(tiny_artifact("onnx", confidence=False), 0.7)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1, 50, float("nan")])
def test_a_threshold_outside_its_range_is_refused(tiny_artifact: ArtifactMaker, threshold: float) -> None:
    with pytest.raises(UserError, match="between 0 and 1"):
        threshold_for(tiny_artifact("onnx"), threshold)


SEVERAL = Prediction(np.uint8([[3, 3, 3]]), np.uint8([[[100, 200, 230]], [[255, 127, 0]], [[0, 0, 0]]]))
"""Three pixels, and the confidence of three classes at each."""


@pytest.mark.parametrize(
    ("threshold", "labels"),
    [(None, [3, 3, 3]), (0.5, [2, 1, 1]), ({"sky": 0.9}, [2, 0, 1]), ({"sky": 0.2, "road": 0.3}, [3, 3, 1])],
)
def test_each_class_of_a_multilabel_model_has_its_own_threshold(
    tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec, threshold: object, labels: list[int]
) -> None:
    artifact = tiny_artifact("onnx", tiny_spec.replace(task="multilabel", classes=("sky", "road", "car")))
    result = threshold_for(artifact, threshold)(SEVERAL)  # type: ignore[arg-type]
    assert result.labels.tolist() == [labels]
    assert not np.shares_memory(result.labels, SEVERAL.labels)


def test_a_class_may_have_a_threshold_of_its_own(tiny_artifact: ArtifactMaker) -> None:
    artifact = with_spec(tiny_artifact("onnx"), classes=("sky", "road", "car"))
    labels = threshold_for(artifact, {"road": 0.5})(RAMP).labels[0]
    assert np.all(labels[1:128:2] == 255), "road under its threshold"
    assert np.array_equal(labels[::2], RAMP.labels[0, ::2]), "the others as they were"


def test_a_threshold_of_no_class_is_refused(tiny_artifact: ArtifactMaker) -> None:
    with pytest.raises(UserError, match="`threshold` names 'rod'; the classes are"):
        threshold_for(tiny_artifact("onnx"), {"rod": 0.5})
