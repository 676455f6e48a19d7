"""Folders of segmentation_models.pytorch: exported as they lie there, with the masks that the library makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from own_masks import differences

from edgeseg.artifact import Artifact

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def smp(own_words: Callable[[str], Path]) -> Path:
    return own_words("smp")


@pytest.mark.parametrize("name", ["three", "one", "sigmoids", "of-timm"])
def test_masks_are_those_of_the_library(smp: Path, name: str) -> None:
    same, resized, labels = differences(smp, name)
    assert set(same) == {0}
    assert set(resized) == {0}, "the resize of OpenCV is that of edgeseg"
    assert len(labels) > 1, "there is something to compare"


@pytest.mark.parametrize(
    ("name", "task", "classes"),
    [
        ("three", "multiclass", ("background", "disc", "box")),
        ("one", "binary", ("background", "foreground")),
        ("sigmoids", "multilabel", ("disc", "box")),
        ("of-timm", "multiclass", ("class0", "class1", "class2")),
    ],
)
def test_the_spec_is_what_the_folder_says(smp: Path, name: str, task: str, classes: tuple[str, ...]) -> None:
    spec = Artifact.open(smp / "artifacts" / f"{name}-fp32-onnx").spec
    assert (spec.task, spec.classes, spec.color_order) == (task, classes, "rgb")
    assert (spec.mean, spec.std) == IMAGENET


def test_int8_is_proven(smp: Path) -> None:
    artifact = Artifact.open(smp / "artifacts" / "three-int8-onnx")
    assert artifact.precision == "int8"
    same, _, labels = differences(smp, "three", "int8")
    assert 0 < max(same) < 0.05
    assert labels == {0, 1, 2}


def test_what_nobody_said_is_said_to_be_taken(smp: Path) -> None:
    said = (smp / "said.txt").read_text()
    assert "leaves open how pixels were prepared: mobilenet_v2's usual way is taken, RGB, mean 0.485" in said
    assert "names no classes: they are called background, foreground" in said
