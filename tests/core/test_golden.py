"""One picture, four users: training, calibration, evaluation and the runtime see the same bytes.

The bytes are also compared with a float reference that shares no code with edgeseg.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fake_engine import FakeEngine, FakeSlot

from edgeseg.calibration.images.load_set import load_set
from edgeseg.dataset import Dataset
from edgeseg.image import LETTERBOX_VALUE, UInt8, fit, normalise, placement, read_image
from edgeseg.runtime.engines.predictor import Predictor
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.runtime.measure.evaluate import evaluate
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.source import open_source
from edgeseg.spec import ModelSpec
from edgeseg.training.data.folder import FolderDataset

SPECS = [
    ModelSpec("multiclass", ("background", "cell"), 48, 64, color_order, (0.4,) * channels, (0.2,) * channels, resize)
    for resize in ("stretch", "letterbox")
    for color_order, channels in (("rgb", 3), ("bgr", 3), ("gray", 1))
]
SIZES = [(60, 80), (48, 64), (31, 97), (200, 40)]


class RecordingEngine(FakeEngine):
    """Keeps what is written into its slots."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.seen: list[UInt8] = []

    def open_slot(self) -> RecordingSlot:
        return RecordingSlot(self)


class RecordingSlot(FakeSlot):
    def __init__(self, engine: RecordingEngine) -> None:
        super().__init__(engine)
        self._seen = engine.seen

    def run(self) -> Prediction:
        self._seen.append(self.input.copy())
        return super().run()


@pytest.fixture
def data(tmp_path: Path, smooth_picture: Callable[..., UInt8]) -> Path:
    """Pictures of the kinds that could be read in more than one way, with empty masks."""
    for folder in ("images/train", "masks/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "classes.txt").write_text("background\ncell\n", encoding="utf-8")
    pictures: dict[str, Any] = {
        "a_colour.jpg": smooth_picture(60, 80),
        "b_grey.png": smooth_picture(48, 64)[..., 0],
        "c_deep.png": smooth_picture(31, 97).astype(np.uint16) * 257,
        "d_alpha.png": np.dstack([smooth_picture(200, 40), np.zeros((200, 40), np.uint8)]),
        "e_small.bmp": smooth_picture(5, 7),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / "images/train" / name), picture)
        mask = np.zeros(picture.shape[:2], np.uint8)
        mask[0] = 1
        cv2.imwrite(str((tmp_path / "masks/train" / name).with_suffix(".png")), mask)
    return tmp_path


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.resize}-{spec.color_order}")
def test_training_calibration_evaluation_and_runtime_see_the_same_bytes(data: Path, spec: ModelSpec) -> None:
    dataset = Dataset.open(data)
    pairs = dataset.pairs("train")
    expected = [fit(read_image(pair.image), spec) for pair in pairs]

    evaluation = RecordingEngine(spec)
    evaluate(Predictor(evaluation), dataset, "train")
    assert_same(evaluation.seen, expected)

    runtime = RecordingEngine(spec)
    with open_source(str(data / "images/train")) as source:
        Pipeline(runtime, source, slots=1).run()
    assert_same(runtime.seen, expected)

    calibration = load_set(data, spec)
    assert_same([calibration.tensor(pair.image)[0] for pair in pairs], expected)

    training = FolderDataset(dataset, "train", spec)
    tensors = [training[0, index][0].numpy() for index in range(len(pairs))]
    assert_same(tensors, [normalise(fitted, spec) for fitted in expected])


def assert_same(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


def bilinear(image: UInt8, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation at pixel centres, edges repeated, in float64."""
    rows, row_share = _taps(image.shape[0], height)
    columns, column_share = _taps(image.shape[1], width)
    values = image.astype(np.float64)
    values = values[rows[0]] * (1 - row_share)[:, None, None] + values[rows[1]] * row_share[:, None, None]
    return values[:, columns[0]] * (1 - column_share)[:, None] + values[:, columns[1]] * column_share[:, None]


def _taps(source: int, target: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    at = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.floor(at).astype(int)
    return (low, np.minimum(low + 1, source - 1)), at - low


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_fit_is_bilinear_within_one_grey_level(
    smooth_picture: Callable[..., UInt8], resize: str, size: tuple[int, int]
) -> None:
    spec = ModelSpec("multiclass", ("a", "b"), 48, 64, resize=resize)
    image = smooth_picture(*size)
    at = placement(size, spec)
    expected = np.full((48, 64, 3), float(LETTERBOX_VALUE))
    expected[at.top : at.top + at.height, at.left : at.left + at.width] = bilinear(image, at.height, at.width)
    assert np.abs(fit(image, spec) - expected).max() <= 1.0


def test_normalise_is_the_textbook_formula(smooth_picture: Callable[..., UInt8]) -> None:
    spec = ModelSpec("multiclass", ("a", "b"), 48, 64, "rgb", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    fitted = smooth_picture(48, 64)
    expected = (fitted[..., ::-1] / 255 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(normalise(fitted, spec), expected.transpose(2, 0, 1), atol=1e-6)
