"""Frames with their masks, as data that a network can be trained on."""

from __future__ import annotations

from pathlib import Path

import cv2
import linear_model
import numpy as np
import pytest

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError, OutputError, UserError
from edgeseg.image import read_image, read_mask
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.settings import OutputSettings
from edgeseg.runtime.sinks.training_data import TrainingDataSink, mark_unsure
from edgeseg.spec import ModelSpec

SURE, GUESS = 250, 130


def frame(index: int, name: str = "", value: int = 90) -> Frame:
    return Frame(np.full((24, 32, 3), value, np.uint8), index, 0.0, "clip.mp4", name)


def half_sure() -> Prediction:
    labels, confidence = np.ones((24, 32), np.uint8), np.full((24, 32), SURE, np.uint8)
    confidence[:, 16:] = GUESS
    return Prediction(labels, confidence)


def outputs(folder: Path, frames: Path | None = None, **others: object) -> OutputSettings:
    return OutputSettings(save_masks=folder, save_frames=frames or folder, **others)  # type: ignore[arg-type]


def test_one_folder_for_both_is_a_data_folder(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    sink = TrainingDataSink(outputs(tmp_path, min_confidence=0.8), tiny_spec, origin="clip")
    for index in (0, 20):
        sink.write(frame(index, value=90 + index), half_sure(), 0.0)
    sink.close()
    data = Dataset.open(tmp_path)
    assert data.classes == tiny_spec.classes
    pairs = data.pairs("train")
    assert [pair.image.name for pair in pairs] == ["000000.png", "000020.png"]
    image, mask = data.read(pairs[1])
    assert int(image.max()) == int(image.min()) == 110
    assert mask[:, :15].max() == mask[:, :15].min() == 1
    assert set(np.unique(mask[:, 17:])) == {255}


def test_void_is_no_guess_of_who_trains_on_it(tmp_path: Path) -> None:
    """A picture whose one person nobody is sure of looks like one that was drawn in 0 and 255."""
    spec = ModelSpec("binary", ("background", "person"), 24, 32)
    sink = TrainingDataSink(outputs(tmp_path, min_confidence=0.8), spec)
    for index, (person, sure) in enumerate([(1, SURE), (1, SURE), (1, GUESS), (0, SURE)]):
        labels = np.zeros((24, 32), np.uint8)
        confidence = np.full((24, 32), 255 - SURE, np.uint8)
        labels[6:18, 8:24], confidence[6:18, 8:24] = person, sure if person else 255 - SURE
        sink.write(frame(index), Prediction(labels, confidence), 0.0)
    Dataset.open(tmp_path).check_masks("train")
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(DataError, match="Masks drawn in two ways"):
        Dataset.open(tmp_path).check_masks("train")


def test_two_folders_hold_one_name_each(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    sink = TrainingDataSink(outputs(tmp_path / "m", tmp_path / "f"), tiny_spec, origin="clip")
    sink.write(frame(3, "street.jpg"), half_sure(), 0.0)
    assert read_image(tmp_path / "f" / "street.png").shape == (24, 32, 3)
    assert set(np.unique(read_mask(tmp_path / "m" / "street.png"))) == {1}, "without a limit every pixel has its label"
    assert not (tmp_path / "m" / "classes.txt").exists()


def test_a_picture_of_somebody_else_is_never_written_over(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    (tmp_path / "images" / "train").mkdir(parents=True)
    (tmp_path / "images" / "train" / "000003.png").write_bytes(b"mine")
    for value in (90, 120):  # the second run replaces what the first one left
        sink = TrainingDataSink(outputs(tmp_path), tiny_spec, origin="clip")
        sink.write(frame(3, value=value), half_sure(), 0.0)
        sink.close()
    assert (tmp_path / "images" / "train" / "000003.png").read_bytes() == b"mine"
    (mask,) = (tmp_path / "masks" / "train").iterdir()
    assert read_image(tmp_path / "images" / "train" / mask.name).max() == 120


def test_another_clip_gets_other_names_and_other_classes_are_refused(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    for origin in ("one", "two"):
        sink = TrainingDataSink(outputs(tmp_path), tiny_spec, origin=origin)
        sink.write(frame(3), half_sure(), 0.0)
    names = [sorted(path.name for path in (tmp_path / kind / "train").iterdir()) for kind in ("images", "masks")]
    assert names[0] == names[1]
    assert len(names[0]) == 2
    other = TrainingDataSink(outputs(tmp_path), tiny_spec.replace(classes=("a", "b", "c")))
    with pytest.raises(OutputError, match="says something else than this run"):
        other.write(frame(4), half_sure(), 0.0)


def test_the_oldest_of_a_camera_go_with_their_frames(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    sink = TrainingDataSink(outputs(tmp_path, masks_keep="40KB"), tiny_spec, live=True)
    for index in range(12):
        sink.write(frame(index), half_sure(), 0.0)
    kept = [sorted(path.name for path in (tmp_path / kind / "train").iterdir()) for kind in ("images", "masks")]
    assert kept[0] == kept[1]
    assert 1 <= len(kept[0]) < 12
    assert kept[0][-1].endswith("000011.png")


@pytest.mark.parametrize(
    ("task", "labels", "confidence", "expected"),
    [
        ("binary", [0, 0, 1, 1], [10, 110, 140, 240], [0, 255, 255, 1]),
        ("multiclass", [0, 0, 1, 1], [210, 200, 140, 240], [0, 255, 255, 1]),
        ("multilabel", [0, 1, 2, 3], [[10, 240, 10, 140], [20, 10, 250, 240]], [0, 1, 2, 255]),
    ],
)
def test_sure_is_meant_of_the_label_that_is_shown(
    task: str, labels: list[int], confidence: list[object], expected: list[int]
) -> None:
    planes = np.array(confidence, np.uint8)
    given = Prediction(np.uint8([labels]), planes[None] if planes.ndim == 1 else planes[:, None])
    assert mark_unsure(given, ModelSpec(task, ("a", "b"), 8, 8), 0.8).tolist() == [expected]


def test_masks_of_overlapping_classes_say_that_they_are(tmp_path: Path) -> None:
    spec = ModelSpec("multilabel", ("sky", "road"), 24, 32)
    sink = TrainingDataSink(outputs(tmp_path, min_confidence=0.8), spec)
    sink.write(frame(0), Prediction(np.full((24, 32), 3, np.uint8), np.full((2, 24, 32), SURE, np.uint8)), 0.0)
    assert Dataset.open(tmp_path).task == "multilabel"


def test_without_void_the_names_are_enough(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    TrainingDataSink(outputs(tmp_path), tiny_spec).write(frame(0), half_sure(), 0.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.txt", "images", "masks"]


class TestOnTheCommandLine:
    @pytest.fixture
    def pictures(self, tmp_path: Path) -> Path:
        (tmp_path / "pictures").mkdir()
        rng = np.random.default_rng(0)
        for number in range(6):
            cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), rng.integers(0, 256, (24, 32, 3), np.uint8))
        return tmp_path / "pictures"

    def test_a_folder_of_pictures_becomes_data(
        self, tiny_artifact: linear_model.ArtifactMaker, pictures: Path, tmp_path: Path
    ) -> None:
        out = str(tmp_path / "data")
        words = ["run", str(tiny_artifact("onnx").path), "--source", str(pictures), "--save-masks", out]
        assert main([*words, "--save-frames", out, "--min-confidence", "0.5"]) == 0
        data = Dataset.open(Path(out))
        assert len(data.pairs("train")) == 6
        data.check_masks("train")

    @pytest.mark.parametrize(
        ("flags", "said"),
        [
            (["--save-frames", "frames"], "--save-frames needs something to apply to: give --save-masks DIR too."),
            (["--min-confidence", "0.5"], "--min-confidence needs something to apply to"),
            (["--save-masks", "m", "--save-frames", "PICTURES"], "is the source itself"),
        ],
    )
    def test_what_cannot_be_meant_is_said(
        self,
        tiny_artifact: linear_model.ArtifactMaker,
        pictures: Path,
        flags: list[str],
        said: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        flags = [str(pictures) if word == "PICTURES" else word for word in flags]
        assert main(["run", str(tiny_artifact("onnx").path), "--source", str(pictures), *flags]) == 2
        assert said in capsys.readouterr().err

    def test_a_model_that_does_not_say_how_sure_it_is_is_refused(
        self,
        tiny_artifact: linear_model.ArtifactMaker,
        pictures: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        artifact = str(tiny_artifact("onnx", confidence=False).path)
        words = ["run", artifact, "--source", str(pictures), "--save-masks", str(tmp_path / "m")]
        assert main([*words, "--min-confidence", "0.8"]) == 2
        assert "--min-confidence 0.8 cannot be told. Export it again with --outputs labels,confidence" in (
            capsys.readouterr().err
        )


def test_a_confidence_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="min_confidence"):
        outputs(tmp_path, min_confidence=1.2)
