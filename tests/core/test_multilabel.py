"""A label that is a set of classes, and the spec that says so."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.draw import color_table
from edgeseg.errors import SpecError
from edgeseg.multilabel import class_plane, label_palette, pack_planes, unpack_planes
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multilabel", ("sky", "road", "car"), 32, 48)
EVERY = np.arange(8, dtype=np.uint8)[None]


def test_planes_and_labels_are_the_same_thing() -> None:
    planes = np.random.default_rng(0).random((3, 20, 30)) < 0.4
    labels = pack_planes(planes)
    assert labels.shape == (20, 30)
    assert np.array_equal(unpack_planes(labels, 3), planes)
    assert all(np.array_equal(class_plane(labels, SPEC, k), plane) for k, plane in enumerate(planes))


def test_a_plane_of_a_multiclass_model_is_where_its_label_is() -> None:
    spec = SPEC.replace(task="multiclass")
    assert class_plane(EVERY, spec, 2)[0].tolist() == [False, False, True, *[False] * 5]


def test_a_pixel_of_two_classes_has_a_colour_of_its_own_and_no_class_none() -> None:
    table = color_table(SPEC, hide=SPEC.unknown_label)
    assert not table[0].any()
    assert len({tuple(color) for color in table[:8, 0].tolist()}) == 8
    assert not table[8:].any()
    assert label_palette(SPEC)[1] == SPEC.palette[0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"classes": tuple("abcdefghi"), "palette": ()}, "at most 8 classes.*found 9"),
        ({"ignore_index": 6}, "ignore_index 6 is also the label of road and car; use a value from 8"),
        ({"classes": tuple("abcdefgh"), "palette": ()}, "8 classes leave no value for void"),
        ({"thresholds": (0.5, 0.5)}, "thresholds needs 3 numbers"),
        ({"thresholds": (0.5, 0.5, 0.0)}, "thresholds needs 3 numbers"),
        ({"thresholds": (0.5, 0.5, 0.5), "threshold": 0.5}, "not both"),
    ],
)
def test_what_no_multilabel_spec_can_say_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        SPEC.replace(**changes)


def test_one_class_is_a_binary_task() -> None:
    with pytest.raises(SpecError, match="2 to 254 classes"):
        ModelSpec("multilabel", ("sky",), 32, 48)


def test_eight_classes_have_no_void_and_seven_do() -> None:
    assert ModelSpec("multilabel", tuple("abcdefgh"), 32, 48, ignore_index=None).num_labels == 256
    assert ModelSpec("multilabel", tuple("abcdefg"), 32, 48).ignore_index == 255


def test_a_spec_of_thresholds_is_read_back() -> None:
    spec = SPEC.with_threshold({"road": 0.7})
    assert spec.class_thresholds == (0.5, 0.7, 0.5)
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert spec.with_threshold(0.3).class_thresholds == (0.3, 0.3, 0.3)


@pytest.mark.parametrize("threshold", [{"rod": 0.5}, {"road": 1.5}, 0.0])
def test_a_threshold_of_nobody_or_beyond_one_is_refused(threshold: object) -> None:
    with pytest.raises(SpecError, match="`threshold`"):
        SPEC.with_threshold(threshold)  # type: ignore[arg-type]


def test_a_spec_of_before_has_no_thresholds() -> None:
    values = {key: value for key, value in SPEC.replace(task="multiclass").to_dict().items() if key != "thresholds"}
    assert ModelSpec.from_dict(values) == SPEC.replace(task="multiclass")
