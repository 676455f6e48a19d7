"""Pictures missing from an H.265 stream, found by what later ones refer to.

FFmpeg's decoder fills in for references that never came. Each slice names them all (ITU-T H.265, 7.4.8, the reference
picture set) by their picture order counts, so what is used and was never received is known before it is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeseg.runtime.cameras.capture.h264_gaps import Bits

_SLICE_TYPES = 32
_BLA, _RADL_RASL, _RASL, _IDR, _CRA, _IRAP = (16, 17, 18), (6, 7, 8, 9), (8, 9), (19, 20), 21, range(16, 24)
_SPS, _PPS = 33, 34
_PARAMETER_BYTES = 1024
_SLICE_BYTES = 128

_Delta = tuple[int, bool]


@dataclass(frozen=True)
class _RefSet:
    """Distances in picture order to earlier and later references, and whether the picture itself uses each."""

    before: tuple[_Delta, ...] = ()
    after: tuple[_Delta, ...] = ()

    @property
    def all(self) -> tuple[_Delta, ...]:
        return self.before + self.after


@dataclass(frozen=True)
class _Sequence:
    """Of a sequence parameter set, what slice headers need."""

    color_planes: bool
    order_bits: int
    sets: tuple[_RefSet, ...]
    has_long_term: bool
    long_term: tuple[tuple[int, bool], ...]


@dataclass(frozen=True)
class _PictureSet:
    sequence: int
    has_output_flag: bool
    extra_bits: int


class GapWatch265:
    """Feed it the packets of one stream, in Annex B form; other forms are never found to have gaps.

    Args:
        extradata: parameter sets known before the first packet.
    """

    def __init__(self, extradata: bytes) -> None:
        self._sequences: dict[int, _Sequence] = {}
        self._pictures: dict[int, _PictureSet] = {}
        self._received: set[int] = set()
        self._order_before = 0
        self._began = False
        self._leading_are_dropped = True
        for unit in _units(extradata):
            self._see_parameters(unit)

    def has_gap(self, packet: bytes | memoryview) -> bool:
        """Tell whether this picture refers to one that never came, or its own first slice is missing."""
        for unit in _units(packet):
            kind = unit[0] >> 1 & 63
            if kind >= _SLICE_TYPES:
                self._see_parameters(unit)
            elif not unit[0] & 1 and not unit[1] >> 3:  # of the base layer
                try:
                    return self._misses(unit, kind)
                except (IndexError, KeyError):
                    return False  # it cannot be told
        return False

    def _see_parameters(self, unit: bytes) -> None:
        kind = unit[0] >> 1 & 63
        try:
            if kind == _SPS:
                number, sequence = _read_sequence(Bits(unit[1:]))
                self._sequences[number] = sequence
            elif kind == _PPS:
                bits = Bits(unit[1:])
                number, sequence_number = bits.golomb(), bits.golomb()
                bits.take(1)
                self._pictures[number] = _PictureSet(sequence_number, bool(bits.take(1)), bits.take(3))
        except IndexError:
            return

    def _misses(self, unit: bytes, kind: int) -> bool:
        bits = Bits(unit[1:])
        if not bits.take(1):  # not the first slice of its picture
            return True
        if kind in _IRAP:
            bits.take(1)
        picture = self._pictures[bits.golomb()]
        sequence = self._sequences[picture.sequence]
        bits.take(picture.extra_bits)
        bits.golomb()
        bits.take(picture.has_output_flag + 2 * sequence.color_planes)
        starts_anew = kind in _IDR or kind in _BLA or (kind == _CRA and not self._began)
        if kind in _IRAP:
            self._leading_are_dropped = starts_anew
        if kind in _RASL and self._leading_are_dropped:
            return False  # the decoder leaves it out as well
        order = 0 if kind in _IDR else self._order(bits.take(sequence.order_bits), sequence, starts_anew)
        refs, far = (_RefSet(), []) if kind in _IDR else _read_references(bits, sequence)
        missing = not starts_anew and self._lacks(order, refs, far, sequence)
        self._remember(
            unit, kind, order, set() if starts_anew else {order + delta for delta, _ in refs.all}, far, sequence
        )
        return missing

    def _order(self, low: int, sequence: _Sequence, starts_anew: bool) -> int:
        """8.3.1: the count of which the slice holds the lowest bits."""
        if starts_anew:
            return low
        span = 1 << sequence.order_bits
        before_low = self._order_before % span
        high = self._order_before - before_low
        if low < before_low and before_low - low >= span // 2:
            high += span
        elif low > before_low and low - before_low > span // 2:
            high -= span
        return high + low

    def _lacks(self, order: int, refs: _RefSet, far: list[tuple[int, bool]], sequence: _Sequence) -> bool:
        if any(used and order + delta not in self._received for delta, used in refs.all):
            return True
        span = 1 << sequence.order_bits
        return any(used and low not in {one % span for one in self._received} for low, used in far)

    def _remember(
        self, unit: bytes, kind: int, order: int, kept: set[int], far: list[tuple[int, bool]], sequence: _Sequence
    ) -> None:
        """What later pictures may refer to: this one, and of those before what it names."""
        span = 1 << sequence.order_bits
        lows = {low for low, _ in far}
        self._received = {one for one in self._received if one in kept or one % span in lows} | {order}
        self._began = True
        is_reference = kind >= 16 or kind % 2
        if is_reference and kind not in _RADL_RASL and unit[1] & 7 == 1:
            self._order_before = order


def _units(data: bytes | memoryview) -> Iterator[bytes]:
    """The beginning of each NAL unit of an Annex B stream, up to its first slice."""
    text = bytes(data)
    at = text.find(b"\0\0\1") + 3
    while 3 <= at < len(text) - 1:
        is_slice = text[at] >> 1 & 63 < _SLICE_TYPES
        yield text[at : at + (_SLICE_BYTES if is_slice else _PARAMETER_BYTES)]
        if is_slice:
            return
        at = text.find(b"\0\0\1", at) + 3


def _read_sequence(bits: Bits) -> tuple[int, _Sequence]:
    """7.3.2.2, up to the long-term references."""
    bits.take(4)
    sub_layers = bits.take(3)
    bits.take(1)
    _skip_profile(bits, sub_layers)
    number = bits.golomb()
    planes = bool(bits.golomb() == 3 and bits.take(1))
    _skip(bits, 2)
    if bits.take(1):
        _skip(bits, 4)
    _skip(bits, 2)
    order_bits = bits.golomb() + 4
    first = 0 if bits.take(1) else sub_layers
    _skip(bits, 3 * (sub_layers - first + 1))
    _skip(bits, 6)
    if bits.take(1) and bits.take(1):
        _skip_scaling(bits)
    bits.take(2)
    if bits.take(1):
        bits.take(8)
        _skip(bits, 2)
        bits.take(1)
    sets: list[_RefSet] = []
    count = bits.golomb()
    if count > 64 or order_bits > 16:
        raise IndexError("no such sequence parameter set can be")
    for at in range(count):
        sets.append(_read_set(bits, at, count, sets))
    far: list[tuple[int, bool]] = []
    if has_far := bool(bits.take(1)):
        far = [(bits.take(order_bits), bool(bits.take(1))) for _ in range(min(bits.golomb(), 32))]
    return number, _Sequence(planes, order_bits, tuple(sets), has_far, tuple(far))


def _skip_profile(bits: Bits, sub_layers: int) -> None:
    bits.take(96)
    present = [(bits.take(1), bits.take(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.take(2 * (8 - sub_layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)


def _skip_scaling(bits: Bits) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.take(1):
                bits.golomb()
                continue
            _skip(bits, min(64, 1 << (4 + 2 * size)) + (size > 1))


def _skip(bits: Bits, count: int) -> None:
    for _ in range(count):
        bits.golomb()


def _read_set(bits: Bits, at: int, count: int, sets: list[_RefSet]) -> _RefSet:
    """7.3.7: st_ref_pic_set(at)."""
    if at and bits.take(1):
        return _read_set_from_other(bits, at, count, sets)
    before, after = bits.golomb(), bits.golomb()
    if before + after > 32:
        raise IndexError("no such reference picture set can be")
    return _RefSet(_read_deltas(bits, before, -1), _read_deltas(bits, after, 1))


def _read_deltas(bits: Bits, count: int, sign: int) -> tuple[_Delta, ...]:
    deltas: list[_Delta] = []
    delta = 0
    for _ in range(count):
        delta += sign * (bits.golomb() + 1)
        deltas.append((delta, bool(bits.take(1))))
    return tuple(deltas)


def _read_set_from_other(bits: Bits, at: int, count: int, sets: list[_RefSet]) -> _RefSet:
    """7.4.8, equations 7-61 and 7-62."""
    back = bits.golomb() + 1 if at == count else 1
    if back > at:
        raise IndexError("it refers to a set that is not there")
    other = sets[at - back]
    sign = bits.take(1)
    step = (1 - 2 * sign) * (bits.golomb() + 1)
    flags = []
    for _ in range(len(other.all) + 1):
        used = bool(bits.take(1))
        flags.append((used, used or bool(bits.take(1))))
    negative = len(other.before)
    moved = [(delta + step, *flags[place]) for place, (delta, _) in enumerate(other.all)] + [(step, *flags[-1])]
    own, low, high = moved[-1], moved[:negative], moved[negative:-1]
    before = [(delta, used) for delta, used, kept in [*reversed(high), own, *low] if kept and delta < 0]
    after = [(delta, used) for delta, used, kept in [*reversed(low), own, *high] if kept and delta > 0]
    return _RefSet(tuple(before), tuple(after))


def _read_references(bits: Bits, sequence: _Sequence) -> tuple[_RefSet, list[tuple[int, bool]]]:
    """The short-term set of a slice, and the lowest bits of its long-term references with whether each is used."""
    count = len(sequence.sets)
    if not bits.take(1):
        refs = _read_set(bits, count, count, list(sequence.sets))
    else:
        refs = sequence.sets[bits.take((count - 1).bit_length()) if count > 1 else 0]
    far: list[tuple[int, bool]] = []
    if sequence.has_long_term:
        known = bits.golomb() if sequence.long_term else 0
        for at in range(min(known + bits.golomb(), 33)):
            if at < known:
                width = (len(sequence.long_term) - 1).bit_length()
                far.append(sequence.long_term[bits.take(width) if width else 0])
            else:
                far.append((bits.take(sequence.order_bits), bool(bits.take(1))))
            if bits.take(1):
                bits.golomb()
    return refs, far
