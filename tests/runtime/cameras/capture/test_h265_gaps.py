"""Pictures that are missing from an H.265 stream, found by what refers to them, on streams that x265 made."""

from __future__ import annotations

import random
from typing import Any

import av
import numpy as np
import pytest
from noise_packets import noise_packets

from edgeseg.runtime.cameras.capture.h265_gaps import GapWatch265

QUIET = "log-level=none:pools=none:frame-threads=1:repeat-headers=1:scenecut=0"
STYLES = {
    "a camera": "bframes=0:ref=1:keyint=25:min-keyint=25:open-gop=0",
    "several references": "bframes=0:ref=4:keyint=25:min-keyint=25:open-gop=0",
    "b pictures": "bframes=3:b-adapt=0:keyint=24:min-keyint=24:open-gop=0",
    "open groups": "bframes=3:b-adapt=0:keyint=24:min-keyint=24:open-gop=1",
    "pyramid": "bframes=4:b-adapt=2:b-pyramid=1:keyint=24:min-keyint=24:open-gop=1:ref=5",
    "layers": "bframes=3:temporal-layers=1:keyint=24:min-keyint=24",
    "scaling lists": "bframes=0:scaling-list=default:keyint=25",
    "low order bits": "bframes=2:log2-max-poc-lsb=4:keyint=60:min-keyint=60",
}
_MADE: dict[str, list[bytes]] = {}


def packets_of(style: str, count: int = 100, size: tuple[int, int] = (160, 128)) -> list[bytes]:
    """In Annex B form with parameter sets."""
    if style in _MADE:
        return _MADE[style]
    codec: Any = av.CodecContext.create("libx265", "w")
    codec.options = {"preset": "ultrafast", "x265-params": f"{QUIET}:{STYLES[style]}"}
    _MADE[style] = noise_packets(codec, count, size, 2)
    return _MADE[style]


def gaps(packets: list[bytes]) -> list[int]:
    watch = GapWatch265(b"")
    return [at for at, packet in enumerate(packets) if watch.has_gap(packet)]


def decode(packets: list[bytes]) -> dict[int, np.ndarray]:
    """Pictures by the number of the packet that they came from."""
    codec: Any = av.CodecContext.create("hevc", "r")
    codec.thread_count, codec.thread_type = 1, "NONE"
    shown = {}
    for at, data in enumerate([*packets, b""]):
        packet = av.Packet(data + bytes(64)) if data else None  # the decoder reads beyond the end
        if packet is not None:
            packet.pts = at
        try:
            for frame in codec.decode(packet):
                shown[frame.pts] = frame.to_ndarray(format="gray")
        except av.error.FFmpegError:
            continue
    return shown


@pytest.mark.parametrize("style", STYLES)
class TestStyles:
    def test_a_whole_stream_has_no_gap(self, style: str) -> None:
        assert gaps(packets_of(style)) == []

    def test_a_stream_that_is_joined_at_a_key_frame_has_none(self, style: str) -> None:
        """Leading pictures of the first one refer to what was never sent, and are never decoded."""
        packets = packets_of(style)
        keys = [at for at, packet in enumerate(packets) if slice_kind(packet) in range(16, 22)]
        assert len(keys) > 1
        for key in keys[1:]:
            assert gaps(packets[key:]) == []

    def test_what_a_decoder_makes_up_is_found(self, style: str) -> None:
        """No picture that differs from the true one is shown unless a gap was told since the key frame before it."""
        packets = packets_of(style)
        truth = decode(packets)
        choose, found = random.Random(5), 0
        for _ in range(6):
            lost = set(choose.sample(range(1, len(packets)), 3))
            kept = [at for at in range(len(packets)) if at not in lost]
            told = {kept[at] for at in gaps([packets[at] for at in kept])}
            shown = decode([packets[at] for at in kept])
            whole = True
            for place, at in enumerate(kept):
                whole = at not in told and (whole or slice_kind(packets[at]) in range(16, 22))
                if whole and place in shown and at in truth:
                    assert np.array_equal(shown[place], truth[at]), f"lost {lost}, picture {at} is made up"
            found += len(told)
        assert found > 0


def test_a_missing_picture_is_noticed_at_the_next() -> None:
    packets = packets_of("a camera")
    assert gaps(packets[:7] + packets[8:])[0] == 7
    assert gaps(packets[:24] + packets[25:]) == []  # a key frame follows, and nothing refers to what is missing
    assert gaps(packets[:25] + packets[26:])[0] == 25


def test_a_missing_first_slice_is_noticed() -> None:
    """As it looks when the packet begins with the second: x265 crashes when asked for slices without its threads."""
    packets = packets_of("a camera")
    data = bytearray(packets[10])
    at = next(at for at in range(len(data) - 4) if data[at : at + 3] == b"\0\0\1" and data[at + 3] >> 1 & 63 < 32)
    data[at + 5] &= 0x7F  # first_slice_segment_in_pic_flag
    assert gaps([*packets[:10], bytes(data), *packets[11:]])[0] == 10


def test_noise_is_survived() -> None:
    choose = random.Random(1)
    watch = GapWatch265(b"\0\0\1\x42")
    for packet in packets_of("pyramid"):
        data = bytearray(packet)
        for _ in range(5):
            data[choose.randrange(min(len(data), 120))] = choose.randrange(256)
        watch.has_gap(bytes(data))
        watch.has_gap(choose.randbytes(choose.randrange(200)))


def slice_kind(packet: bytes) -> int:
    at = -1
    while (at := packet.find(b"\0\0\1", at + 1)) >= 0:
        if (kind := packet[at + 3] >> 1 & 63) < 32:
            return kind
    return 63
