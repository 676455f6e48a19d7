"""Pictures without masks, labelled by a teacher where it is sure."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError, UserError
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint
from edgeseg.training.data.folder import FolderDataset
from edgeseg.training.data.pseudo_labels import label_pictures, sure_labels
from edgeseg.training.loop import Trainer
from edgeseg.training.settings import Distillation, TrainSettings

SPEC = ModelSpec("multiclass", ("background", "disc"), 48, 48, mean=(0.0,) * 3, std=(1.0,) * 3)

WIDTH = ["--model", "unet", "--width", "0.25"]
FLAGS = [*WIDTH, "--imgsz", "48", "--crop", "32", "32", "--epochs"]
FLAGS += ["1", "--batch", "4", "--amp", "no", "--device", "cpu", "--task", "multiclass"]


class Brightness(nn.Module):
    """Says disc where it is bright, surely where it is very bright or very dark."""

    def forward(self, x: Tensor) -> Tensor:
        z = 20 * (x.mean(1, keepdim=True) - 0.5)
        return torch.cat([-z / 2, z / 2], 1)


TEACHER = Brightness()


def write_picture(folder: Path, name: str = "new.png") -> Path:
    """Left dark, middle grey, right bright; twice the network's size."""
    folder.mkdir(exist_ok=True)
    image = np.zeros((96, 96, 3), np.uint8)
    image[:, 32:64], image[:, 64:] = 128, 255
    cv2.imwrite(str(folder / name), image)
    return folder


def label(folder: Path, out: Path, least: float = 0.9, spec: ModelSpec = SPEC) -> tuple[Dataset, float]:
    found = label_pictures(folder, TEACHER, spec, least, out, lambda images, title: iter(images))
    return found.data, found.kept


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_a_mask_has_labels_where_the_teacher_is_sure_and_void_elsewhere(tmp_path: Path, resize: str) -> None:
    data, kept = label(write_picture(tmp_path / "new"), tmp_path / "out", spec=SPEC.replace(resize=resize))
    (pair,) = data.pairs("train")
    image, mask = data.read(pair)
    assert image.shape == (96, 96, 3)
    assert mask.shape == (96, 96)
    assert [set(np.unique(mask[:, part])) for part in (slice(0, 30), slice(34, 62), slice(66, 96))] == [
        {0},
        {255},
        {1},
    ]
    assert kept == pytest.approx(2 / 3, abs=0.03)


def test_the_cut_decides_how_much_is_kept() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.5], [0.0, 3.0, 0.0]]).reshape(1, 2, 1, 3)  # 0.88, 0.95, 0.62
    assert [sure_labels(logits, least).flatten().tolist() for least in (0.0, 0.8, 0.9)] == [
        [0, 1, 0],
        [0, 1, 255],
        [255, 1, 255],
    ]
    assert sure_labels(torch.tensor([4.0, -4.0, 0.0]).reshape(1, 1, 1, 3), 0.9).flatten().tolist() == [1, 0, 255]


def test_a_teacher_that_is_sure_of_nothing_and_a_folder_of_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="No images in"):
        label(tmp_path / "empty", tmp_path / "out")
    folder = tmp_path / "grey"
    folder.mkdir()
    cv2.imwrite(str(folder / "grey.png"), np.full((48, 48, 3), 128, np.uint8))
    with pytest.raises(DataError, match=r"nowhere as sure as 0\.9"):
        label(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="several classes a pixel"):
        label(folder, tmp_path / "out", spec=ModelSpec("multilabel", ("a", "b"), 48, 48))


def test_what_was_labelled_joins_the_training_pictures_and_no_others(tmp_path: Path, discs: Dataset) -> None:
    data, _ = label(write_picture(tmp_path / "new"), tmp_path / "out")
    together = FolderDataset(discs, "train", SPEC)
    together.join(data)
    assert len(together) == 13
    assert together.pairs[12].image.name == "new.png"
    assert set(together.raw(12)[1].ravel()) == {0, 1, 255}
    assert np.array_equal(together.raw(3)[1], FolderDataset(discs, "train", SPEC).raw(3)[1])


def test_settings_want_a_teacher_and_a_share(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="labelled by a `teacher`, which is missing"):
        TrainSettings(tmp_path, unlabelled=tmp_path)
    with pytest.raises(UserError, match="`pseudo_confidence` must be"):
        TrainSettings(tmp_path, pseudo_confidence=1.0)


def test_a_run_trains_on_both_and_says_how_much_was_labelled(
    tmp_path: Path, disc_folder: Path, discs: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = ModelSpec("multiclass", discs.classes, 48, 48)
    settings = TrainSettings(
        tmp_path / "teacher", options={"width": 0.25}, epochs=1, batch=4, crop=(32, 32), amp="no", device="cpu"
    )
    trainer = Trainer(discs, spec, settings)
    teacher = tmp_path / "teacher.pt"
    architecture = {"name": "unet", "options": {"width": 0.25}}
    save_checkpoint(teacher, architecture, spec, trainer.learner.bare.state_dict(), {})
    new = tmp_path / "new"
    new.mkdir()
    for file in (disc_folder / "images" / "val").iterdir():
        cv2.imwrite(str(new / f"other{file.name}"), cv2.imread(str(file)))
    flags = FLAGS
    more = ["--teacher", str(teacher), "--unlabelled", str(new), "--pseudo-confidence", "0.4"]
    assert main(["train", "--data", str(disc_folder), "--out", str(tmp_path / "run"), *flags, *more]) == 0
    said = capsys.readouterr()
    assert "4 pictures" in said.out + said.err
    assert "were labelled by the teacher, 100 % of their pixels" in said.out + said.err
    assert "4 steps of 4 crops" in said.out + said.err, "12 and 4 pictures"
    resumed = dataclasses.replace(settings, unlabelled=new, distill=Distillation(teacher))
    assert resumed.identity()["unlabelled"] == str(new)
