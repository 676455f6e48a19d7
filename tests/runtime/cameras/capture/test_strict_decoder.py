"""Damage that a decoder does not mention by itself is found, and an encoder of its own kind is still read."""

from __future__ import annotations

from typing import Any

import av
import pytest
from rtsp_server import Encoder

from edgeseg.runtime.cameras.capture.strict_decoder import StrictDecoder, is_undamaged

GROUP = 15
TOO_MUCH = b"\x55\xaa\x80"
"""Behind a slice: bits that no macroblock takes, as damage leaves them."""


def make_context(codec: str = "h264") -> Any:
    context = av.CodecContext.create(codec, "r")
    context.thread_type = "SLICE"
    context.flags |= av.codec.context.Flags.low_delay
    return context


def packet(units: list[bytes], behind: bytes = b"") -> av.Packet:
    """A picture; ``behind`` is appended to its slices."""
    data = b"".join(b"\0\0\0\1" + unit + (behind if unit[0] & 31 in (1, 5) else b"") for unit in units)
    made = av.Packet(data)
    made.is_keyframe = any(unit[0] & 31 == 5 for unit in units)
    return made


@pytest.fixture(scope="module")
def pictures() -> list[list[bytes]]:
    encoder = Encoder(480, 288, 30, 1)
    return [encoder.units(number) for number in range(3 * GROUP)]


def test_a_picture_with_bits_left_over_is_no_whole_one(pictures: list[list[bytes]]) -> None:
    plain = make_context()
    assert all(map(is_undamaged, [*plain.decode(packet(pictures[0])), *plain.decode(packet(pictures[1], TOO_MUCH))]))
    strict = StrictDecoder(av, make_context())
    assert [is_undamaged(frame) for frame in strict.decode(packet(pictures[0]))] == [True]
    assert not any(map(is_undamaged, strict.decode(packet(pictures[1], TOO_MUCH))))
    assert [is_undamaged(frame) for frame in strict.decode(packet(pictures[GROUP]))] == [True]


def test_an_encoder_that_does_so_always_is_read_from_its_second_key_frame(pictures: list[list[bytes]]) -> None:
    strict = StrictDecoder(av, make_context())
    seen = [any(map(is_undamaged, strict.decode(packet(units, TOO_MUCH)))) for units in pictures]
    assert not any(seen[:GROUP])
    assert all(seen[GROUP:])


def test_one_damaged_key_frame_does_not_end_it(pictures: list[list[bytes]]) -> None:
    strict = StrictDecoder(av, make_context())
    strict.decode(packet(pictures[0], TOO_MUCH))
    strict.decode(packet(pictures[GROUP]))
    for units in (pictures[GROUP + 1], pictures[2 * GROUP], pictures[2 * GROUP + 1]):
        assert not any(map(is_undamaged, strict.decode(packet(units, TOO_MUCH))))


def test_other_codecs_are_decoded_as_they_were() -> None:
    context = make_context("hevc")
    StrictDecoder(av, context)
    assert context.options == {}
