"""The val split that training makes where a data folder has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import main
from edgeseg.dataset import Dataset, Pair
from edgeseg.errors import UserError
from edgeseg.training.checkpoint import read_checkpoint
from edgeseg.training.data.hold_out import choose_held, link_splits, with_val_split


def pairs(*stems: str) -> list[Pair]:
    return [Pair(Path(f"{stem}.png"), Path(f"{stem}.png")) for stem in stems]


def held(*stems: str) -> list[str]:
    return sorted(pair.image.stem for pair in choose_held(pairs(*stems)).pairs)


def only_train(folder: Path, count: int = 6, void: int = 255) -> Path:
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind / "train").mkdir(parents=True)
    for index in range(count):
        mask = np.zeros((32, 32), np.uint8)
        mask[8:20, 8:24], mask[:2] = 1, void
        image = rng.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        image[mask == 1] += 150
        cv2.imwrite(str(folder / "images/train" / f"{index}.png"), image)
        cv2.imwrite(str(folder / "masks/train" / f"{index}.png"), mask)
    (folder / "classes.txt").write_text("background\nblock\n")
    return folder


def test_every_fifth_picture_by_name_is_held_out() -> None:
    assert held(*(f"{n:02}" for n in range(1, 13))) == ["05", "10"]


def test_two_eyes_of_a_patient_stay_on_one_side() -> None:
    assert held(*(f"Image_{n:02}{eye}" for n in range(1, 11) for eye in "LR")) == [
        "Image_05L",
        "Image_05R",
        "Image_10L",
        "Image_10R",
    ]


def test_a_small_folder_holds_out_one_and_keeps_the_rest() -> None:
    assert held("a", "b", "c") == ["c"]
    assert held("scan1_a", "scan1_b", "scan1_c") == ["scan1_c"]


def test_five_sequences_or_more_are_held_out_whole_and_named() -> None:
    names = [f"drive{d}_{n:04}" for d in range(6) for n in range(10)]
    chosen = choose_held(pairs(*names))
    drives = {pair.image.stem[:7] for pair in chosen.pairs}
    assert len(drives) == 1
    assert len(chosen.pairs) == 10
    assert f"all of {drives.pop()!r}, of 6 sequences" in chosen.sentence


def test_of_few_sequences_the_last_frames_are_held_out() -> None:
    chosen = choose_held(pairs(*(f"{drive}_{n:04}" for drive in ("day", "dusk") for n in range(10))))
    assert sorted(pair.image.stem for pair in chosen.pairs) == ["day_0008", "day_0009", "dusk_0008", "dusk_0009"]
    assert "last frames of 2 sequences: 'day_' from day_0008.png on, 'dusk_' from dusk_0008.png on" in chosen.sentence


def test_groups_that_the_data_tells_go_before_names() -> None:
    stems = [f"{n:03}" for n in range(20)]
    chosen = choose_held(pairs(*stems), told={stem: f"city{at % 5}" for at, stem in enumerate(stems)})
    assert len({int(pair.image.stem) % 5 for pair in chosen.pairs}) == 1
    assert len(chosen.pairs) == 4
    assert "of 5 groups." in chosen.sentence


@pytest.mark.parametrize(
    "stems",
    [
        [f"{n:05}" for n in range(25)],
        [f"Image_{n:02}{eye}" for n in range(1, 15) for eye in "LR"],
        ["beach", "dog7", "house", "street_1", "tree"],
        ["00a1", "00b2", "3f07", "9c11", "a001", "a7f3"],
    ],
    ids=("numbers", "eyes", "words", "digests"),
)
def test_names_that_only_count_are_held_out_as_ever(stems: list[str]) -> None:
    assert choose_held(pairs(*stems)).sentence.startswith("every fifth by name")


def test_training_holds_out_by_itself_says_so_and_resumes_on_the_same_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = only_train(tmp_path / "data", void=7), tmp_path / "out"
    command = [
        "train",
        "--data",
        str(data),
        "--ignore-index",
        "7",
        "--out",
        str(out),
        "--width",
        "0.25",
        "--batch",
        "2",
    ]
    command += ["--epochs", "2", "--amp", "no", "--device", "cpu"]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "1 of 6 pictures are held out to score on" in shown.err
    assert "`" not in shown.err
    assert "every fifth by name" in shown.err
    assert "dataset split DIR --out DIR2 --by time makes another split" in shown.err
    # The void value goes with the split: whoever scores on it needs no flag.
    linked = Dataset.open(out / "data")
    assert linked.ignore_index == 7
    assert [pair.image.name for pair in linked.pairs("val")] == ["4.png"]
    assert len(linked.pairs("train")) == 5
    whole = read_checkpoint(out / "last.pt")["state"]
    (out / "last.pt").unlink()
    assert main(command) == 0
    again = read_checkpoint(out / "last.pt")["state"]
    assert all(bool((whole[name] == again[name]).all()) for name in whole)
    assert not list(data.rglob("val"))


def test_a_folder_of_other_pictures_is_not_taken_for_the_split(tmp_path: Path) -> None:
    data = Dataset.open(only_train(tmp_path / "data"))
    made, _ = with_val_split(data, tmp_path / "split")
    assert len(made.pairs("val")) == 1
    other = Dataset.open(only_train(tmp_path / "other", 7))
    with pytest.raises(UserError, match="holds other pictures"):
        with_val_split(other, tmp_path / "split")
    with pytest.raises(UserError, match="hold out 0 of 6"):
        link_splits(data, tmp_path / "none", set())


def test_the_script_keeps_the_void_value(tmp_path: Path) -> None:
    data = only_train(tmp_path / "data")
    (data / "data.yaml").write_text("train: images/train\nnames: [background, block]\nignore_index: 9\n")
    script = Path(__file__).parents[3] / "scripts/hold_out.py"
    command = [sys.executable, script, str(data), str(tmp_path / "out"), "--last", "2"]
    subprocess.run(command, check=True, timeout=60)
    assert Dataset.open(tmp_path / "out").ignore_index == 9
