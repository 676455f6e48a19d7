"""A model gives the labels of its network, of whatever stands for an image, and refuses the rest by name."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from linear_model import reference

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.image import fit, read_image, unfit
from edgeseg.runtime.engines.predictor import open_predictor

PHOTOS = ("photo.png", "photos/a.png", "photos/b.png")


def expected(image: Any, spec: edgeseg.ModelSpec) -> Any:
    return unfit(reference(fit(image, spec), spec)[0], spec, image.shape[:2])


@pytest.mark.parametrize("form", [str, Path, Artifact.open], ids=["str", "Path", "Artifact"])
def test_a_model_is_loaded_from_a_path_or_an_artifact(place: Path, form: Any) -> None:
    with edgeseg.load(form(place / "cells-int8-openvino")) as model:
        assert np.array_equal(model("photo.png").labels, expected(read_image("photo.png"), model.spec))


@pytest.mark.parametrize("wrong", [3, None, str.format, b"cells", ""])
def test_what_is_no_artifact_is_named(wrong: Any) -> None:
    with pytest.raises(edgeseg.ArtifactError, match=r"An artifact is the path of a folder; found") as caught:
        edgeseg.load(wrong)
    assert type(wrong).__name__ in str(caught.value)


def test_a_file_an_array_and_an_rgb_array_give_the_same(model: edgeseg.Model) -> None:
    image = read_image("photo.png")
    results = [model("photo.png"), model(Path("photo.png")), model(image), model(image[..., ::-1], rgb=True)]
    for result in results:
        assert np.array_equal(result.labels, results[0].labels)
        assert result.labels.shape == image.shape[:2]
    assert [result.path for result in results] == [Path("photo.png"), Path("photo.png"), None, None]
    assert not np.array_equal(model(image, rgb=True).labels, results[0].labels)


def test_labels_are_the_predictors(model: edgeseg.Model) -> None:
    with open_predictor(model.artifact, 0.7) as predict, edgeseg.load(model.artifact, threshold=0.7) as sure:
        image = read_image("photo.png")
        assert np.array_equal(sure(image).labels, predict(image))
        assert not np.array_equal(sure(image).labels, model(image).labels)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((4, 4), np.uint8), r"\(4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
        (7, r"found int \(7\)"),
        ("none.png", "none.png"),
        ("photos", r"is a folder; model.predict\('photos'\)"),
        ("street.mp4", "model.stream"),
        ("rtsp://camera/1", "model.stream"),
    ],
)
@pytest.mark.parametrize("rgb", [False, True])
def test_what_is_no_image_is_named(model: edgeseg.Model, wrong: Any, words: str, rgb: bool) -> None:
    with pytest.raises(edgeseg.DataError, match=words):
        model(wrong, rgb=rgb)


@pytest.mark.parametrize("images", ["photos", Path("photos"), "photos/*.png", "*/?.png"])
def test_a_folder_and_a_glob_are_taken_in_the_order_of_their_names(model: edgeseg.Model, images: Any) -> None:
    assert [result.path for result in model.predict(images)] == [Path("photos/a.png"), Path("photos/b.png")]


def test_order_is_kept_whatever_takes_longer(place: Path) -> None:
    sizes = [(900, 1600), (20, 20), (300, 900), (30, 10)] * 6
    images = [np.full((*size, 3), 10 * number, np.uint8) for number, size in enumerate(sizes)]
    with edgeseg.load("cells-int8-openvino", slots=3) as model:
        found = list(model.predict(images))
        for image, result in zip(images, found, strict=True):
            assert np.array_equal(result.labels, expected(image, model.spec))


def test_images_are_taken_as_results_are_asked_for(place: Path) -> None:
    taken = itertools.count()

    def endless() -> Iterator[Any]:
        while True:
            next(taken)
            yield "photo.png"

    with edgeseg.load("cells-int8-openvino", slots=2) as model:
        results = model.predict(endless())
        for _ in range(10):
            next(results)
        assert next(taken) <= 10 + 2 * 2
        results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("edgeseg-predict")]


def test_an_image_that_cannot_be_read_ends_it_or_is_told(model: edgeseg.Model, place: Path) -> None:
    (place / "photos" / "ab.png").write_bytes(b"no picture")
    with pytest.raises(edgeseg.DataError, match=r"ab\.png"):
        list(model.predict("photos"))
    told: list[Any] = []
    results = list(model.predict("photos", on_error=lambda image, error: told.append((image, str(error)))))
    assert [result.path and result.path.name for result in results] == ["a.png", "b.png"]
    assert [image.name for image, _ in told] == ["ab.png"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((4, 4, 3), np.uint8), "is one image at most"),
        (7, r"found int"),
        ("nothing", "There is no file or folder nothing"),
        ("photos/*.tif", "matches 0 files"),
    ],
)
def test_what_holds_no_images_is_named_at_once(model: edgeseg.Model, wrong: Any, words: str) -> None:
    with pytest.raises(edgeseg.DataError, match=words):
        model.predict(wrong)


def test_a_batch_in_one_array_is_taken_image_by_image(model: edgeseg.Model) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (3, 40, 30, 3), dtype=np.uint8)
    assert [result.labels.shape for result in model.predict(batch)] == [(40, 30)] * 3


def test_threads_may_share_a_model(place: Path) -> None:
    images = [np.random.default_rng(seed).integers(0, 256, (50, 70, 3), dtype=np.uint8) for seed in range(40)]
    with edgeseg.load("cells-int8-openvino", slots=2) as model, ThreadPoolExecutor(6) as threads:
        for image, result in zip(images, threads.map(model, images), strict=True):
            assert np.array_equal(result.labels, expected(image, model.spec))


def test_a_result_outlives_the_next_one_and_the_model(place: Path) -> None:
    with edgeseg.load("cells-int8-openvino") as model:
        first = model("photo.png")
        labels = first.labels.copy()
        model(cv2.flip(read_image("photo.png"), 1))
    assert np.array_equal(first.labels, labels)
    assert first.confidence is not None
    assert first.confidence.shape == labels.shape


def test_a_closed_model_refuses_everything(place: Path) -> None:
    model = edgeseg.load("cells-int8-openvino")
    begun = model.predict(["photo.png"] * 9)
    next(begun)
    frames = model.stream("street.mp4")
    next(frames)
    model.close()
    model.close()
    assert model.closed
    for use in (lambda: model("photo.png"), lambda: model.predict("photos"), lambda: model.stream("street.mp4")):
        with pytest.raises(edgeseg.EngineError, match="closed"):
            use()
    with pytest.raises(edgeseg.EngineError, match="closed"):
        list(begun)
    with pytest.raises(edgeseg.EngineError, match="closed"):
        list(frames)


@pytest.mark.parametrize(
    "options", [{"slots": 0}, {"slots": "2"}, {"threads": 0}, {"threshold": 2}, {"threshold": "half"}, {"device": 3}]
)
def test_an_option_that_makes_no_sense_is_named(place: Path, options: Any) -> None:
    (name,) = options
    with pytest.raises(edgeseg.UserError, match=f"{name}.*found {options[name]!r}"):
        edgeseg.load("cells-int8-openvino", **options)
