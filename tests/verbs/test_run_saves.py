"""``edgeseg run`` on files: what it saves, what it says of it, and the pace of a window."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker
from PIL import Image
from virtual_screen import virtual_screen

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.errors import OutputError
from edgeseg.image import read_image
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.sinks.save_target import SaveTarget, save_target
from edgeseg.runtime.sources.paced import PacedSource
from edgeseg.runtime.sources.source import open_source
from edgeseg.runtime.sources.video import VideoSource


@pytest.fixture
def tiny(tiny_artifact: ArtifactMaker) -> Artifact:
    return tiny_artifact("openvino")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    picture = np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(picture, (240, 180)))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve frames at 20 a second."""
    path = tmp_path / "street.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(12):
            picture = np.full((120, 160, 3), 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return path


def run(artifact: Artifact, source: Path | str, *flags: object) -> int:
    return main(["run", str(artifact.path), "--source", str(source), *map(str, flags)])


class TestAnImage:
    @pytest.mark.parametrize("name", ["drawn.png", "drawn.jpg", "new/drawn.JPEG"])
    def test_is_saved_as_a_picture(
        self, tiny: Artifact, photo: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(tiny, photo, "--save", tmp_path / name) == 0
        drawn, plain = read_image(tmp_path / name), read_image(photo)
        assert drawn.shape == plain.shape
        assert np.abs(drawn.astype(int) - plain).mean() > 5
        assert f"written: {tmp_path / name}\n" in capsys.readouterr().out

    def test_without_an_output_says_what_is_in_it_and_what_would_save_it(
        self, tiny: Artifact, photo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(tiny, photo) == 0
        told = capsys.readouterr().out
        found = next(line for line in told.splitlines() if line.startswith("found: "))
        shares = [float(part.split()[-2]) for part in found.removeprefix("found: ").split(", ")]
        assert sum(shares) == pytest.approx(100, abs=0.5)
        assert f"--source {photo} --save photo-overlay.png" in told

    def test_given_in_the_place_of_the_artifact_is_put_right(
        self, photo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["run", str(photo)]) == 2
        assert f"edgeseg run ARTIFACT --source {photo}" in capsys.readouterr().err

    def test_given_after_the_artifact_is_put_right(
        self, tiny: Artifact, photo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main(["run", str(tiny.path), str(photo)])
        told = capsys.readouterr().err
        assert told.startswith("usage: edgeseg run")
        assert f"--source {photo}" in told


class TestAFolder:
    @pytest.mark.parametrize("many", [False, True])
    def test_takes_a_picture_an_image(self, tiny: Artifact, photo: Path, many: bool, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        for name in ("a.jpg", "a.png", "b.bmp") if many else ("a.jpg",):
            cv2.imwrite(str(tmp_path / "in" / name), read_image(photo))
        out = tmp_path / "drawn"
        assert run(tiny, tmp_path / "in" if many else tmp_path / "in" / "a.jpg", "--save", f"{out}/") == 0
        names = ["a-overlay.jpg", *(["a_000001-overlay.png", "b-overlay.png"] if many else [])]
        assert sorted(path.name for path in out.iterdir()) == names

    def test_takes_a_video_under_a_name_of_its_own(
        self, tiny: Artifact, clip: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Even where the video itself lies."""
        before = clip.read_bytes()
        assert run(tiny, clip, "--save", clip.parent) == 0
        assert clip.read_bytes() == before
        with av.open(str(clip.parent / "street-overlay.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == 12
        assert f"written: {clip.parent / 'street-overlay.mp4'}" in capsys.readouterr().out

    @pytest.mark.parametrize("pattern", ["", "*.jpg", "../*/*.jpg"])
    def test_of_the_images_themselves_is_refused(
        self, tiny: Artifact, photo: Path, pattern: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An image of the run may be called as the overlay of another."""
        mine = photo.with_name("photo-overlay.jpg")
        mine.write_bytes(photo.read_bytes())
        source = f"{photo.parent}/{pattern}" if pattern else photo.parent
        assert run(tiny, source, "--save", photo.parent) == 2
        assert "Choose another folder" in capsys.readouterr().err
        assert mine.read_bytes() == photo.read_bytes()


def test_every_output_is_named_at_the_end(
    tiny: Artifact, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--save", tmp_path / "o.mp4", "--save-masks", tmp_path / "masks", "--jsonl", tmp_path / "o.jsonl"]
    expected = [str(tmp_path / name) for name in ("o.mp4", "masks", "o.jsonl")]
    assert run(tiny, clip, *flags) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.removeprefix("written: ") for line in told if line.startswith("written")] == expected
    assert run(tiny, clip, *flags, "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == expected


def test_masks_open_in_colour_and_hold_indices(tiny: Artifact, photo: Path, tmp_path: Path) -> None:
    assert run(tiny, photo, "--save-masks", tmp_path / "m") == 0
    with Image.open(tmp_path / "m" / "photo.png") as mask:
        assert mask.mode == "P"
        assert set(np.unique(np.asarray(mask))) <= set(range(tiny.spec.num_classes)) | {255}
        assert mask.getpalette()[:3] == list(tiny.spec.palette[0])


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("clip", "one.png", "street.mp4 is a video. Use `save='one.mp4'`"),
        ("folder", "one.png", "is several pictures. Use `save="),
        ("test://cells", "one.png", "is a camera. Use `save='one.mp4'`"),
        ("clip", "one.avi", "Rename it"),
    ],
)
def test_an_ending_that_does_not_fit_is_refused_with_one_that_does(
    source: str, name: str, said: str, clip: Path
) -> None:
    text = {"clip": str(clip), "folder": str(clip.parent)}.get(source, source)
    with pytest.raises(OutputError, match=said):
        save_target(Path(name), text)


def test_a_camera_records_into_a_folder_under_a_name(tmp_path: Path) -> None:
    assert save_target(tmp_path, "rtsp://camera/stream") == SaveTarget(video=tmp_path / "camera.mkv")


@pytest.mark.alone
class TestPace:
    def test_a_video_takes_as_long_as_it_lasts(self, clip: Path) -> None:
        start = time.monotonic()
        with PacedSource(VideoSource(clip, print)) as source:
            assert len(list(source)) == 12
        assert 0.55 < time.monotonic() - start < 1.5

    def test_a_slow_reader_gets_every_frame_and_no_rush(self, clip: Path) -> None:
        times = []
        with PacedSource(VideoSource(clip, print)) as source:
            for index, _ in enumerate(source):
                times.append(time.monotonic())
                if index == 2:
                    time.sleep(0.5)
        assert len(times) == 12
        assert times[-1] - times[4] > 0.25, "what comes after a pause keeps its pace"

    def test_it_stops_at_once(self, clip: Path) -> None:
        with PacedSource(VideoSource(clip, print), stretch=1000) as source:
            frames: Iterator[Frame] = iter(source)
            next(frames)
            source.stop()
            start = time.monotonic()
            next(frames)
            assert time.monotonic() - start < 1

    @pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="no display can be had (apt install xvfb)")
    @pytest.mark.parametrize(("flags", "frames"), [((), 12), (("--max-fps", "10"), 6)])
    def test_a_window_shows_every_frame_of_a_file(
        self, tiny: Artifact, clip: Path, flags: tuple[str, ...], frames: int
    ) -> None:
        edgeseg = ["xvfb-run", "-a", sys.executable, "-m", "edgeseg", "run", str(tiny.path)]
        command = [*edgeseg, "--source", str(clip), "--show", "--json", *flags]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert summary["stages"]["sink window"]["count"] == frames
        assert summary["sink_dropped"] == {"window": 0}
        assert 0.5 < summary["seconds"] < 5

    @pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no display can be had (apt install xvfb)")
    @pytest.mark.skipif("x11grab" not in av.formats_available, reason="this PyAV cannot read the screen")
    def test_what_a_window_shows_is_the_picture_with_its_masks(self, tiny: Artifact, photo: Path) -> None:
        drawn = photo.with_name("drawn.png")
        assert main(["run", str(tiny.path), "--source", str(photo), "--save", str(drawn)]) == 0
        still = still_video(photo, seconds=60)
        words = [sys.executable, "-m", "edgeseg", "run", str(tiny.path), "--source", str(still), "--show"]
        with virtual_screen() as display:
            running = subprocess.Popen(words, env={**os.environ, "DISPLAY": display})
            try:
                with open_source(f"screen://{display}?fps=10") as screen:
                    pictures = (frame.image for frame in itertools.islice(screen, 600) if running.poll() is None)
                    assert any(shows(picture, read_image(drawn)) for picture in pictures)
            finally:
                running.kill()
                running.wait()


def still_video(photo: Path, seconds: int) -> Path:
    """A video without loss that shows one picture for so long."""
    path, picture = photo.with_name("still.mkv"), read_image(photo)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=5)
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "bgr0"
        for _ in range(5 * seconds):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="bgr0")))
        file.mux(stream.encode())
    return path


def shows(screen: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a picture stands somewhere on a screen."""
    found = cv2.matchTemplate(screen, picture, cv2.TM_SQDIFF)
    return bool(found.min() < 200 * picture.size)  # the pointer may stand in it; without its masks it is 2600 apart
