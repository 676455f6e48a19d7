"""Networks that a call of torchvision or timm builds: prepared as their library says, with the masks that it makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from own_masks import differences

from edgeseg.artifact import Artifact

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def torchvision(own_words: Callable[[str], Path]) -> Path:
    return own_words("torchvision")


@pytest.fixture(scope="module")
def timm(own_words: Callable[[str], Path]) -> Path:
    return own_words("timm")


@pytest.mark.parametrize("name", ["lraspp", "deeplabv3", "fcn"])
def test_masks_are_those_of_torchvision(torchvision: Path, name: str) -> None:
    same, _, labels = differences(torchvision, name)
    assert set(same) == {0}
    assert len(labels) > 1, "there is something to compare"


@pytest.mark.parametrize("name", ["fpn", "lite"])
def test_masks_are_those_of_a_decoder_on_timm(timm: Path, name: str) -> None:
    same, resized, labels = differences(timm, name)
    assert {*same, *resized} == {0}
    assert len(labels) > 1, "there is something to compare"


def test_pixels_are_prepared_as_the_library_says(torchvision: Path, timm: Path) -> None:
    specs = {name: Artifact.open(torchvision / "artifacts" / f"{name}-fp32-onnx").spec for name in ("lraspp", "fcn")}
    assert {(spec.mean, spec.std) for spec in specs.values()} == {IMAGENET}
    assert specs["lraspp"].classes == ("background", "disc", "box")
    assert specs["fcn"].classes[:3] == ("__background__", "aeroplane", "bicycle")
    assert Artifact.open(timm / "artifacts" / "fpn-fp32-onnx").spec.mean == IMAGENET[0]
    assert Artifact.open(timm / "artifacts" / "lite-fp32-onnx").spec.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("library", "name"), [("torchvision", "lraspp"), ("timm", "fpn")])
def test_int8_is_proven(request: pytest.FixtureRequest, library: str, name: str) -> None:
    root = request.getfixturevalue(library)
    assert Artifact.open(root / "artifacts" / f"{name}-int8-onnx").precision == "int8"
    same, _, labels = differences(root, name, "int8")
    assert 0 < max(same) < 0.05
    assert labels == {0, 1, 2}
