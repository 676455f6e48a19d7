"""What the values or colours of a set's masks mean: as it is said, as it cannot be otherwise, or as it is guessed.

A guess is shown with the share of the pixels of each colour, and holds when a person confirms it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeseg.datasets.formats.labelled_set import ReadOptions, check_classes
from edgeseg.datasets.pixels.class_map import ClassMap
from edgeseg.datasets.pixels.color_tables import find_table
from edgeseg.datasets.pixels.mask_scan import MaskScan
from edgeseg.errors import DataError
from edgeseg.masks.mask_values import IGNORE, MaskValues, split_values
from edgeseg.masks.named_colors import is_void
from edgeseg.masks.strange_values import SMOOTH_FROM, guess_numbers

BACKGROUND = "background"
TWO = (BACKGROUND, "foreground")
MOST_GUESSED = 64
MOST_SHOWN = 24
_VOID = 255


@dataclass(frozen=True)
class MaskMeaning:
    """How the masks of a set are read.

    Attributes:
        classes: names in label order.
        values: what values and colours mean.
        void: the stored number that means void, or None.
        void_said: that was said, not assumed.
        colors: what each class is drawn with, 0xRRGGBB by label.
        notes: what was guessed, in sentences.
    """

    classes: tuple[str, ...]
    values: MaskValues
    void: int | None = _VOID
    void_said: bool = False
    colors: dict[int, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_meaning(root: Path, scans: Sequence[MaskScan], said: ClassMap, options: ReadOptions) -> MaskMeaning:
    """Find out what the values of masks mean.

    Args:
        root: for messages.
        scans: the values of every mask.
        said: what files beside the masks say.
        options: what a person says, which counts more.

    Raises:
        DataError: nothing says it, and a guess has to be confirmed; or what is said makes no sense.
    """
    usable = [scan for scan in scans if not scan.wrong]
    if not usable:
        first = scans[0].wrong if scans else f"{root} holds no masks."
        raise DataError(f"None of the {len(scans)} masks of {root} can be read. {first}")
    given = _join_said(said, options)
    if given:
        return _as_given(root, given, said, options)
    if _are_colored(usable):
        return _guess_colors(root, usable, said, options)
    return _from_numbers(root, usable, said, options)


def _join_said(said: ClassMap, options: ReadOptions) -> dict[Any, Any]:
    """Keys and meanings that were said, a person's over those of files."""
    given: dict[Any, Any] = {f"#{color:06x}": _meaning(name) for color, name in said.colors.items()}
    given |= {value: _meaning(name) for value, name in said.numbers.items()}
    if said.values is not None:
        given = dict(split_values(said.values))
    if options.mask_values is not None:
        own = dict(split_values(options.mask_values))
        given = {key: name for key, name in given.items() if str(key) not in map(str, own)} | own
    return given


def _meaning(name: str) -> str:
    return IGNORE if is_void(name) else name


def _as_given(root: Path, given: dict[Any, Any], said: ClassMap, options: ReadOptions) -> MaskMeaning:
    named = tuple(dict.fromkeys(str(name) for name in given.values() if not str(name).isdecimal()))
    classes = options.classes or said.classes or options.network_classes
    if classes is None or (not options.classes and said.colors and set(named) - {IGNORE} - set(classes)):
        classes = tuple(name for name in named if name != IGNORE)
    classes = check_classes(classes, root)
    values = MaskValues.read(given, classes)
    void_said = said.void is not None or IGNORE in named
    colors = {label: color for color, label in values.colors.items() if label >= 0}
    return MaskMeaning(classes, values, _VOID if said.void is None else said.void, void_said, colors)


def _are_colored(scans: Sequence[MaskScan]) -> bool:
    """Whether colours count: some file has no numbers, or palettes of several files give one number two colours."""
    if any(scan.is_colored for scan in scans):
        return True
    drawn: dict[int, int] = {}
    return any(drawn.setdefault(number, color) != color for scan in scans for number, color in scan.palette.items())


def _from_numbers(root: Path, scans: Sequence[MaskScan], said: ClassMap, options: ReadOptions) -> MaskMeaning:
    found = sorted({value for scan in scans for value in scan.numbers})
    void = _VOID if said.void is None else said.void
    plain = MaskMeaning((), MaskValues(), void, said.void is not None)
    classes = options.classes or said.classes or options.network_classes or ()
    if found in ([0, _VOID], [_VOID]) and said.void is None and len(classes) in (0, 2):
        classes = check_classes(classes or TWO, root)
        note = f"Masks hold 0 and 255 alone: 255 is {classes[1]!r}."
        return replace(plain, classes=classes, values=MaskValues({_VOID: 1}), void=None, notes=(note,))
    labels = [value for value in found if value != void]
    if not classes:
        return _number_classes(root, labels, plain)
    classes = check_classes(classes, root)
    strange = [value for value in labels if value >= len(classes)]
    if not strange or _share_of_files(scans, strange) < 0.5:
        return replace(plain, classes=classes)
    meaning = guess_numbers(found, len(classes), void)
    if meaning is None:
        return replace(plain, classes=classes)
    shown = [f"{value} is {classes[meaning.get(value, value)]!r}" for value in found if value != void]
    if not options.accept_colors:
        words = ",".join(f"{value}={classes[label]}" for value, label in meaning.items())
        raise DataError(
            f"Masks of {root} hold the values {_list(found)}, and there are {len(classes)} classes. Guessed: "
            f"{', '.join(shown)}. If that is right, say `accept_colors=True`; or `mask_values='{words}'`."
        )
    values = MaskValues(meaning)
    return replace(plain, classes=classes, values=values, notes=(f"Guessed and accepted: {', '.join(shown)}.",))


