"""Can these masks judge a network at all? One gate, wherever masks are read.

A mask in which the foreground is drawn with the ignored value scores background alone: a network that paints
everything background is then perfect. So every file is looked at, and what cannot be meant is refused.
"""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.masks.census import MaskCensus
from edgeseg.masks.class_sets import describe_empty_sets, describe_strange_sets
from edgeseg.masks.drawn_void import MASKS_TRIED, VoidHabit
from edgeseg.masks.strange_values import ABOUT_JPEG, describe_strange, is_jpeg

Numbers = npt.NDArray[np.intp]

USUAL_VOID = 255
CHANCE = 0.01


def check_masks(census: MaskCensus) -> None:
    """Refuse masks whose values cannot be meant as they would be read.

    Raises:
        DataError: a value that is no class; a JPEG file; a foreground drawn with the ignored value, in all files or
            in some of them; or nothing but ignored pixels. The message names files, values, and how to say what they
            mean.
    """
    if census.strange:
        raise DataError((describe_strange_sets if census.several else describe_strange)(census))
    if lossy := [number for number, file in enumerate(census.files) if is_jpeg(file)]:
        raise DataError(
            f"{len(lossy)} of the {len(census.files)} masks of {census.where} are JPEG files: "
            f"{census.name_files(lossy)}. {ABOUT_JPEG}"
        )
    if not census.class_pixels.any():
        raise DataError((describe_empty_sets if census.several else _about_nothing)(census))
    if census.several or census.ignored is None or not census.holding(census.ignored).any():
        return
    if len(census.classes) == 2:
        _check_two_classes(census, census.ignored)
    elif census.ignored == USUAL_VOID and not census.said:
        _check_many_classes(census, census.ignored)


def check_proof(census: MaskCensus) -> None:
    """Refuse masks that cannot tell a good network from one that gives a single label everywhere.

    Raises:
        DataError: see :func:`check_masks`; or all pixels that count are of one class.
    """
    check_masks(census)
    shown = np.flatnonzero(census.class_pixels)
    if len(shown) == 1 and not census.several:
        only = census.classes[int(shown[0])]
        raise DataError(
            f"Every pixel that counts in the {len(census.files)} masks of {census.where} is {only!r}, so that a "
            "network which paints everything so would be perfect: these masks judge nothing. Give masks that show "
            f"{_names(census, census.missing, 'or')} as well."
        )


def _check_two_classes(census: MaskCensus, void: int) -> None:
    holds_void = census.holding(void)
    for label in (1, 0):
        shows = census.holding(label)
        suspects = np.flatnonzero(holds_void & ~shows)
        together = np.flatnonzero(holds_void & shows)
        if not shows.any():
            raise DataError(_about_never(census, void, (label,)))
        if void != USUAL_VOID or (label == 0 and len(together)):
            continue
        if len(together):
            suspects = _drawn_otherwise(census, void, suspects, together)
        if len(suspects):
            raise DataError(_about_some(census, void, label, suspects))


def _check_many_classes(census: MaskCensus, void: int) -> None:
    if census.missing:
        raise DataError(_about_never(census, void, census.missing))
    holds_void = census.holding(void)
    for label in range(len(census.classes)):
        shows = census.holding(label)
        if (holds_void & shows).any():
            continue
        files, with_void = len(shows), int(holds_void.sum())
        by_chance = comb(files - with_void, int(shows.sum())) / comb(files, int(shows.sum()))
        if by_chance < CHANCE / len(census.classes):
            raise DataError(_about_some(census, void, label, np.flatnonzero(holds_void)))


def _drawn_otherwise(census: MaskCensus, void: int, suspects: Numbers, together: Numbers) -> Numbers:
    """Those of the suspects whose void is not like the void of the masks that show both."""
    if not len(suspects):
        return suspects
    tried = together[np.unique(np.linspace(0, len(together) - 1, MASKS_TRIED).astype(int))]
    habit = VoidHabit.learn(census.read(int(number)) == void for number in tried)
    return np.asarray([n for n in suspects if not habit.fits(census.read(int(n)) == void)], np.intp)


def _about_nothing(census: MaskCensus) -> str:
    if census.ignored is None or not census.holding(census.ignored).any():
        return (
            f"`mask_values` ignores every pixel of the {len(census.files)} masks of {census.where}. "
            "Leave out what it ignores, or give masks that show the classes."
        )
    return (
        f"Every pixel of the {len(census.files)} masks of {census.where} holds {census.ignored}, which is ignored: "
        f"nothing is left to judge by. {_way_forward(census, census.ignored, census.missing[-1])}"
    )


def _about_never(census: MaskCensus, void: int, labels: tuple[int, ...]) -> str:
    drawn = census.counts[:, void]
    return (
        f"None of the {len(census.files)} masks of {census.where} holds a pixel of {_names(census, labels, 'or')}, but "
        f"{int((drawn > 0).sum())} of them hold {void}, which is ignored ({int(drawn.sum())} pixels, "
        f"{100 * census.share(void):.1f} %; first {census.name_files(np.flatnonzero(drawn))}). "
        f"{_way_forward(census, void, labels[-1])}"
    )


def _about_some(census: MaskCensus, void: int, label: int, suspects: Numbers) -> str:
    name, others = census.classes[label], int(census.holding(label).sum())
    return (
        f"{len(suspects)} of the {len(census.files)} masks of {census.where} hold {void}, which is ignored, and no "
        f"pixel of {name!r} ({label}), which {others} others hold: first {census.name_files(suspects)}. Masks drawn "
        f"in two ways are scored in one. {_way_forward(census, void, label)}"
    )


def _way_forward(census: MaskCensus, void: int, label: int) -> str:
    name = census.classes[label]
    return (
        f"If {void} means {name!r} there, say so with `mask_values='{void}={name}'`; if it is void, with "
        f"`mask_values='{void}=ignore'`."
    )


def _names(census: MaskCensus, labels: tuple[int, ...], word: str) -> str:
    named = [f"{census.classes[label]!r} ({label})" for label in labels[:5]]
    if len(labels) > 5:
        named.append(f"{len(labels) - 5} more")
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} {word} {named[-1]}"
