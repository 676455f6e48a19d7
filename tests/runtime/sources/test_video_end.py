"""A whole clip is never called cut short, whatever its header counts; a cut one always is."""

from __future__ import annotations

import fractions
from collections.abc import Collection
from pathlib import Path

import av
import numpy as np
import pytest

from edgeseg.runtime.sources.source import open_source
from edgeseg.runtime.sources.video_boxes import ends_inside_a_box

FRAMES, FPS, RATE = 60, 10, 48000


def write_clip(path: Path, sound_s: float = 0, uneven: bool = False, left_out: Collection[int] = ()) -> Path:
    """A clip of noise, with silence for ``sound_s``, uneven times, or empty chunks where frames are left out."""
    is_avi = path.suffix == ".avi"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={} if path.suffix in (".avi", ".mkv") else {"movflags": "faststart"}) as file:
        video = file.add_stream("mjpeg" if is_avi else "libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p" if is_avi else "yuv420p"
        audio = file.add_stream("pcm_s16le" if is_avi else "aac", rate=RATE) if sound_s else None
        if not is_avi:
            video.options = {"g": "10", "bf": "2", "crf": "20"}
        if uneven:
            video.codec_context.time_base = fractions.Fraction(1, 1000)
        at = heard = 0
        for number in range(FRAMES):
            if number not in left_out:
                frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (48, 64, 3), np.uint8), format="rgb24")
                at += int(rng.integers(30, 200))
                frame.pts, frame.time_base = (
                    (at, fractions.Fraction(1, 1000)) if uneven else (number, fractions.Fraction(1, FPS))
                )
                file.mux(video.encode(frame))
            last = number == FRAMES - 1
            while audio and heard / RATE < (sound_s if last else min(sound_s, (number + 1) / FPS)):
                kind, layout = (np.int16, "s16") if is_avi else (np.float32, "fltp")
                sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), kind), format=layout, layout="mono")
                sound.rate, sound.pts, sound.time_base = RATE, heard, fractions.Fraction(1, RATE)
                heard += 1024
                file.mux(audio.encode(sound))
        file.mux(video.encode())
        if audio:
            file.mux(audio.encode())
    return path


def played(path: Path) -> tuple[int, bool, list[str]]:
    said: list[str] = []
    with open_source(str(path), said.append) as source:
        count = sum(1 for _ in source)
        return count + source.skipped, source.ended_early, said


FORMS = [
    pytest.param(ending, {"sound_s": sound_s, "uneven": uneven}, id=f"{ending}-{sound_s}s-{'vfr' if uneven else 'cfr'}")
    for ending in (".mp4", ".mkv", ".mov", ".avi")
    for sound_s in (0, 3, 6, 9)
    for uneven in ((False,) if ending == ".avi" else (False, True))
]


@pytest.mark.parametrize(("ending", "form"), FORMS)
def test_a_whole_clip_is_whole_and_a_cut_one_is_cut(tmp_path: Path, ending: str, form: dict[str, float]) -> None:
    path = write_clip(tmp_path / f"whole{ending}", **form)  # type: ignore[arg-type]
    assert played(path) == (FRAMES, False, [])
    data = path.read_bytes()
    for share in (0.3, 0.5, 0.7, 0.9, 0.94, 0.97):
        cut = tmp_path / f"cut{ending}"
        cut.write_bytes(data[: int(len(data) * share)])
        count, ended_early, said = played(cut)
        # What is missing may be sound alone, and Matroska tells the last picture's time only within one picture.
        assert count < FRAMES or not ended_early, share
        assert ended_early or count >= FRAMES - (ending == ".mkv"), share
        assert ended_early == ("cut short" in "".join(said))


def test_empty_chunks_of_an_avi_are_no_missing_frames(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "webcam.avi", left_out=range(5, 50, 2))
    with av.open(str(path)) as file:
        assert file.streams.video[0].frames == FRAMES
    assert played(path) == (FRAMES - 23, False, [])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    assert played(path)[1]


def test_clips_of_cameras_and_phones_are_whole(data_dir: Path) -> None:
    folders = [data_dir / "field" / "14-video", data_dir / "field" / "15-colour"]
    endings = {".mp4", ".mkv", ".mov", ".avi", ".webm", ".ts", ".y4m"}
    for path in (path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in endings):
        assert played(path)[1:] == (False, []), path
    assert played(data_dir / "clips" / "intel_asl_walk.mkv") == (89, False, [])
    assert played(data_dir / "clips" / "udacity_solidWhiteRight.mp4") == (221, False, [])


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_real_clips_that_are_cut_are_said_to_be(data_dir: Path, tmp_path: Path, share: float) -> None:
    for name in ("udacity_solidWhiteRight.mp4", "intel_asl_walk.mkv"):
        data = (data_dir / "clips" / name).read_bytes()
        (tmp_path / name).write_bytes(data[: int(len(data) * share)])
        count, ended_early, _ = played(tmp_path / name)
        # 99 % of the Matroska file end in the picture before the last.
        assert ended_early or count >= 87


@pytest.mark.parametrize("tail", [b"", b"\0\0\0\x08free", b"\0\0\0\0mdat123"])
def test_boxes_that_end_with_the_file_are_whole(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "boxes.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + tail)
    assert not ends_inside_a_box(path)
    path.write_bytes(path.read_bytes() + b"\0\0\0\x20mdat")
    assert ends_inside_a_box(path) == (not tail.endswith(b"123"))
