"""No output lies over anything that the same run reads, by whatever name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.errors import OutputError
from edgeseg.files.cache_folder import cache_folder
from edgeseg.runtime.output_check import check_outputs


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.jpg"):
        cv2.imwrite(str(folder / name), np.full((24, 32, 3), 90, np.uint8))
    return folder


@pytest.fixture
def artifact(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("openvino").path


def contents(*folders: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}


def test_outputs_are_checked_and_nothing_is_made(tmp_path: Path) -> None:
    check_outputs([tmp_path / "a" / "b" / "x.mp4"], tmp_path / "c", "0")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("file")
    with pytest.raises(OutputError, match="is a file, but a folder is needed"):
        check_outputs([tmp_path / "x" / "y.mp4"], None, "0")


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        check_outputs([tmp_path], None, "0")


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(OutputError, match="/proc"):
        check_outputs([Path("/proc/edgeseg/out.mp4")], None, "0")


def test_a_name_to_which_nothing_can_be_added_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="too long a name"):
        check_outputs([tmp_path / ("ä" * 120 + ".jsonl")], None, "0")
    check_outputs([tmp_path / ("ä" * 110 + ".jsonl")], None, "0")


@pytest.mark.parametrize("source", ["in", "in/*.png", "in/?.png", "in/*", "**/*.png", "in/a.png", "./in/../in/a.png"])
def test_masks_never_go_where_they_would_be_pictures(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(pictures.parent)
    (pictures.parent / "alias").symlink_to("in")
    for folder in ("in", "alias", str(pictures), "in/../in"):
        with pytest.raises(OutputError, match="Choose another folder"):
            check_outputs([], Path(folder), source)


@pytest.mark.parametrize("source", ["in", "in/*.png", "in/c.jpg", "in/*.jpg"])
def test_masks_may_go_where_no_run_reads_them(pictures: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(pictures.parent)
    check_outputs([], Path("in/masks"), source)
    check_outputs([], Path("out"), source)
    if source.endswith(".jpg"):
        check_outputs([], Path("in"), source)


def test_overlays_may_lie_beside_one_picture_but_not_where_a_run_reads_them(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    for source in ("in/a.png", "in/c.jpg", "in/?.png"):
        check_outputs([], None, source, overlays=Path("in"))
    for source in ("in", "in/*.png", "in/*"):
        with pytest.raises(OutputError, match="Choose another folder"):
            check_outputs([], None, source, overlays=Path("in"))
    (pictures / "a-overlay.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="Choose another folder"):
        check_outputs([], None, "in/a*.png", overlays=Path("in"))


def test_a_deep_glob_that_would_find_the_masks_is_refused(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures.parent)
    for source in ("in/**/*.png", "**/*"):
        with pytest.raises(OutputError, match=r"would find the results"):
            check_outputs([], Path("in/masks"), source)
    check_outputs([], Path("out"), "in/**/*.png")


def test_masks_do_not_go_where_links_lead(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "x.png").symlink_to(pictures / "a.png")
    with pytest.raises(OutputError, match="would overwrite"):
        check_outputs([], pictures, str(tmp_path / "links"))


@pytest.mark.parametrize("link", [os.link, os.symlink, None])
def test_a_file_that_is_read_is_no_output_by_any_name(
    pictures: Path, artifact: Path, tmp_path: Path, link: object
) -> None:
    config = tmp_path / "camera.toml"
    config.write_text("")
    streams = tmp_path / "cameras.streams"
    streams.write_text("test://cells\n")
    for source, read in (
        (str(pictures), pictures / "a.png"),
        (str(pictures / "*.png"), pictures / "b.png"),
        (str(pictures / "a.png"), pictures / "a.png"),
        (str(streams), streams),
        ("0", config),
        ("0", artifact / "edgeseg.json"),
    ):
        name = read
        if callable(link):
            name = tmp_path / f"link-{read.name}"
            name.unlink(missing_ok=True)
            link(read, name)
        with pytest.raises(OutputError, match=r"read here and would be written over|lies in .* read here"):
            check_outputs([name], None, source, [artifact, config])


def test_nothing_new_goes_into_an_artifact_or_the_cache(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(artifact)
    for folder in (artifact, tmp_path / "alias", artifact / "new", cache_folder() / "tensorrt"):
        (cache_folder()).mkdir(parents=True, exist_ok=True)
        for files, masks in (([folder / "x.jsonl"], None), ([], folder)):
            with pytest.raises(OutputError, match="which is read here"):
                check_outputs(files, masks, "0", [artifact])


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path / "out.mkv")
    for files in (["out.mkv", "alias"], ["Out.mkv", "out.mkv"], ["out.mkv", "out.partial.mkv"]):
        with pytest.raises(OutputError, match="Two outputs are one file"):
            check_outputs([tmp_path / name for name in files], None, "0")
    with pytest.raises(OutputError, match="are the same"):
        check_outputs([tmp_path / "out"], tmp_path / "." / "out", "0")


def test_a_recording_does_not_rename_or_delete_its_source(tmp_path: Path) -> None:
    left = tmp_path / "out-000001-20261125T101500Z.partial.mkv"
    segment = tmp_path / "out-000001-20261125T101500Z.mkv"
    for path in (left, segment):
        path.write_bytes(b"x")
    with pytest.raises(OutputError, match="take it as its own"):
        check_outputs([tmp_path / "out.mkv"], None, str(left))
    check_outputs([tmp_path / "out.mkv"], None, str(segment))
    with pytest.raises(OutputError, match="take it as its own"):
        check_outputs([tmp_path / "out.mkv"], None, str(segment), deletes=True)


@pytest.mark.parametrize(
    "words",
    [
        ["--source", "{in}/*.png", "--save-masks", "{in}"],
        ["--source", "{in}/a.png", "--save-masks", "{in}"],
        ["--source", "{in}/a.png", "--jsonl", "{in}/a.png"],
        ["--source", "{in}/*.png", "--jsonl", "{in}/b.png"],
        ["--source", "{in}", "--jsonl", "{artifact}/edgeseg.json"],
        ["--source", "{in}", "--save-masks", "{artifact}"],
        ["--source", "{in}", "--config", "{in}/c.toml", "--jsonl", "{in}/c.toml"],
        ["--source", "test://cells?frames=2", "--jsonl", "{artifact}/edgeseg.json"],
    ],
)
def test_a_run_that_would_write_over_what_it_reads_does_nothing(
    pictures: Path, artifact: Path, words: list[str]
) -> None:
    (pictures / "c.toml").write_text("slots = 1\n")
    before = contents(pictures, artifact)
    command = [word.replace("{in}", str(pictures)).replace("{artifact}", str(artifact)) for word in words]
    answer = subprocess.run(
        [sys.executable, "-m", "edgeseg", "run", str(artifact), *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 2, answer.stderr
    assert "Choose another" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert contents(pictures, artifact) == before


def test_a_hundred_thousand_pictures_are_checked_quickly(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom edgeseg.runtime.output_check import check_outputs\n"
        "folder = Path(sys.argv[1])\nbegan_s = time.process_time()\n"
        "check_outputs([folder / 'x.jsonl'], folder / 'masks', str(folder))\n"
        "print(time.process_time() - began_s)\n"
    )
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5000):
        (folder / f"{number}.png").touch()
    answer = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    assert float(answer.stdout) < 0.5  # 5 s of 100,000
