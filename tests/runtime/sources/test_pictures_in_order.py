"""Numbered pictures, animations, and pictures one after the other in a file: which, in what order, at what time."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edgeseg.errors import SourceError
from edgeseg.runtime.sources.gif import with_times
from edgeseg.runtime.sources.kind import IMAGES, kind_of_source
from edgeseg.runtime.sources.source import open_source

UInt8 = npt.NDArray[np.uint8]
SIZE = (20, 30)
PALETTE = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)] + [(255, 255, 0)] * 4, np.uint8)
HOLE = 7


def write_shades(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((16, 24, 3), 10 * number, np.uint8))


def read(source: Path | str, fps: float | None = None) -> tuple[list[int], list[float], list[str]]:
    """Brightness and time of each frame, and what was said."""
    said: list[str] = []
    with open_source(str(source), said.append, fps=fps) as opened:
        frames = [(int(frame.image.mean().round()), frame.media_s or 0.0) for frame in opened]
    return [shade for shade, _ in frames], [round(at, 4) for _, at in frames], said


# Numbered pictures


def test_a_pattern_gives_its_pictures_by_number_and_says_which_are_missing(tmp_path: Path) -> None:
    write_shades(tmp_path, ["frame_0007.png", "frame_0008.png", "frame_0011.png", "frame_0015.png", "other_0009.png"])
    shades, times_s, said = read(tmp_path / "frame_%04d.png")
    assert shades == [0, 10, 20, 30]
    assert times_s == [0, 0.1, 0.4, 0.8]
    assert len(said) == 1
    assert "5 of 9 pictures are missing: 9 to 10, 12 to 14." in said[0]
    assert kind_of_source(str(tmp_path / "frame_%04d.png")) == IMAGES


def test_a_pattern_that_goes_on_in_steps_has_no_gaps(tmp_path: Path) -> None:
    write_shades(tmp_path, [f"f{number}.jpg" for number in (0, 10, 20, 40)])
    shades, times_s, said = read(tmp_path / "f%d.jpg", fps=5)
    assert (shades, times_s) == ([0, 10, 20, 30], [0, 0.2, 0.4, 0.8])
    assert "1 of 5 pictures are missing: 30." in said[0]


def test_more_digits_than_the_pattern_has_are_numbers_too(tmp_path: Path) -> None:
    write_shades(tmp_path, ["f98.png", "f99.png", "f100.png"])
    assert read(tmp_path / "f%02d.png")[0] == [0, 10, 20]


def test_a_pattern_that_matches_nothing_names_the_one_that_would(tmp_path: Path) -> None:
    write_shades(tmp_path, ["frame_0001.png"])
    with pytest.raises(SourceError, match=r"frame_0001\.png is there: is frame_%04d\.png meant\?"):
        open_source(str(tmp_path / "frame_%d.png"))
    with pytest.raises(SourceError, match="holds none"):
        open_source(str(tmp_path / "other_%d.png"))
    with pytest.raises(SourceError, match="no pattern of numbered pictures"):
        open_source(str(tmp_path / "clip_%d.mp4"))
    with pytest.raises(SourceError, match="cannot be read"):
        open_source(str(tmp_path / "nowhere" / "f%d.png"))


def test_a_file_whose_name_only_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    write_shades(tmp_path, ["a%d.png", "a1.png"])
    assert read(tmp_path / "a%d.png")[0] == [0]


@pytest.mark.parametrize("source", ["", "shot*.png"])
def test_a_folder_and_a_glob_are_in_the_order_of_the_numbers(tmp_path: Path, source: str) -> None:
    write_shades(tmp_path, ["shot1.png", "shot2.png", "shot10.png"])
    assert read(tmp_path / source, fps=4)[:2] == ([0, 10, 20], [0, 0.25, 0.5])


# Animations


def write_gif(path: Path, frames: list[tuple[UInt8, tuple[int, int], int | None, int]], version: bytes) -> None:
    """Frames of palette indices, at an offset, for so many hundredths of a second (None: unsaid), with a disposal."""
    data = version + struct.pack("<HHBBB", SIZE[1], SIZE[0], 0xF2, 0, 0) + PALETTE.tobytes()
    for indices, (y, x), delay, disposal in frames:
        if delay is not None:
            data += b"\x21\xf9\x04" + struct.pack("<BHBB", disposal << 2 | 1, delay, HOLE, 0)
        data += b"\x2c" + struct.pack("<HHHHB", x, y, indices.shape[1], indices.shape[0], 0) + _codes(indices)
    path.write_bytes(data + b"\x3b")


def _codes(indices: UInt8) -> bytes:
    """LZW that never learns: a clear code after each few pixels, so that every code has four bits."""
    flat = indices.ravel().tolist()
    codes = [code for at in range(0, len(flat), 6) for code in [8, *flat[at : at + 6]]] + [9]
    codes += [0] * (len(codes) % 2)
    packed = bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True))
    blocks = [packed[at : at + 255] for at in range(0, len(packed), 255)]
    return b"\x03" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def compose(frames: list[tuple[UInt8, tuple[int, int], int | None, int]]) -> list[UInt8]:
    """What a browser shows on a white page (GIF89a, section 23): BGR."""
    shown, canvas = [], np.full((*SIZE, 3), 255, np.uint8)
    for indices, (y, x), _, disposal in frames:
        before, part = canvas.copy(), canvas[y : y + indices.shape[0], x : x + indices.shape[1]]
        part[indices != HOLE] = PALETTE[indices[indices != HOLE]][:, ::-1]
        shown.append(canvas.copy())
        if disposal == 2:
            part[:] = 255
        elif disposal == 3:
            canvas = before
    return shown


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
@pytest.mark.parametrize("first_disposal", [1, 2, 3])
def test_a_gif_is_what_a_browser_shows(tmp_path: Path, disposal: int, first_disposal: int) -> None:
    sprite = np.full((6, 6), 2, np.uint8)
    sprite[2:4, 2:4] = HOLE
    frames = [(np.full(SIZE, 1, np.uint8), (0, 0), 10, first_disposal)]
    frames += [(sprite, (3, 4 * number), 5 * number, disposal) for number in range(1, 5)]
    write_gif(tmp_path / "a.gif", frames, b"GIF89a")
    with open_source(str(tmp_path / "a.gif")) as source:
        found = [(frame.image.copy(), frame.media_s) for frame in source]
    assert [round(at or 0, 3) for _, at in found] == [0, 0.1, 0.15, 0.25, 0.4]
    for (image, _), expected in zip(found, compose(frames), strict=True):
        assert np.array_equal(image, expected)


@pytest.mark.parametrize("version", [b"GIF87a", b"GIF89a"])
@pytest.mark.parametrize("delay", [None, 0, 1])
def test_pictures_of_a_gif_without_times_are_shown_for_a_tenth_of_a_second(
    tmp_path: Path, delay: int | None, version: bytes
) -> None:
    write_gif(tmp_path / "a.gif", [(np.full(SIZE, n, np.uint8), (0, 0), delay, 0) for n in (1, 2, 3)], version)
    shades, times_s, said = read(tmp_path / "a.gif")
    assert shades == [85] * 3
    assert times_s == [0, 0.1, 0.2]
    assert not said


def test_gifs_of_pillow_without_times_are_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 255, (60, 80, 3), np.uint8)) for _ in range(4)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    shades, times_s, said = read(tmp_path / "a.gif")
    assert (len(shades), times_s, said) == (4, [0, 0.1, 0.2, 0.3], [])


def test_times_are_given_to_damaged_gifs_without_an_error(tmp_path: Path) -> None:
    write_gif(tmp_path / "a.gif", [(np.full(SIZE, n, np.uint8), (0, 0), 0, 0) for n in (1, 2, 3)], b"GIF89a")
    data = (tmp_path / "a.gif").read_bytes()
    for end in range(len(data)):
        assert len(with_times(data[:end])) >= end
    random = np.random.default_rng(0)
    for _ in range(50):
        damaged = bytearray(data)
        damaged[int(random.integers(13, len(data)))] = int(random.integers(256))
        assert len(with_times(bytes(damaged))) >= len(data)


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.apng", "PNG"), ("a.webp", "WEBP")])
def test_an_animation_keeps_its_times(tmp_path: Path, name: str, kind: str) -> None:
    pictures = [Image.new("RGB", (24, 16), (20 * n,) * 3) for n in range(4)]
    shown_ms = [100, 250, 0, 400]
    options = {"lossless": True} if kind == "WEBP" else {}
    pictures[0].save(tmp_path / name, kind, save_all=True, append_images=pictures[1:], duration=shown_ms, **options)
    assert read(tmp_path / name)[:2] == ([0, 20, 40, 60], [0, 0.1, 0.35, 0.45])
    assert read(tmp_path / name, fps=2)[1] == [0, 0.5, 1, 1.5]


def test_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (24, 16), (20 * n,) * 3) for n in range(3)]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    assert read(tmp_path / "a.tiff")[:2] == ([0, 20, 40], [0, 0.1, 0.2])


# Files that are pictures one after the other


@pytest.mark.parametrize("name", ["a.mjpeg", "a.mjpg", "a.bin"])
@pytest.mark.parametrize("multipart", [False, True])
def test_jpeg_after_jpeg_is_a_video(tmp_path: Path, name: str, multipart: bool) -> None:
    jpegs = [cv2.imencode(".jpg", np.full((16, 24, 3), 20 * n, np.uint8))[1].tobytes() for n in range(5)]
    head = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    pieces = [(head % len(jpeg) if multipart else b"") + jpeg + (b"\r\n" if multipart else b"") for jpeg in jpegs]
    (tmp_path / name).write_bytes(b"".join(pieces))
    shades, _, _ = read(tmp_path / name)
    assert shades == pytest.approx([0, 20, 40, 60, 80], abs=3)


# What a source is called


def test_an_address_of_a_file_is_that_file(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c"
    folder.mkdir()
    write_shades(folder, ["x.png"])
    assert read((folder / "x.png").as_uri())[0] == [0]
    assert read(folder.as_uri().replace("file:///", "file://localhost/"))[0] == [0]
    with pytest.raises(SourceError, match="another machine"):
        open_source("file://server/share/x.png")


@pytest.mark.parametrize(
    ("source", "way"),
    [
        ("", "empty"),
        ("-", "Write it to a file"),
        ("/dev/stdin", "Write it to a file"),
        ("video0", "give 0"),
        ("webcam", "give 0"),
        ("cam:2", "give 2"),
        ("f_####.png", "f_%04d.png"),
        ("f{1..3}.png", "braces"),
        ("nothing.mp4", "Give a camera, an address"),
        ("rtmp://server/live", "gst://PIPELINE"),
    ],
)
def test_what_is_no_source_is_told_what_would_be(source: str, way: str) -> None:
    with pytest.raises(SourceError, match=way) as caught:
        open_source(source)
    assert "\n" not in str(caught.value)


def test_a_playlist_of_this_machine_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXTINF:1,\n/etc/hostname\n")
    with pytest.raises(SourceError, match="playlist"):
        open_source(str(tmp_path / "a.m3u8"))
