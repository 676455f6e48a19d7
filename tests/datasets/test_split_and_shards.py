"""Splits that keep together what belongs together, and shards that other programs read."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_sets import CLASSES, draw_image, draw_labels, write_pairs

import edgeseg
from edgeseg.cli import main
from edgeseg.datasets.formats.labelled_set import LabelledPicture
from edgeseg.datasets.split import plan_split
from edgeseg.datasets.table import read_set
from edgeseg.errors import DataError, OutputError, UserError
from edgeseg.image import UInt8, read_image


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


def pack(path: Path, samples: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in samples.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def encode(suffix: str, image: UInt8) -> bytes:
    return bytes(cv2.imencode(suffix, image)[1].tobytes())


class TestReadingShards:
    def test_what_was_packed_is_read_again_with_splits_names_and_groups(self, tmp_path: Path) -> None:
        root = write_pairs(tmp_path / "set", "train/images/amy/{}.jpg", "train/masks/amy/{}.png", count=3)
        write_pairs(root, "val/images/bob/{}.png", "val/masks/bob/{}.png", count=2, first=6)
        (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
        before = read_set(root)
        after = read_set(edgeseg.shard_dataset(root, out=tmp_path / "shards", shard_mb=0.01).folder)
        assert (after.format, after.classes) == ("WebDataset shards", CLASSES)
        assert len(before.pictures) == len(after.pictures) == 5
        for old, new in zip(before.pictures, after.pictures, strict=True):
            assert (new.name, new.split, new.group) == (old.name, old.split, old.group)
            assert isinstance(old.image, Path)
            assert new.image == old.image.read_bytes()
            assert old.render is not None
            assert new.render is not None
            assert np.array_equal(new.render(), old.render())

    @pytest.mark.parametrize(
        ("image", "mask"),
        [("jpg", "seg.png"), ("jpg", "png"), ("JPEG", "mask.PNG"), ("image.png", "label.png"), ("png", "mask.tif")],
    )
    def test_shards_of_others(self, tmp_path: Path, image: str, mask: str) -> None:
        samples = {}
        for seed in range(3):
            samples[f"./a b/{seed:04}.{image}"] = encode("." + image.rpartition(".")[2], draw_image(seed))
            samples[f"./a b/{seed:04}.{mask}"] = encode("." + mask.rpartition(".")[2], draw_labels(seed))
            samples[f"./a b/{seed:04}.cls"] = b"1"
        shard = pack(tmp_path / "valid/shard-00.tar", samples)
        (tmp_path / "classes.txt").write_text("\ufeff" + "\r\n".join(CLASSES), encoding="utf-8")
        (tmp_path / "valid/classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
        for place in (tmp_path, shard):
            found = read_set(place)
            assert [(one.name, one.split) for one in found.pictures] == [(f"a b/{n:04}", "val") for n in range(3)]
            for seed, picture in enumerate(found.pictures):
                assert picture.render is not None
                assert np.array_equal(picture.render(), draw_labels(seed))

    def test_classes_without_masks_are_refused_with_what_a_mask_is_called(self, tmp_path: Path) -> None:
        pack(tmp_path / "train-0.tar", {"0.jpg": encode(".jpg", draw_image(0)), "0.cls": b"1"})
        (tmp_path / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
        with pytest.raises(DataError, match=r"without masks.*000017\.seg\.png.*\.cls\) trains no segmentation"):
            read_set(tmp_path)

    def test_a_shard_that_was_cut_or_lost_is_told(self, tmp_path: Path) -> None:
        root = write_pairs(tmp_path / "set", "images/train/{}.png", "masks/train/{}.png")
        (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
        done = edgeseg.shard_dataset(root, out=tmp_path / "shards", shard_mb=0.01)
        last = done.folder / done.files["train"][-1]
        whole = last.read_bytes()
        last.write_bytes(whole[: len(whole) // 3])
        with pytest.raises(DataError, match=rf"{last.name} cannot be read as a tar file|counts 6 pictures in train"):
            read_set(done.folder)
        last.unlink()
        with pytest.raises(DataError, match=r"shards\.json counts 6 pictures in train, and its shards hold [345]\."):
            read_set(done.folder)
