"""Masks never lie over masks of another run or picture, nor over somebody's file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.files.lock import claim
from edgeseg.image import read_mask
from edgeseg.runtime.sinks import mask_file
from edgeseg.runtime.sinks.mask_folder import MaskFolder, mask_origin

MASK = np.arange(16, dtype=np.uint8).reshape(4, 4)
PNG = cv2.imencode(".png", MASK)[1].tobytes()
WRITER = """
import sys
from pathlib import Path
from edgeseg.runtime.sinks.mask_folder import MaskFolder
folder = MaskFolder(Path(sys.argv[1]), "x", True, None, print)
for number in range(200):
    folder.put("", number, Path(sys.argv[2]).read_bytes())
"""


class Said(list[tuple[str, str]]):
    def __call__(self, kind: str, message: str, reason: str = "", **facts: object) -> None:
        self.append((kind, message))


def mask_folder(
    path: Path, origin: str = "here", live: bool = True, keep: int | None = None, said: Said | None = None
) -> MaskFolder:
    return MaskFolder(path, origin, live, keep, said if said is not None else Said())


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_runs_that_start_in_the_same_second_lose_nothing(tmp_path: Path) -> None:
    for _ in range(5):
        folder = mask_folder(tmp_path)
        for number in range(3):
            folder.put("", number, PNG)
    assert len(names(tmp_path)) == 15


def test_runs_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PNG)
    out = tmp_path / "out"
    command = [sys.executable, "-c", WRITER, str(out), str(tmp_path / "x.png")]
    writers = [subprocess.Popen(command) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(names(out)) == 600


@pytest.mark.parametrize("links", [True, False])
def test_a_mask_is_whole_and_says_who_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links on this file system")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    target = mask_folder(tmp_path, "here", live=False).put("a.jpg", 0, PNG)
    assert np.array_equal(read_mask(target), MASK)
    assert mask_file.origin_in(target) == "here"
    assert names(tmp_path) == ["a.png"]
    assert not mask_file.create(target, PNG)


def test_the_same_run_again_replaces_its_masks(tmp_path: Path) -> None:
    for _ in range(2):
        folder = mask_folder(tmp_path, live=False)
        for index, name in enumerate(["a.png", "a.jpg", "B.png", "b.png", ""]):
            folder.put(name, index, PNG)
    assert names(tmp_path) == ["000004.png", "B.png", "a.png", "a_000001.png", "b_000003.png"]


def test_an_image_that_is_called_as_the_mask_of_another_keeps_its_own(tmp_path: Path) -> None:
    folder = mask_folder(tmp_path, live=False)
    for index, name in enumerate(["a.png", "a.jpg", "a_000001.png", "a_000001.jpg"]):
        folder.put(name, index, PNG)
    assert len(names(tmp_path)) == 4


def test_masks_of_another_source_and_files_of_the_user_stay(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").symlink_to(tmp_path / "elsewhere")
    said = Said()
    folder = mask_folder(tmp_path, "first", live=False, said=said)
    for index, name in enumerate(["a.jpg", "b.jpg", "c.jpg"]):
        folder.put(name, index, PNG)
    mask_folder(tmp_path, "second", live=False).put("c.jpg", 0, PNG)
    assert names(tmp_path) == ["a.png", "a_000000.png", "b.png", "b_000001.png", "c.png", "c_000000.png"]
    assert (tmp_path / "a.png").read_bytes() == PNG
    assert [kind for kind, _ in said] == ["note"]
    assert "a.png is there and is not a mask of this source" in said[0][1]


def test_a_source_has_one_origin_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(PNG)
    (tmp_path / "clip.mp4").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    origins = {mask_origin(name) for name in ("in", "./in/", str(tmp_path / "in"), "in/*.png", "in/a.png")}
    assert len(origins) == 1
    assert len({*origins, mask_origin("clip.mp4"), mask_origin("*/*.png"), mask_origin("rtsp://cam/1")}) == 4
    assert mask_origin("rtsp://admin:s3cret@cam/1") == mask_origin("rtsp://admin:other@cam/1")


@pytest.mark.parametrize("stem", ["x" * 251, "ä" * 125 + "x", "猫" * 83, "\udcff" * 251, "é" * 120 + "y" * 11])
def test_names_as_long_as_a_name_may_be_are_shortened_and_stay_apart(tmp_path: Path, stem: str) -> None:
    folder = mask_folder(tmp_path, live=False)
    targets = {folder.put(f"{stem[:-2]}{end}", index, PNG) for index, end in enumerate(["1.png", "2.png", "1.jpg"])}
    targets |= {folder.put(f"{stem}.jpeg"[-255:] if index == 3 else f"{stem}.bmp", index, PNG) for index in (3, 4)}
    assert len(targets) == len(names(tmp_path)) == 5
    assert max(len(os.fsencode(name)) for name in names(tmp_path)) <= 255


def test_the_oldest_masks_of_cameras_go_and_no_other_file(tmp_path: Path) -> None:
    said = Said()
    mask_folder(tmp_path, live=False).put("", 0, PNG)
    (tmp_path / "000001.png").write_bytes(PNG)
    (tmp_path / "20200101T000000Z-000002.png").symlink_to("000001.png")
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        folder = mask_folder(tmp_path, keep=10 * 4096, said=said)
        for number in range(20):
            target = folder.put("", number, PNG)
    assert {"000000.png", "000001.png", "20200101T000000Z-000002.png", "notes.txt"} < set(names(tmp_path))
    mine = [name for name in names(tmp_path) if (mask_file.origin_in(tmp_path / name) or "").startswith("live-")]
    assert len(mine) == 10
    assert mine[-1] == target.name
    assert {name[-10:-4] for name in mine} == {f"{number:06d}" for number in range(10, 20)}
    assert {kind for kind, _ in said} == {"deleted"}
    assert len(said) == 2  # not one an image


def test_masks_of_files_are_limited_only_when_asked(tmp_path: Path) -> None:
    for keep, count in ((None, 20), (5 * 4096, 5)):
        folder = mask_folder(tmp_path / str(count), live=False, keep=keep)
        for number in range(20):
            folder.put("", number, PNG)
        assert len(names(tmp_path / str(count))) == count


def test_what_a_killed_run_was_writing_goes_with_the_next_run(tmp_path: Path) -> None:
    (tmp_path / ".000000.deadbeef.unfinished").write_bytes(PNG[:9])
    living = claim(tmp_path / ".000001.cafecafe.unfinished")
    mask_folder(tmp_path).put("", 0, PNG)
    assert names(tmp_path) == [".000001.cafecafe.unfinished", "000000.png"]
    os.close(living)
