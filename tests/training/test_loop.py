from __future__ import annotations

import csv
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import CheckpointError, DataError, UserError
from edgeseg.files.trained_on import compare_training, record_training
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import load_model, read_checkpoint
from edgeseg.training.loop import Trainer, train
from edgeseg.training.settings import TrainSettings

HOLD_OUT = Path(__file__).parents[2] / "scripts/hold_out.py"


def settings(out: Path, **changes: object) -> TrainSettings:
    base = TrainSettings(out=out, options={"width": 0.25}, epochs=3, batch=4, crop=(32, 32), amp="no", device="cpu")
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, disc_folder: Path) -> Path:
    out = tmp_path_factory.mktemp("trained")
    data = Dataset.open(disc_folder)
    train(data, ModelSpec("multiclass", data.classes, 48, 48), settings(out))
    return out


def test_a_run_leaves_checkpoints_curves_and_a_drawn_batch(trained: Path) -> None:
    assert sorted(p.name for p in trained.iterdir()) == [
        "best.pt",
        "curves.png",
        "last.pt",
        "results.csv",
        "results.json",
        "val_batch.png",
    ]
    with (trained / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(float(row["loss"]) > 0 and 0 <= float(row["miou"]) <= 1 for row in rows)
    assert cv2.imread(str(trained / "val_batch.png")).shape[1] == 3 * 360


def test_a_checkpoint_says_which_pictures_it_learned_from(trained: Path, discs: Dataset) -> None:
    for name in ("best.pt", "last.pt"):
        known = load_model(trained / name).training["trained_on"]
        files = [pair.image for pair in discs.pairs("train")]
        assert known == record_training(files)
        assert compare_training(known, files).endswith(f"{len(files)} of {len(files)} are among them.")


def test_training_learns_discs(tmp_path: Path, discs: Dataset, disc_spec: ModelSpec) -> None:
    result = train(discs, disc_spec, settings(tmp_path, epochs=25, val_every=25, lr=1e-2))
    assert result.miou > 0.8


def test_binary_task_learns_with_one_logit(tmp_path: Path, discs: Dataset) -> None:
    spec = ModelSpec("binary", discs.classes, 48, 48)
    result = train(discs, spec, settings(tmp_path, epochs=25, val_every=25, lr=1e-2))
    assert result.miou > 0.8
    assert load_model(result.best).model(torch.zeros(1, 3, 48, 48)).shape == (1, 1, 48, 48)


def test_same_seed_gives_the_same_weights(tmp_path: Path, discs: Dataset, disc_spec: ModelSpec, trained: Path) -> None:
    again = train(discs, disc_spec, settings(tmp_path)).last
    first, second = (read_checkpoint(path)["state"] for path in (trained / "last.pt", again))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec, trained: Path
) -> None:
    trainer = Trainer(discs, disc_spec, settings(tmp_path))
    trainer.run_epoch(0)
    train(discs, disc_spec, settings(tmp_path), resume=tmp_path / "last.pt")
    whole, resumed = (read_checkpoint(path / "last.pt") for path in (trained, tmp_path))
    for key in whole["state"]:
        assert torch.equal(whole["state"][key], resumed["state"][key]), key
    moments = [run["resume"]["optimizer"]["state"] for run in (whole, resumed)]
    assert all(torch.equal(moments[0][i]["exp_avg_sq"], moments[1][i]["exp_avg_sq"]) for i in moments[0])


def test_a_killed_run_loses_at_most_the_epoch_it_was_in(tmp_path: Path, disc_folder: Path) -> None:
    command = [sys.executable, "-m", "edgeseg", "train", "--data", str(disc_folder), "--out", str(tmp_path)]
    options = ["--width", "0.25", "--batch", "4", "--epochs", "400", "--task", "multiclass", "--val-every", "400"]
    process = subprocess.Popen([*command, *options, "--device", "cpu"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert lines[2].startswith("epoch 3/400")
    assert read_checkpoint(tmp_path / "last.pt")["resume"]["epoch"] >= 3
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".csv" and not p.read_text().strip()]


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, disc_folder: Path) -> None:
    command = [sys.executable, "-m", "edgeseg", "train", "--data", str(disc_folder), "--out", str(tmp_path)]
    options = ["--width", "0.25", "--batch", "4", "--epochs", "400", "--val-every", "400", "--device", "cpu"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the same command and --resume go on" in message
    assert "Traceback" not in message


def test_resuming_with_other_settings_is_refused(discs: Dataset, disc_spec: ModelSpec, trained: Path) -> None:
    with pytest.raises(CheckpointError, match=r"was trained with lr 0\.002, this run asks for 0\.5"):
        train(discs, disc_spec, settings(trained, lr=0.5), resume=trained / "last.pt")


def test_resuming_with_data_of_other_classes_is_refused(discs: Dataset, disc_spec: ModelSpec, trained: Path) -> None:
    spec = disc_spec.replace(classes=("background", "disc", "rim"), palette=())
    with pytest.raises(
        CheckpointError, match=r"2 classes \(background, disc\), the data has 3 \(background, disc, rim"
    ):
        train(discs, spec, settings(trained), resume=trained / "last.pt")


def test_resuming_a_finished_run_says_so(discs: Dataset, disc_spec: ModelSpec, trained: Path) -> None:
    with pytest.raises(UserError, match="already done"):
        train(discs, disc_spec, settings(trained), resume=trained / "last.pt")


def test_best_checkpoints_cannot_be_resumed(discs: Dataset, disc_spec: ModelSpec, trained: Path) -> None:
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        train(discs, disc_spec, settings(trained), resume=trained / "best.pt")


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec
) -> None:
    trainer = Trainer(discs, disc_spec, settings(tmp_path))
    trainer.run_epoch(0)
    before = (tmp_path / "last.pt").read_bytes()
    with torch.no_grad():
        trainer.learner.bare.head.weight.fill_(float("nan"))
    with pytest.raises(DataError, match=r"became nan in epoch 2, batch 1 \(.*\)\..*lower `lr`"):
        trainer.run_epoch(1)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_a_loss_that_is_no_number_at_once_does_not_speak_of_a_checkpoint(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec
) -> None:
    trainer = Trainer(discs, disc_spec, settings(tmp_path))
    with torch.no_grad():
        trainer.learner.bare.head.weight.fill_(float("nan"))
    with pytest.raises(DataError, match=r"epoch 1, batch 1 \(.*\)\. No epoch was finished; lower `lr`"):
        trainer.run_epoch(0)


