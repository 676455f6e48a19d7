"""Pictures that are missing from an H.264 stream, found by their numbers, on streams that x264 made."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from noise_packets import noise_packets

from edgeseg.runtime.cameras.capture.h264_gaps import GapWatch

SIZES = [(64, 48), (336, 188)]
STYLES: dict[str, dict[str, str]] = {
    "a camera": {"preset": "ultrafast", "tune": "zerolatency"},
    "high profile": {"preset": "medium", "tune": "zerolatency", "profile": "high"},
    "slices": {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "slices=4"},
    "b pictures": {"preset": "veryfast", "bf": "2", "x264-params": "b-pyramid=normal"},
    "interlaced": {"preset": "veryfast", "bf": "0", "x264-params": "tff=1"},
    "several references": {"preset": "medium", "bf": "0", "refs": "4"},
}


def packets_of(options: dict[str, str], count: int = 80, size: tuple[int, int] = (64, 48)) -> list[bytes]:
    """A key frame each 25 pictures, in Annex B form with parameter sets."""
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.gop_size, codec.max_b_frames = 25, int(options.get("bf", 0))
    codec.options = {"threads": "1", "sc_threshold": "0", **options}
    return noise_packets(codec, count, size, 3)


def gaps(packets: list[bytes], extradata: bytes = b"") -> list[int]:
    watch = GapWatch(extradata)
    return [at for at, packet in enumerate(packets) if watch.has_gap(packet)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("style", STYLES)
def test_a_whole_stream_has_no_gap(style: str, size: tuple[int, int]) -> None:
    assert gaps(packets_of(STYLES[style], size=size)) == []


@pytest.mark.parametrize("style", ["a camera", "high profile", "slices", "several references"])
@pytest.mark.parametrize("missing", [1, 7, 24, 40])
def test_a_missing_picture_is_noticed_at_the_next(style: str, missing: int) -> None:
    packets = packets_of(STYLES[style])
    without = packets[:missing] + packets[missing + 1 :]
    expected = [] if missing == 24 else [missing]  # then a key frame follows, and nothing refers to what is missing
    assert gaps(without) == expected


def test_many_missing_pictures_are_noticed() -> None:
    packets = packets_of(STYLES["a camera"])
    assert gaps(packets[:5] + packets[15:]) == [5]


def test_a_missing_key_frame_is_noticed() -> None:
    packets = packets_of(STYLES["a camera"])
    assert gaps(packets[:25] + packets[26:]) != []


def test_pictures_nothing_refers_to_may_be_missing() -> None:
    packets = packets_of({"preset": "veryfast", "bf": "1", "x264-params": "b-adapt=0:b-pyramid=none"})
    unreferenced = [at for at, packet in enumerate(packets) if not slice_of(packet)[0] >> 5 & 3]
    assert len(unreferenced) > 10
    gone = unreferenced[4]
    assert gaps(packets[:gone] + packets[gone + 1 :]) == []


def test_a_stream_is_followed_into_another_size() -> None:
    small, large = packets_of(STYLES["a camera"]), packets_of(STYLES["high profile"], size=(336, 188))
    assert gaps([*small[:30], *large]) == []
    assert gaps([*small[:30], *large[:10], *large[11:]]) == [40]


def test_parameter_sets_may_come_before_the_stream() -> None:
    packets = packets_of(STYLES["a camera"])
    start = packets[0].index(slice_of(packets[0])) - 3
    bare = [packets[0][start:], *packets[1:5], *packets[6:]]
    assert gaps(bare) == []
    assert gaps(bare, packets[0][:start]) == [5]


@pytest.mark.parametrize("seed", range(20))
def test_no_bytes_are_a_crash(seed: int) -> None:
    rng = np.random.default_rng(seed)
    watch = GapWatch(rng.bytes(40))
    whole = packets_of(STYLES["a camera"], 5)
    for packet in [b"", b"\0\0\1", b"\0\0\1\x67", b"\0\0\1\x65", rng.bytes(300), *whole]:
        damaged = bytearray(packet)
        for _ in range(min(8, len(damaged))):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        watch.has_gap(bytes(damaged))


def slice_of(packet: bytes) -> bytes:
    """The first slice of a packet."""
    at = 0
    while (at := packet.index(b"\0\0\1", at) + 3) and packet[at] & 31 not in (1, 5):
        pass
    return packet[at:]
