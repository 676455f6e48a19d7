"""What a ModelSpec refuses, and what it derives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeseg.errors import SpecError
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("road", "car", "sky"), 64, 96)


def test_json_round_trip_gives_the_same_spec() -> None:
    spec = SPEC.replace(
        threshold=0.25, resize="letterbox", ignore_index=None, palette=((1, 2, 3), (4, 5, 6), (7, 8, 9))
    )
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_colours_are_chosen_when_none_are_given() -> None:
    assert len(set(SPEC.palette)) == 3


@pytest.mark.parametrize(
    ("task", "classes", "logits", "unknown"),
    [
        ("binary", ("background", "cell"), 1, 0),
        ("multiclass", ("road", "car", "sky"), 3, 255),
        ("multiclass", ("car", "Unknown", "sky"), 3, 1),
    ],
)
def test_derived_numbers(task: str, classes: tuple[str, ...], logits: int, unknown: int) -> None:
    spec = ModelSpec(task, classes, 32, 32)
    assert (spec.logit_channels, spec.unknown_label, spec.num_classes) == (logits, unknown, len(classes))


def test_grey_input_has_one_channel() -> None:
    assert ModelSpec("multiclass", ("a", "b"), 32, 32, "gray", (0.5,), (0.5,)).channels == 1


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("task", "panoptic", "panoptic"),
        ("color_order", "rgba", "rgba"),
        ("resize", "crop", "crop"),
        ("classes", ["one"], "found 1"),
        ("classes", [f"c{i}" for i in range(255)], "found 255"),
        ("classes", ["a", "a", "b"], "differ"),
        ("classes", ["a", "", "b"], "non-empty"),
        ("classes", "abc", "abc"),
        ("classes", 3, "found 3"),
        ("height", 0, "height"),
        ("height", 64.0, "64.0"),
        ("width", True, "True"),
        ("mean", [0.5], "3 finite numbers"),
        ("mean", [123.7, 116.3, 103.5], "Divide"),
        ("mean", [float("nan")] * 3, "nan"),
        ("mean", [10**400] * 3, "finite"),
        ("std", [0.2, 0.0, 0.2], "positive"),
        ("threshold", 0, "between 0 and 1"),
        ("threshold", float("nan"), "nan"),
        ("threshold", "0.5", "'0.5'"),
        ("ignore_index", 256, "256"),
        ("ignore_index", 1, "also class 'car'"),
        ("palette", [[0, 0, 0]], "1 colours for 3"),
        ("palette", [[0, 0, 256]] * 3, "RGB"),
        ("colour", "rgb", "Unknown spec fields ['colour']"),
    ],
)
def test_a_field_without_meaning_is_refused_by_name(field: str, value: Any, found: str) -> None:
    with pytest.raises(SpecError) as caught:
        ModelSpec.from_dict({**SPEC.to_dict(), field: value})
    assert found in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '"spec"', "{", "null", json.dumps({"task": "binary"})])
def test_text_that_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        ModelSpec.from_json(text)


def test_a_binary_task_has_exactly_two_classes() -> None:
    with pytest.raises(SpecError, match="two classes"):
        ModelSpec("binary", ("a", "b", "c"), 32, 32)