def test_a_loss_that_is_no_number_names_the_images_of_its_batch(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec
) -> None:
    trainer = Trainer(discs, disc_spec, settings(tmp_path))
    trainer.run_epoch(0)
    seen: list[int] = []
    plain, third = trainer.train_set._crop, iter((False, False, True))
    trainer.train_set._crop = lambda image, mask, seed: (seen.append(seed[2]), plain(image, mask, seed))[1]
    trainer.learner.step = lambda batch: float("nan") if next(third) else 0.1
    with pytest.raises(DataError) as caught:
        trainer.run_epoch(1)
    names = [trainer.train_set.pairs[index].image.name for index in seen[8:12]]
    assert f"batch 3 ({', '.join(names)})" in str(caught.value)


def test_a_folder_without_train_is_refused_with_what_to_do(
    tmp_path: Path, disc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    subprocess.run(["cp", "-r", str(disc_folder), str(data)], check=True)
    shutil.rmtree(data / "images/train")
    assert main(["train", "--data", str(data), "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert f"{data} has only val" in message
    assert "into images/train and masks/train" in message


def test_hold_out_links_a_fixed_part_of_train(tmp_path: Path, disc_folder: Path) -> None:
    def made(*how: str) -> Dataset:
        out = tmp_path / "".join(how)
        subprocess.run([sys.executable, HOLD_OUT, str(disc_folder), str(out), *how], check=True, timeout=60)
        return Dataset.open(out)

    for how, held in ((("--every", "5"), ["04.png", "09.png"]), (("--last", "2"), ["10.png", "11.png"])):
        data = made(*how)
        assert [pair.image.name for pair in data.pairs("val")] == held
        assert len(data.pairs("train")) == 10
        assert all(pair.image.is_symlink() and pair.mask.is_symlink() for pair in data.pairs("val"))
        assert data.classes == Dataset.open(disc_folder).classes
    with pytest.raises(subprocess.CalledProcessError):
        made("--last", "12")


def test_more_batch_than_images_is_refused(tmp_path: Path, discs: Dataset, disc_spec: ModelSpec) -> None:
    with pytest.raises(UserError, match="`batch=99` is more than the 12 training images"):
        train(discs, disc_spec, settings(tmp_path, batch=99))


def test_bad_masks_are_found_before_the_first_step(
    tmp_path: Path, disc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    subprocess.run(["cp", "-r", str(disc_folder), str(data)], check=True)
    cv2.imwrite(str(data / "masks/train/07.png"), np.full((48, 48), 9, np.uint8))
    assert main(["train", "--data", str(data), "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "07.png holds the value 9" in message
    assert "Traceback" not in message
    assert not (tmp_path / "out").exists()


def test_foreground_drawn_as_255_is_noticed_instead_of_ignored(tmp_path: Path, disc_folder: Path) -> None:
    data = tmp_path / "data"
    subprocess.run(["cp", "-r", str(disc_folder), str(data)], check=True)
    for path in (data / "masks").rglob("*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.where(mask == 1, 255, mask).astype(np.uint8))
    dataset = Dataset.open(data)
    with pytest.raises(DataError, match="255, which is ignored"):
        train(dataset, ModelSpec("binary", dataset.classes, 48, 48), settings(tmp_path / "out"))


@pytest.mark.long
def test_worker_processes_see_the_same_crops(tmp_path: Path, disc_folder: Path) -> None:
    """In processes of their own: torch's loader installs a SIGCHLD handler for the rest of a process."""
    options = ["--width", "0.25", "--batch", "4", "--epochs", "1", "--amp", "no", "--device", "cpu"]
    for workers in ("0", "2"):
        place = ["--data", str(disc_folder), "--out", str(tmp_path / workers), "--workers", workers]
        subprocess.run([sys.executable, "-m", "edgeseg", "train", *place, *options], check=True, timeout=200)
    alone, helped = (read_checkpoint(tmp_path / workers / "last.pt")["state"] for workers in ("0", "2"))
    assert all(torch.equal(alone[name], helped[name]) for name in alone)


@pytest.mark.long
def test_a_launcher_runs_the_same_command_on_two_processes(tmp_path: Path, disc_folder: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", "-m", "edgeseg"]
    options = ["--data", str(disc_folder), "--out", str(tmp_path), "--width", "0.25", "--batch", "3", "--steps", "24"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launch, "train", *options, "--amp", "no", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    # 12 pictures, two processes of 3: two steps an epoch.
    assert done.stdout.count("epoch 12/12") == 1
    assert done.stderr.count("24 steps of 3 crops of 48x48, in 12 epochs of 2; ") == 1
    assert done.stderr.count("24 steps are few") == 1
    assert read_checkpoint(tmp_path / "last.pt")["training"]["epoch"] == 12


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    for wrong in ({"epochs": 0}, {"lr": 0.0}, {"ema": 1.0}, {"batch": 0}):
        with pytest.raises(UserError, match=f"`{next(iter(wrong))}` must be"):
            settings(tmp_path, **wrong)
