"""What follows from a label map: areas, outlines, pictures and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import edgeseg
from edgeseg.image import read_mask, unfit
from edgeseg.runtime.frames.frame import Prediction

CELLS = edgeseg.ModelSpec("multiclass", ("background", "cell", "border"), 48, 64)


def result_of(labels: Any, spec: edgeseg.ModelSpec = CELLS, **fields: Any) -> edgeseg.Result:
    labels = np.asarray(labels, np.uint8)
    fields = {"image": np.full((*labels.shape, 3), 100, np.uint8), "prediction": Prediction(labels), **fields}
    return edgeseg.Result(labels, spec=spec, **fields)


def test_areas_count_every_pixel_once() -> None:
    result = result_of([[0, 1, 1, 2], [1, 1, 0, 0]])
    assert result.areas() == {"background": (3 / 8, 3), "cell": (4 / 8, 4), "border": (1 / 8, 1)}
    assert result.areas()["cell"].pixels == 4


def test_pixels_under_the_threshold_are_unknown_where_no_class_means_that() -> None:
    spec = CELLS.replace(classes=("sky", "cell", "border"))
    result = result_of([[255, 1], [1, 1]], spec)
    assert result.names == {0: "sky", 1: "cell", 2: "border", 255: "unknown"}
    assert result.areas()["unknown"] == (1 / 4, 1)
    assert len(result.polygons("unknown")) == 1
    assert "unknown" not in result_of([[0]]).areas()


def test_polygons_are_found_by_name_and_by_label() -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:8, 3:9], labels[12:14, 20:22] = 1, 1
    result = result_of(labels)
    assert [polygon.area for polygon in result.polygons("cell")] == [36, 4]
    assert [polygon.area for polygon in result.polygons(1, min_area=5)] == [36]
    assert sorted(result.polygons("cell")[0].points.tolist()) == [[3, 2], [3, 8], [9, 2], [9, 8]]
    assert result.polygons("border") == []


@pytest.mark.parametrize("name", ["cel", 3, -1, None, 1.0])
def test_a_class_that_is_not_there_is_named(name: Any) -> None:
    with pytest.raises(edgeseg.UserError, match=f"no class {name!r}; the classes are background, cell, border"):
        result_of([[0]]).polygons(name)


@pytest.mark.parametrize("options", [{"min_area": -1}, {"tolerance": float("nan")}, {"tolerance": "1"}])
def test_a_number_of_pixels_is_checked(options: Any) -> None:
    with pytest.raises(edgeseg.UserError, match=f"`{next(iter(options))}`"):
        result_of([[1]]).polygons("cell", **options)


def test_an_overlay_colours_classes_and_leaves_the_background() -> None:
    spec = CELLS.replace(palette=((0, 0, 0), (250, 0, 0), (0, 0, 250)))
    result = result_of([[0, 1]], spec)
    assert result.overlay(alpha=1).tolist() == [[[100, 100, 100], [0, 0, 250]]]
    assert result.overlay().tolist()[0][1] == [50, 50, 175]
    rgb = result_of([[0, 1]], spec, rgb=True)
    assert rgb.overlay(alpha=1).tolist() == [[[100, 100, 100], [250, 0, 0]]]
    assert result.overlay(np.zeros((4, 8, 3), np.uint8), alpha=1).shape == (4, 8, 3)
    assert result.image.tolist() == [[[100] * 3] * 2]


def test_a_legend_is_drawn_on_request() -> None:
    result = result_of(np.zeros((240, 320)))
    assert np.array_equal(result.overlay(), result.image)
    assert not np.array_equal(result.overlay(legend=True), result.image)


@pytest.mark.parametrize(("wrong", "words"), [(np.zeros((2, 2), np.uint8), r"\(2, 2\)"), ("photo.png", "str")])
def test_an_overlay_takes_pictures_only(wrong: Any, words: str) -> None:
    with pytest.raises(edgeseg.DataError, match=words):
        result_of([[0]]).overlay(wrong)


def test_a_mask_is_saved_with_its_labels_and_colours(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (30, 20))
    saved = result_of(labels).save_mask(str(tmp_path / "new" / "mask.png"))
    assert np.array_equal(read_mask(saved), labels)
    assert cv2.imread(str(saved))[0, 0].tolist() == list(CELLS.palette[labels[0, 0]])[::-1]


@pytest.mark.parametrize("name", ["mask.jpg", "mask", ""])
def test_a_mask_is_saved_as_png_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(edgeseg.OutputError, match="saved as PNG"):
        result_of([[0]]).save_mask(name)


def test_confidence_has_the_size_of_the_image() -> None:
    confidence = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    result = result_of(np.zeros((96, 128)), prediction=Prediction(np.zeros((48, 64), np.uint8), confidence))
    assert np.array_equal(result.confidence, unfit(confidence, CELLS, (96, 128)))
    assert result_of([[0]]).confidence is None


def test_a_result_is_json_and_reads_well() -> None:
    result = result_of([[0, 1, 1, 1]], path=Path("a.png"))
    assert json.loads(json.dumps(result.to_dict())) == {
        "path": "a.png",
        "height": 1,
        "width": 4,
        "classes": {
            "background": {"share": 0.25, "pixels": 1},
            "cell": {"share": 0.75, "pixels": 3},
            "border": {"share": 0.0, "pixels": 0},
        },
    }
    assert repr(result) == "Result(4x1: cell 75.0%, background 25.0%)"


OVERLAPS = edgeseg.ModelSpec("multilabel", ("sky", "road"), 48, 64)


def test_a_pixel_may_show_several_classes_or_none() -> None:
    result = result_of([[0, 1, 2, 3]], OVERLAPS)
    assert result.mask("sky").tolist() == [[False, True, False, True]]
    assert result.mask(1).tolist() == [[False, False, True, True]]
    assert result.areas() == {"sky": (0.5, 2), "road": (0.5, 2)}
    assert result.names == {0: "none", 1: "sky", 2: "road", 3: "sky+road"}
    assert list(result.masks) == ["sky", "road"]
    with pytest.raises(edgeseg.UserError, match=r"no class 'sky.road'; the classes are sky, road"):
        result.mask("sky+road")


def test_outlines_of_classes_that_overlap_are_whole() -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:12, 3:13] |= 1
    labels[6:16, 8:18] |= 2
    result = result_of(labels, OVERLAPS)
    assert [polygon.area for polygon in result.polygons("sky")] == [100]
    assert [polygon.area for polygon in result.polygons("road")] == [100]


def test_a_pixel_of_two_classes_is_drawn_in_neither_colour(tmp_path: Path) -> None:
    result = result_of([[0, 1, 2, 3]], OVERLAPS)
    picture = result.overlay(alpha=1.0)
    assert picture[0, 0].tolist() == [100, 100, 100], "no class, no colour"
    assert len({tuple(pixel) for pixel in picture[0].tolist()}) == 4
    assert np.array_equal(read_mask(result.save_mask(tmp_path / "mask.png")), result.labels)


def test_each_class_has_a_confidence_at_the_size_of_the_picture() -> None:
    prediction = Prediction(np.zeros((48, 64), np.uint8), np.arange(2 * 48 * 64).astype(np.uint8).reshape(2, 48, 64))
    confidence = result_of(np.zeros((96, 128)), OVERLAPS, prediction=prediction).confidence
    assert confidence is not None
    assert confidence.shape == (2, 96, 128)
    assert np.array_equal(confidence[1, ::2, ::2], prediction.confidence[1])  # type: ignore[index]
