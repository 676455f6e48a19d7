"""Folders of Hugging Face transformers: exported as they lie there, with the masks that the library makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from own_masks import differences

from edgeseg.artifact import Artifact

pytestmark = pytest.mark.long
NETWORKS = ("segformer", "dpt", "upernet", "mobilevit")
MOST_BY_RESIZE = 0.08


@pytest.fixture(scope="module")
def transformers(own_words: Callable[[str], Path]) -> Path:
    return own_words("transformers")


@pytest.mark.parametrize("name", NETWORKS)
def test_masks_are_those_of_the_library(transformers: Path, name: str) -> None:
    same, _, labels = differences(transformers, name)
    assert set(same) == {0}
    assert len(labels) > 1, "there is something to compare"


def test_another_resize_moves_outlines_by_little(transformers: Path) -> None:
    """The library brings pictures to size by Pillow's filter, and logits to the picture's size before the ArgMax."""
    _, resized, _ = differences(transformers, "segformer")
    assert 0 < max(resized) < MOST_BY_RESIZE


def test_the_spec_is_what_the_folder_says(transformers: Path) -> None:
    specs = {name: Artifact.open(transformers / "artifacts" / f"{name}-fp32-onnx").spec for name in NETWORKS}
    assert {spec.classes for spec in specs.values()} == {("background", "disc", "box")}
    sizes = {name: (spec.height, spec.width) for name, spec in specs.items()}
    assert sizes == {"segformer": (64, 96), "upernet": (64, 96), "mobilevit": (64, 96), "dpt": (96, 96)}
    assert specs["segformer"].mean == (0.485, 0.456, 0.406)
    assert specs["dpt"].mean == specs["dpt"].std == (0.5, 0.5, 0.5)
    assert (specs["mobilevit"].color_order, specs["mobilevit"].std) == ("bgr", (1.0, 1.0, 1.0))


def test_int8_is_proven(transformers: Path) -> None:
    artifact = Artifact.open(transformers / "artifacts" / "segformer-int8-onnx")
    assert artifact.precision == "int8"
    same, _, labels = differences(transformers, "segformer", "int8")
    assert 0 < max(same) < 0.05
    assert labels == {0, 1, 2}


def test_reduced_labels_are_said(transformers: Path) -> None:
    said = (transformers / "said.txt").read_text()
    assert "'do_reduce_labels'" in said
    assert "the value 0 is void there" in said
