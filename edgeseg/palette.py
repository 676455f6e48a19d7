"""Colours for class labels."""

from __future__ import annotations

import colorsys

_BASE: tuple[tuple[int, int, int], ...] = (
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (23, 190, 207),
    (227, 119, 194),
    (188, 189, 34),
    (140, 86, 75),
    (0, 230, 150),
    (255, 215, 0),
    (90, 60, 255),
)


def default_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """Choose ``count`` RGB colours, 0..255: a fixed set first, then golden-angle hues."""
    colors = list(_BASE[:count])
    while len(colors) < count:
        hue = (len(colors) * 0.61803398875) % 1.0
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
        colors.append((int(red * 255), int(green * 255), int(blue * 255)))
    return tuple(colors)


def parse_color(text: str) -> tuple[int, int, int]:
    """Parse ``"#ff8800"`` to an RGB triple; raises ValueError for anything else."""
    digits = text.removeprefix("#")
    if len(digits) != 6:
        raise ValueError(f"a colour looks like #ff8800; found {text!r}")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