def _share_of_files(scans: Sequence[MaskScan], values: Sequence[int]) -> float:
    return sum(any(value in scan.numbers for value in values) for scan in scans) / len(scans)


def _number_classes(root: Path, labels: Sequence[int], plain: MaskMeaning) -> MaskMeaning:
    """Classes by number, where nothing names them."""
    most = max(labels, default=0)
    if most > MOST_GUESSED or most == 0:
        raise DataError(
            f"Masks of {root} hold the values {_list(labels)}, and nothing names the classes. Write their names into "
            "classes.txt, one a line in the order of the labels, or give `classes`; where values are no labels, say "
            "what they mean with `mask_values`."
        )
    names = (BACKGROUND, *(f"class_{label}" for label in range(1, most + 1))) if most > 1 else TWO
    note = f"Nothing names the classes: they are called {', '.join(names[:4])}{', ...' if most > 3 else ''}."
    return replace(plain, classes=names, notes=(note,))


def _guess_colors(root: Path, scans: Sequence[MaskScan], said: ClassMap, options: ReadOptions) -> MaskMeaning:
    pixels: Counter[int] = Counter()
    for scan in scans:
        pixels.update(scan.colors or {value * 0x010101: count for value, count in scan.numbers.items() if value < 256})
    classes = options.classes or said.classes or options.network_classes or ()
    if len(pixels) > max(len(classes), MOST_SHOWN) + SMOOTH_FROM:
        worst = max(scans, key=lambda scan: len(scan.colors))
        raise DataError(
            f"Masks of {root} are colour pictures of {len(pixels)} colours, {len(worst.colors)} in {worst.path.name}: "
            "masks that were smoothed when they were resized, or no masks. Save them from their source by the nearest "
            "neighbour, or name the colours that count with `colors`."
        )
    guess, source = _name_colors(pixels, classes)
    total = sum(pixels.values())
    table = [
        f"#{color:06x} {100 * count / total:5.1f} %  {guess.get(color, '?')}" for color, count in pixels.most_common()
    ]
    if not options.accept_colors or set(guess) != set(pixels):
        raise DataError(_about_colors(root, table, pixels, guess, source))
    named = tuple(dict.fromkeys(name for name in guess.values() if name != IGNORE))
    names = check_classes(tuple(classes) or _background_first(named), root)
    values = MaskValues.read({f"#{color:06x}": name for color, name in guess.items()}, names)
    colors = {label: color for color, label in values.colors.items() if label >= 0}
    note = f"Colours guessed{source} and accepted: {', '.join(' '.join(row.split()) for row in table)}."
    return MaskMeaning(names, values, _VOID, IGNORE in guess.values(), colors, (note,))


def _background_first(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: name.lower() != BACKGROUND))


def _name_colors(pixels: Counter[int], classes: Sequence[str]) -> tuple[dict[int, str], str]:
    """A name for as many colours as can be had, and where it is from; all of them where no classes are said."""
    table = find_table(pixels)
    known = dict(table[1]) if table else {}
    source = f" from the colours of {table[0]}" if table else ""
    if not classes:
        names = {color: _meaning(known.get(color, "")) or _name_of(color) for color in pixels}
        return names, source
    folded = {name.lower().replace("_", " "): name for name in classes}
    guess = {
        color: folded[known[color].lower().replace("_", " ")]
        for color in pixels
        if known.get(color, "").lower().replace("_", " ") in folded
    }
    colors = [color for color in sorted(pixels) if color not in guess]
    names_left = [name for name in classes if name not in guess.values()]
    if len(colors) == len(names_left) and (len(colors) == 1 or (len(classes) == 2 and colors[0] == 0)):
        guess |= dict(zip(colors, names_left, strict=True))
    elif len(colors) == 1 and not names_left and _meaning(known.get(colors[0], "")) == IGNORE:
        guess[colors[0]] = IGNORE
    return guess, source if guess else ""


def _name_of(color: int) -> str:
    return BACKGROUND if color == 0 else f"color_{color:06x}"


def _about_colors(root: Path, table: Iterable[str], pixels: Counter[int], guess: dict[int, str], source: str) -> str:
    known = [(color, guess[color]) for color, _ in pixels.most_common() if color in guess and guess[color] != IGNORE]
    color, name = known[0] if known else (pixels.most_common(1)[0][0], "CLASS")
    example = f"{name}={color >> 16},{color >> 8 & 255},{color & 255}"
    if set(guess) == set(pixels):
        way = f"Guessed{source}. If that is right, say `accept_colors=True`;"
    else:
        way = f"Guessed{source} as far as it goes." if guess else "Nothing of them could be guessed."
    return "\n".join(
        [
            f"Masks of {root} are colour pictures, and nothing says what the colours mean:",
            *table,
            f"{way} {'or say' if 'right' in way else 'Say'} what each means with `colors`, such as {example}, or in a "
            "class_dict.csv (name,r,g,b).",
        ]
    )


def _list(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:6])) + (f" and {len(values) - 6} more" if len(values) > 6 else "")
