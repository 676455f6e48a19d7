"""Pictures missing from an H.264 stream, found by their numbers.

When a camera leaves pictures out (a full send buffer is enough), FFmpeg's decoder fills in for what
later pictures refer to, and marks nothing: of 50 pictures after such gaps 40 were measured to be made
up. Every slice carries ``frame_num`` (ITU-T H.264, 7.4.3), which must follow that of the reference
picture before it.
"""

from __future__ import annotations

from collections.abc import Iterator

_SLICES = (1, 5)
_IDR, _SPS = 5, 7
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_HEADER_BYTES = 64


class GapWatch:
    """Feed it the packets of one stream, in Annex B form; other forms are never found to have gaps.

    Args:
        extradata: parameter sets known before the first packet.
    """

    def __init__(self, extradata: bytes) -> None:
        self._number_bits = 0
        self._color_planes = False
        self._last: int | None = None
        for unit in units(extradata):
            self._see_parameters(unit)

    def has_gap(self, packet: bytes | memoryview) -> bool:
        """Tell whether pictures are missing between the packet before and this one."""
        for unit in units(packet):
            self._see_parameters(unit)
            if unit[0] & 31 in _SLICES and self._number_bits:
                return self._follows_badly(unit)
        return False

    def _see_parameters(self, unit: bytes) -> None:
        if unit[0] & 31 == _SPS:
            try:
                self._number_bits, self._color_planes = _frame_number_coding(unit)
            except IndexError:
                self._number_bits = 0

    def _follows_badly(self, unit: bytes) -> bool:
        last, number = self._last, self._frame_number(unit)
        if unit[0] >> 5 & 3:  # a reference picture
            self._last = number
        if unit[0] & 31 == _IDR or last is None:
            return False
        return number not in (last, (last + 1) % (1 << self._number_bits))

    def _frame_number(self, unit: bytes) -> int:
        bits = Bits(unit)
        for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
            bits.golomb()
        if self._color_planes:
            bits.take(2)
        return bits.take(self._number_bits)


def units(data: bytes | memoryview) -> Iterator[bytes]:
    """Yield the beginning of each NAL unit of an Annex B stream, up to its first slice."""
    text = bytes(data)
    at = text.find(b"\0\0\1") + 3
    while 3 <= at < len(text):
        yield text[at : at + _HEADER_BYTES]
        if text[at] & 31 in _SLICES:
            return
        at = text.find(b"\0\0\1", at) + 3


def _frame_number_coding(sps: bytes) -> tuple[int, bool]:
    """How many bits ``frame_num`` has (0: gaps are allowed, or it cannot be told), and if slices have a plane's id."""
    bits = Bits(sps)
    profile = bits.take(8)
    bits.take(16)
    bits.golomb()
    planes = False
    if profile in _HIGH_PROFILES:
        if bits.golomb() == 3:
            planes = bool(bits.take(1))
        bits.golomb()
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            return 0, False  # scaling matrices: no camera sends them
    number_bits = bits.golomb() + 4
    _skip_picture_order(bits)
    bits.golomb()
    gaps_allowed = bits.take(1)
    return (0 if gaps_allowed or number_bits > 16 else number_bits), planes


def _skip_picture_order(bits: Bits) -> None:
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()


class Bits:
    """Bits of a NAL unit after its first byte, without emulation prevention. Raises IndexError at the end."""

    def __init__(self, unit: bytes) -> None:
        data = unit[1:].replace(b"\0\0\3", b"\0\0")
        self._text = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def take(self, count: int) -> int:
        """Read ``count`` bits as a number; raises IndexError when there are not as many."""
        if self._at + count > len(self._text):
            raise IndexError("the unit is too short")
        self._at += count
        return int(self._text[self._at - count : self._at] or "0", 2)

    def golomb(self) -> int:
        """Read an unsigned Exp-Golomb number: ue(v), 9.1."""
        zeros = 0
        while self.take(1) == 0:
            zeros += 1
        return (1 << zeros) - 1 + (self.take(zeros) if zeros else 0)
