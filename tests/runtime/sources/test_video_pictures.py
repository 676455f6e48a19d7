"""Every clip gives the pictures that were filmed: their colours, upright, in square pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.bitstream import BitStreamFilterContext

from edgeseg.runtime.frames.square_pixels import square_size
from edgeseg.runtime.sources.source import open_source

UInt8 = npt.NDArray[np.uint8]
LOSSY = 4.0
"""Levels of 255 that a codec may cost in the mean; another colour matrix or range costs 9 or more in some channel."""


def read(path: Path) -> list[UInt8]:
    with open_source(str(path)) as source:
        return [frame.image.copy() for frame in source]


def write_clip(path: Path, aspect: Fraction, picture: UInt8, encoder: str = "libx264") -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(encoder, rate=10)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
        stream.sample_aspect_ratio = stream.codec_context.sample_aspect_ratio = aspect
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def disc(height: int, width: int, aspect: Fraction) -> UInt8:
    """What a lens draws of a disc onto pixels of ``aspect``."""
    across = np.hypot((np.arange(width) - width / 2)[None] * float(aspect), (np.arange(height) - height / 2)[:, None])
    return np.repeat(np.where(across < height / 4, 220, 30).astype(np.uint8)[..., None], 3, 2)


CLIPS = [
    *(f"14-video/{name}.mp4" for name in ("plain", "vfr", "cover", "full_h264", "hevc10", "hevc10_hlg", "interlaced")),
    *(f"14-video/{name}" for name in ("alpha.mov", "prores.mov", "mjpeg_full.avi", "raw.y4m", "transport.ts")),
    *(f"14-video/{name}" for name in ("phone90.mp4", "phone180.mp4", "phone270.mp4", "yuva_vp9.webm", "oneframe.mp4")),
]


@pytest.mark.parametrize("name", CLIPS)
def test_pictures_are_those_that_were_filmed(data_dir: Path, name: str) -> None:
    found = read(data_dir / "field" / name)
    for number, image in enumerate(found):
        filmed = cv2.imread(str(data_dir / f"field/14-video/ref/{number:03d}.png"))
        assert image.shape == filmed.shape
        assert cv2.absdiff(image, filmed).mean((0, 1)).max() < LOSSY
    assert len(found) == (1 if "oneframe" in name else 10)


@pytest.mark.parametrize("name", ["bt601", "bt709", "bt709_10bit_hevc", "full709", "untagged601"])
def test_colours_are_converted_by_the_matrix_and_range_of_the_file(data_dir: Path, name: str) -> None:
    truth = np.load(data_dir / "field/15-colour/truth.npy")[..., ::-1]
    for image in read(data_dir / f"field/15-colour/{name}.mp4"):
        assert cv2.absdiff(image, truth).mean((0, 1)).max() < LOSSY


def test_a_grey_clip_is_grey_and_one_of_odd_size_keeps_it(data_dir: Path) -> None:
    grey, odd = (read(data_dir / f"field/14-video/{name}.mp4")[0] for name in ("gray", "odd"))
    with av.open(str(data_dir / "field/14-video/gray.mp4")) as file:
        luma = next(file.decode(video=0)).to_ndarray()[:240].astype(float)
    shown = np.clip((luma - 16) * 255 / 219, 0, 255)  # video range, as the file says nothing else
    assert np.abs(grey - shown[..., None]).max() <= 1
    assert odd.shape == (239, 319, 3)


def test_wide_pixels_are_made_square(data_dir: Path) -> None:
    for number, image in enumerate(read(data_dir / "field/14-video/anamorphic.mp4")):
        assert image.shape == (240, round(320 * 16 / 11), 3)
        filmed = cv2.imread(str(data_dir / f"field/14-video/ref/{number:03d}.png"))
        shrunk = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
        assert cv2.absdiff(shrunk, filmed).mean((0, 1)).max() < LOSSY


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov", ".avi", ".ts"])
@pytest.mark.parametrize(("aspect", "size"), [((16, 11), (96, 186)), ((8, 9), (108, 128)), ((4, 3), (96, 171))])
def test_a_disc_stays_a_disc(tmp_path: Path, ending: str, aspect: tuple[int, int], size: tuple[int, int]) -> None:
    pixel = Fraction(*aspect)
    path = write_clip(tmp_path / f"clip{ending}", pixel, disc(96, 128, pixel))
    for image in read(path):
        assert image.shape[:2] == size
        rows, columns = np.nonzero(image[..., 0] > 128)
        assert np.ptp(columns) == pytest.approx(np.ptp(rows), abs=2)


def test_square_pixels_are_left_as_they_are_bit_for_bit(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    untold, told = (
        write_clip(tmp_path / f"{n}.mp4", aspect, picture) for n, aspect in enumerate((Fraction(0), Fraction(1)))
    )
    assert np.array_equal(read(untold), read(told))
    with av.open(str(told)) as file:
        assert np.array_equal(read(told)[0], next(file.decode(video=0)).to_ndarray(format="bgr24"))


@pytest.mark.parametrize("aspect", [None, Fraction(0), Fraction(1), Fraction(1, 500), Fraction(500)])
def test_an_impossible_ratio_is_a_damaged_header(aspect: Fraction | None) -> None:
    assert square_size(240, 320, aspect) == (240, 320)


def test_wide_pixels_of_a_turned_picture_are_made_square_before_it_is_turned(data_dir: Path, tmp_path: Path) -> None:
    """The ratio is that of the stored picture: what was wide becomes high."""
    turned, wide = data_dir / "field/14-video/phone90.mp4", tmp_path / "wide.mp4"
    with av.open(str(turned)) as read_from, av.open(str(wide), "w") as container:
        stored = read_from.streams.video[0]
        copied = container.add_stream_from_template(stored)
        headers = BitStreamFilterContext("h264_metadata=sample_aspect_ratio=16/11", stored, copied)
        for packet in read_from.demux(stored):
            for changed in headers.filter(packet if packet.size else None):
                changed.stream = copied
                container.mux(changed)
    plain, found = read(turned)[0], read(wide)[0]
    assert plain.shape == (240, 320, 3)
    assert found.shape == (round(240 * 16 / 11), 320, 3)
    assert np.abs(cv2.resize(found, (320, 240), interpolation=cv2.INTER_AREA).astype(int) - plain).mean() < 4
