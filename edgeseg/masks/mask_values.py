"""What the values of mask files mean, where they are not class indices: ``255=road``, ``#804080=road,0=ignore``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError

UInt8 = npt.NDArray[np.uint8]
Labels = npt.NDArray[Any]
"""HW uint8 or int32; -1 is ignored."""
GivenValues = Mapping[Any, Any] | str
"""As a person gives them: a mapping, or its text."""

IGNORE = "ignore"
IGNORED, UNNAMED = -1, -2
MOST_NUMBER = 65535
EXAMPLE = "such as 255=road,128=sky, '#804080=road' or 255=ignore"


@dataclass(frozen=True)
class MaskValues:
    """Meanings of mask values.

    Attributes:
        numbers: label of each value of a single-channel mask; -1 is ignored.
        colors: label of each colour 0xRRGGBB; where there are any, masks are read as colour pictures, and a value
            in ``numbers`` stands for that grey.

    >>> import numpy as np
    >>> values = MaskValues.read("255=road", ("background", "road"))
    >>> values.label_numbers(np.array([[0, 255]], np.uint8)).tolist()
    [[0, 1]]
    """

    numbers: Mapping[int, int] = field(default_factory=dict)
    colors: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, given: GivenValues, classes: Sequence[str]) -> MaskValues:
        """Read what a person gives.

        Args:
            given: ``{255: "road", 7: "ignore"}``, by name or index of the class; a key is a value of 0..65535, a
                colour ``"#rrggbb"``, or three numbers R, G, B. Or the same as text, ``255=road,7=ignore``.
            classes: names in label order.

        Raises:
            DataError: no such class, no such value, or a value named twice.
        """
        numbers: dict[int, int] = {}
        colors: dict[int, int] = {}
        for key, meaning in split_values(given):
            number, color = _read_key(key)
            place, value = (colors, color) if color is not None else (numbers, number)
            label = _read_label(meaning, classes)
            if place.setdefault(value, label) != label:
                raise DataError(f"`mask_values` gives {key} two meanings.")
        if colors and (large := [number for number in numbers if number > 255]):
            raise DataError(f"`mask_values` has colours, beside which a value is a grey of 0..255; found {large[0]}.")
        return cls(numbers, colors)

    def ignores(self, value: int | None) -> bool:
        """Tell whether it was said that ``value`` is ignored."""
        return self.numbers.get(-1 if value is None else value) == IGNORED

    def label_numbers(self, mask: npt.NDArray[Any]) -> Labels:
        """Give each pixel of an HW uint8 or uint16 mask its label: HW int32; -1 is ignored.

        A value that has no meaning of its own stays what it is.
        """
        return np.asarray(self._number_table[mask])

    def label_colors(self, image: UInt8) -> Labels:
        """Give each pixel of an HWC uint8 BGR picture its label: HW int32; -1 is ignored, -2 a colour not named."""
        return np.asarray(self._color_table[color_codes(image)])

    def to_dict(self, classes: Sequence[str]) -> dict[str, str]:
        """Return plain values, as ``data.yaml`` takes them."""
        names = {IGNORED: IGNORE, **dict(enumerate(classes))}
        keys = {**{str(key): label for key, label in self.numbers.items()}}
        keys |= {f"#{key:06x}": label for key, label in self.colors.items()}
        return {key: names[label] for key, label in keys.items()}

    @cached_property
    def _number_table(self) -> npt.NDArray[np.int32]:
        table = np.arange(MOST_NUMBER + 1, dtype=np.int32)
        for value, label in self.numbers.items():
            table[value] = label
        return table

    @cached_property
    def _color_table(self) -> npt.NDArray[np.int16]:
        table = np.full(1 << 24, UNNAMED, np.int16)
        for value, label in self.numbers.items():
            table[value * 0x010101] = label
        for color, label in self.colors.items():
            table[color] = label
        return table

    def __getstate__(self) -> dict[str, Any]:
        """Leave the tables out, which are made again where they are wanted."""
        return {"numbers": self.numbers, "colors": self.colors}


def color_codes(image: UInt8) -> npt.NDArray[np.uint32]:
    """Join the channels of an HWC uint8 BGR picture: HW uint32, 0xRRGGBB."""
    blue, green, red = (image[..., channel].astype(np.uint32) for channel in range(3))
    return np.asarray(red << 16 | green << 8 | blue, np.uint32)


def split_values(given: GivenValues) -> Iterable[tuple[Any, Any]]:
    """Split what a person gives into keys and meanings; raises DataError where it is neither mapping nor text."""
    if isinstance(given, Mapping):
        return given.items()
    if not isinstance(given, str):
        raise DataError(f"`mask_values` is a mapping or its text, {EXAMPLE}; found {given!r}.")
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if wrong := [part for part in parts if "=" not in part] or ([given] if not parts else []):
        raise DataError(f"`mask_values` says VALUE=CLASS, {EXAMPLE}; found {wrong[0]!r}.")
    return [(key.strip(), meaning.strip()) for key, _, meaning in (part.partition("=") for part in parts)]


def _read_key(key: Any) -> tuple[int, int | None]:
    """A number, and a colour where the key is one."""
    if isinstance(key, tuple | list) and len(key) == 3 and all(type(v) is int and 0 <= v <= 255 for v in key):
        return 0, key[0] << 16 | key[1] << 8 | key[2]
    if isinstance(key, str) and len(key) == 7 and key[0] == "#":
        try:
            return 0, int(key[1:], 16)
        except ValueError:
            pass
    number = int(key) if isinstance(key, str) and key.isdecimal() else key
    if type(number) is int and 0 <= number <= MOST_NUMBER:
        return number, None
    raise DataError(f"`mask_values` knows values of 0..{MOST_NUMBER} and colours #rrggbb, {EXAMPLE}; found {key!r}.")


def _read_label(meaning: Any, classes: Sequence[str]) -> int:
    text = str(meaning)
    if text in classes:
        return list(classes).index(text)
    if text == IGNORE:
        return IGNORED
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise DataError(
        f"`mask_values` names the class {text!r}, which is none of {', '.join(classes)}. Give a name, an index of "
        f"0..{len(classes) - 1}, or {IGNORE}."
    )
