"""``edgeseg train --weights``: starting from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import load_model, read_checkpoint
from edgeseg.training.loop import Trainer, train
from edgeseg.training.settings import TrainSettings

OPTIONS = {"width": 0.25, "stem_stride": 2}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, disc_folder: Path) -> Path:
    data, out = Dataset.open(disc_folder), tmp_path_factory.mktemp("first")
    settings = TrainSettings(out, "unet-plain", OPTIONS, epochs=1, batch=4, amp="no", device="cpu")
    return train(data, ModelSpec("multiclass", data.classes, 40, 56, resize="letterbox"), settings).best


def said(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["train", *command]) == 2
    return capsys.readouterr().err


def test_the_checkpoint_says_what_the_network_is(tmp_path: Path, disc_folder: Path, checkpoint: Path) -> None:
    place = ["--data", str(disc_folder), "--out", str(tmp_path), "--weights", str(checkpoint)]
    assert main(["train", *place, "--epochs", "1", "--batch", "4", "--device", "cpu"]) == 0
    first, second = load_model(checkpoint), load_model(tmp_path / "best.pt")
    assert first.spec == second.spec
    assert second.architecture["name"] == "unet-plain"
    assert second.architecture["options"].items() >= first.architecture["options"].items()


def test_training_starts_from_its_weights(tmp_path: Path, discs: Dataset, checkpoint: Path) -> None:
    spec = load_model(checkpoint).spec
    settings = TrainSettings(tmp_path, "unet-plain", OPTIONS, start_from=checkpoint, batch=4, amp="no", device="cpu")
    started = Trainer(discs, spec, settings).learner.bare.state_dict()
    assert all(torch.equal(started[name], tensor) for name, tensor in read_checkpoint(checkpoint)["state"].items())


def test_a_flag_that_the_checkpoint_answers_is_refused(
    tmp_path: Path, disc_folder: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--data", str(disc_folder), "--out", str(tmp_path), "--weights", str(checkpoint)]
    for flags in (["--width", "1"], ["--model", "unet"], ["--resize", "stretch"], ["--color-order", "rgb"]):
        assert f"leave {flags[0]} out" in said([*place, *flags], capsys)


def test_other_classes_are_refused_by_name(
    tmp_path: Path, disc_folder: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for kind in ("images", "masks"):
        (data / kind).symlink_to(disc_folder / kind)
    (data / "classes.txt").write_text("background\ndisc\nring\n")
    place = ["--data", str(data), "--out", str(tmp_path / "out"), "--weights", str(checkpoint)]
    message = said(place, capsys)
    assert "was trained on 2 classes (background, disc), the data has 3 (background, disc, ring)" in message
    assert not (tmp_path / "out" / "last.pt").exists()


def test_a_missing_checkpoint_is_said(tmp_path: Path, disc_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--data", str(disc_folder), "--out", str(tmp_path), "--weights", str(tmp_path / "none.pt")]
    assert "There is no checkpoint" in said(place, capsys)
