"""Folders of Hugging Face transformers: exported as they lie there, with the masks that the library makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from libraries import run_there
from own_masks import differences

from edgeseg.artifact import Artifact

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
NETWORKS = ("segformer", "dpt", "upernet", "mobilevit")
MOST_BY_RESIZE = 0.03


ASK = """
import json, pathlib, sys, transformers
from edgeseg.export.hubs.image_processor import describe_processor, read_processor

pathlib.Path("config.json").write_text(json.dumps({"model_type": "segformer"}))
pathlib.Path("preprocessor_config.json").write_text(sys.argv[1])
found = {"legacy": read_processor(transformers, pathlib.Path("."))}
found["aspect"] = describe_processor(transformers.DPTImageProcessor(keep_aspect_ratio=True, ensure_multiple_of=32))
found["crop"] = describe_processor(transformers.MobileViTImageProcessor())
bare = {"do_resize": False, "do_rescale": False, "do_normalize": False}
found["bare"] = describe_processor(transformers.SegformerImageProcessor(**bare))
halves = {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3}
found["halves"] = describe_processor(transformers.SegformerImageProcessor(**halves))
print("FOUND", json.dumps({name: [dict(one.says), [note for _, note in one.notes]] for name, one in found.items()}))
"""
LEGACY = {
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "SegformerFeatureExtractor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "reduce_labels": True,
    "resample": 2,
    "size": 512,
}
"""As the published SegFormer folders have it."""


@pytest.fixture(scope="module")
def processors(library_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is found of image processors, and the remarks."""
    said = run_there(library_python, "-c", ASK, json.dumps(LEGACY), cwd=tmp_path_factory.mktemp("processors"))
    (line,) = [line for line in said.splitlines() if line.startswith("FOUND ")]
    found: dict[str, Any] = json.loads(line.removeprefix("FOUND "))
    return found


def test_a_processor_is_read_by_what_it_does(processors: dict[str, Any]) -> None:
    imagenet = {"color_order": "rgb", "mean": LEGACY["image_mean"], "std": LEGACY["image_std"]}
    assert processors["legacy"][0] == {**imagenet, "imgsz": [512, 512]}
    assert processors["bare"][0] == {"color_order": "rgb", "mean": [0.0] * 3, "std": [1 / 255] * 3}
    halves = processors["halves"][0]
    assert halves["mean"] == [0.5] * 3, "twice the usual scale, and a mean of 1 in it"
    assert halves["std"] == pytest.approx([0.1145, 0.112, 0.1125])
    assert processors["crop"][0] == {"color_order": "bgr", "mean": [0.0] * 3, "std": [1.0] * 3, "imgsz": [256, 256]}


def test_what_edgeseg_does_otherwise_than_a_processor_is_said(processors: dict[str, Any]) -> None:
    assert "(480x640 becomes 384x512)" in processors["aspect"][1][0]
    assert "cuts the edges off ('do_center_crop')" in processors["crop"][1][0]
    assert "the value 0 is void there" in processors["legacy"][1][0]
    assert processors["bare"][1] == processors["halves"][1] == []


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
