"""Pictures that say themselves which one they are and when they were made.

Two rows of 48 blocks at the top hold a number and the monotonic clock in milliseconds, each with a
checksum. The rest is a pattern that only this number has, so that a picture put together from two, or
made up by a decoder, can be told from a true one.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
_BITS, _CHECK_BITS, _ROW = 32, 16, 12
_TILE = 20
_WAVE = (np.sin(np.arange(1024) * np.pi / 512) * 60 + 128).astype(np.uint8)


@dataclass(frozen=True)
class Marks:
    """What was read: the picture's number, when it was made, and how far the pattern is from the true one."""

    number: int
    made_s: float
    error: float


def draw(number: int, height: int, width: int) -> Picture:
    """Picture ``number``, made now."""
    picture = _pattern(number, height, width)
    now_ms = int(time.monotonic() * 1000) & 0xFFFFFFFF
    for row, value in enumerate((number, now_ms)):
        blocks = np.repeat(np.array(_bits(value), np.uint8) * 255, width // (_BITS + _CHECK_BITS))
        picture[row * _ROW : (row + 1) * _ROW] = 0
        picture[row * _ROW : (row + 1) * _ROW, : len(blocks)] = blocks[None, :, None]
    return picture


def read(picture: Picture) -> Marks:
    """Raises ValueError when the marks cannot be read."""
    height, width = picture.shape[:2]
    number, now_ms = (_value(picture[row * _ROW : (row + 1) * _ROW], width) for row in range(2))
    top = 2 * _ROW + 4
    away = picture[top:].astype(int) - _pattern(number, height, width)[top:]
    tiles = np.abs(away.mean(2))[: (height - top) // _TILE * _TILE, : width // _TILE * _TILE]
    worst = tiles.reshape(-1, _TILE, width // _TILE, _TILE).mean((1, 3)).max()
    return Marks(number, _unwrapped(now_ms), float(worst))


def made_s(picture: Picture) -> float:
    """Only when it was made, which is quick. Raises ValueError when the mark cannot be read."""
    return _unwrapped(_value(picture[_ROW : 2 * _ROW], picture.shape[1]))


def _pattern(number: int, height: int, width: int) -> Picture:
    """Soft stripes whose place and slope follow the number."""
    y, x = np.arange(height, dtype=np.int32)[:, None], np.arange(width, dtype=np.int32)
    at = x * 7 + y * (4 * (number % 7) - 12) + number * 146
    return np.repeat(_WAVE[at & 1023][..., None], 3, 2)


def _bits(value: int) -> list[int]:
    check = zlib.crc32(value.to_bytes(4, "big")) & 0xFFFF
    whole = (value << _CHECK_BITS) | check
    return [(whole >> shift) & 1 for shift in range(_BITS + _CHECK_BITS - 1, -1, -1)]


def _value(strip: Picture, width: int) -> int:
    block = width // (_BITS + _CHECK_BITS)
    middle = strip[3:-3].mean((0, 2))
    bits = [int(middle[at * block + 1 : (at + 1) * block - 1].mean() > 128) for at in range(_BITS + _CHECK_BITS)]
    whole = int("".join(map(str, bits)), 2)
    value = whole >> _CHECK_BITS
    if _bits(value) != bits:
        raise ValueError("the marks of this picture cannot be read")
    return value


def _unwrapped(milliseconds: int) -> float:
    now_ms = int(time.monotonic() * 1000)
    return (now_ms - ((now_ms - milliseconds) & 0xFFFFFFFF)) / 1000
