"""Splits that keep together what belongs together, and shards that other programs read."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_sets import CLASSES, draw_labels, write_pairs

import edgeseg
from edgeseg.cli import main
from edgeseg.datasets.formats.labelled_set import LabelledPicture
from edgeseg.datasets.split import plan_split
from edgeseg.errors import OutputError, UserError
from edgeseg.image import read_image


def pictures(names: list[str], groups: list[str] | None = None) -> list[LabelledPicture]:
    own = groups or [None] * len(names)  # type: ignore[list-item]
    return [LabelledPicture(name, b"", None, None, group=group) for name, group in zip(names, own, strict=True)]


def drives(count: int, frames: int) -> list[str]:
    return [f"drive{drive}/d{drive}_{frame:04}" for frame in range(frames) for drive in "abcdefgh"[:count]]


class TestSplit:
    def test_many_sequences_stay_whole(self) -> None:
        names = drives(8, 10)
        plan = plan_split(pictures(names), 0.25)
        sides: dict[str, set[str]] = {}
        for name, split in zip(names, plan.splits, strict=True):
            sides.setdefault(name[5], set()).add(split)
        assert plan.by == "group"
        assert all(len(own) == 1 for own in sides.values())
        assert plan.splits.count("val") == 20

    def test_of_few_the_last_frames_are_held_out(self) -> None:
        names = drives(2, 20)
        plan = plan_split(pictures(names), 0.2, 0.1)
        assert plan.by == "time"
        placed = sorted(zip(names, plan.splits, strict=True))
        held = {split: [name for name, own in placed if own == split] for split in plan.splits}
        assert [len(held[split]) for split in ("train", "val", "test")] == [28, 8, 4]
        for drive in "ab":
            own = {split: [int(n[-4:]) for n in held[split] if n[5] == drive] for split in held}
            assert max(own["train"]) < min(own["val"]) <= max(own["val"]) < min(own["test"])

    def test_names_without_numbers_are_drawn(self) -> None:
        names = ["beach", "harbour", "meadow", "forest", "lake", "street", "roof", "yard", "field", "hall"]
        plan = plan_split(pictures(names), 0.3)
        assert (plan.by, plan.splits.count("val")) == ("random", 3)
        assert plan == plan_split(pictures(names), 0.3)
        assert plan.splits != plan_split(pictures(names), 0.3, seed=1).splits

    def test_groups_that_the_data_names_count_more_than_names(self) -> None:
        names = [f"eye{number}_{side}" for number in range(12) for side in "LR"]
        patients = [f"p{number // 2}" for number in range(12) for _ in "LR"]
        plan = plan_split(pictures(names, patients), 0.2)
        held = {patient for patient, split in zip(patients, plan.splits, strict=True) if split == "val"}
        kept = {patient for patient, split in zip(patients, plan.splits, strict=True) if split == "train"}
        assert plan.by == "group"
        assert held
        assert not held & kept

    @pytest.mark.parametrize(("val", "test"), [(0.0, 0.1), (1.0, 0.0), (0.6, 0.5)])
    def test_shares_that_leave_nothing_are_refused(self, val: float, test: float) -> None:
        with pytest.raises(UserError, match="`val` and `test` are shares"):
            plan_split(pictures(drives(2, 5)), val, test)

    def test_one_group_cannot_be_divided_by_group(self) -> None:
        with pytest.raises(UserError, match="of one group; split by time"):
            plan_split(pictures(drives(1, 9)), by="group")

    def test_by_command_it_writes_a_data_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root = write_pairs(tmp_path / "set", "images/clip_{}.png", "masks/clip_{}.png", count=10)
        (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
        out = tmp_path / "out"
        assert main(["dataset", "split", str(root), "--out", str(out), "--val", "0.3", "--by", "time"]) == 0
        assert "7 train, 3 val" in capsys.readouterr().out
        assert sorted(path.name for path in (out / "images/val").iterdir()) == [f"clip_{n}.png" for n in (7, 8, 9)]


class TestShards:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = write_pairs(tmp_path / "set", "images/train/{}.jpg", "masks/train/{}.png")
        write_pairs(root, "images/val/{}.png", "masks/val/{}.png", count=2, first=6)
        (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
        return root

    def test_a_shard_holds_picture_mask_and_name_one_after_the_other(self, root: Path, tmp_path: Path) -> None:
        done = edgeseg.shard_dataset(root, out=tmp_path / "shards")
        assert (done.files, done.pictures) == (
            {"train": ("train-000000.tar",), "val": ("val-000000.tar",)},
            {"train": 6, "val": 2},
        )
        with tarfile.open(done.folder / "train-000000.tar") as tar:
            names = tar.getnames()
            content = {name: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]
        assert names[:4] == ["00000000.jpg", "00000000.mask.png", "00000000.json", "00000001.jpg"]
        for number in range(6):
            told = json.loads(content[f"{number:08}.json"])
            assert (told["name"], told["split"]) == (str(number), "train")
            assert content[f"{number:08}.jpg"] == (root / f"images/train/{number}.jpg").read_bytes()
            mask = tmp_path / "mask.png"
            mask.write_bytes(content[f"{number:08}.mask.png"])
            from edgeseg.image import read_mask

            assert np.array_equal(read_mask(mask), draw_labels(number))
        index = json.loads((done.folder / "shards.json").read_text(encoding="utf-8"))
        assert (index["classes"], index["ignore_index"]) == (list(CLASSES), 255)

    def test_they_are_the_same_bytes_each_time_and_bounded_in_size(self, root: Path, tmp_path: Path) -> None:
        one = edgeseg.shard_dataset(root, out=tmp_path / "one", shard_mb=0.004)
        two = edgeseg.shard_dataset(root, out=tmp_path / "two", shard_mb=0.004)
        assert len(one.files["train"]) > 1
        for name in (name for names in one.files.values() for name in names):
            assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
        held = 0
        for name in one.files["train"]:
            with tarfile.open(one.folder / name) as tar:
                held += len(tar.getnames()) // 3
        assert (held, two.pictures["train"]) == (6, 6)

    def test_webdataset_reads_them(self, root: Path, tmp_path: Path) -> None:
        webdataset = pytest.importorskip("webdataset", reason="the package webdataset is not installed")
        done = edgeseg.shard_dataset(root, out=tmp_path / "shards")
        samples = list(webdataset.WebDataset(str(done.folder / "val-000000.tar"), shardshuffle=False))
        assert [sample["__key__"] for sample in samples] == ["00000000", "00000001"]
        image = cv2.imdecode(np.frombuffer(io.BytesIO(samples[0]["png"]).read(), np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(image, read_image(root / "images/val/6.png"))
        assert {"mask.png", "json"} <= set(samples[0])

    def test_shards_are_not_written_over(self, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["dataset", "shard", str(root), "--out", str(tmp_path / "shards")]) == 0
        assert "6 train in 1 shards" in capsys.readouterr().out
        with pytest.raises(OutputError, match="holds shards"):
            edgeseg.shard_dataset(root, out=tmp_path / "shards")
