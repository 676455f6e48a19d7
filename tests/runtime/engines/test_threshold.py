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
