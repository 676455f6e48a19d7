"""From what was taken down of every picture to what is wrong with a set, in sentences that name the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.datasets.alignment import Misfit, SmallEdges, find_exchanged, least_fit_of
from edgeseg.datasets.convert import Missing
from edgeseg.datasets.formats.labelled_set import VOID, LabelledSet
from edgeseg.datasets.near_duplicates import find_near
from edgeseg.errors import DataError
from edgeseg.files.sequences import sequence_of
from edgeseg.image import UInt8
from edgeseg.masks.census import MaskCensus
from edgeseg.masks.judge import check_masks

MOST_NAMED = 5
MOST_BLIND_SHARE = 0.5


@dataclass(frozen=True)
class Finding:
    """Something that was noticed.

    Attributes:
        kind: one word for it: ``wrong``, ``missing``, ``leak``, ``near_leak``, ``duplicate``, ``near_duplicate``,
            ``judge``, ``class``, ``mask``, ``specks``, ``place``, ``exchanged``, ``sequence``.
        sentence: what it is, with names of files.
        files: all of them.
        serious: what is trained or scored on the set would not mean what it says.
    """

    kind: str
    sentence: str
    files: tuple[str, ...] = ()
    serious: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"kind": self.kind, "serious": self.serious, "sentence": self.sentence, "files": list(self.files)}


@dataclass(frozen=True)
class LookedAt:
    """What was taken down of one picture.

    Attributes:
        name: of the picture.
        split: that it is in.
        size: height and width; None where it cannot be read.
        digest: of its pixels.
        code: its perceptual hash.
        counts: pixels of each value of its mask, (256,); None without a mask.
        mask_digest: of the mask's pixels.
        label_file: the first file of its labels.
        specks: how many areas of a few pixels its mask has, where they are too many.
        bare: it has no labels.
        wrong: what is wrong with it.
        fit: how well the borders of its mask lie on its edges; None where it has too few of them.
        misfit: how its mask would lie better, or None.
        edges: for a comparison with other pictures, or None.
    """

    name: str
    split: str
    size: tuple[int, int] | None
    digest: str
    code: int | None
    counts: npt.NDArray[np.int64] | None
    mask_digest: str
    label_file: Path | None
    specks: int = 0
    bare: bool = False
    wrong: str = ""
    fit: float | None = None
    misfit: Misfit | None = None
    edges: SmallEdges | None = None


def find_faults(
    found: LabelledSet, looked: Sequence[LookedAt], missing: Missing, near_bits: int
) -> tuple[Finding, ...]:
    """Find what is wrong with a set."""
    makers: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _wrong(looked),
        lambda: _missing(looked, missing),
        lambda: _same_pictures(looked),
        lambda: _near_pictures(looked, near_bits),
        lambda: _judged(found, looked),
        lambda: _classes(found, looked),
        lambda: _masks(found, looked),
        lambda: _places(looked),
        lambda: _sequences(looked),
    )
    return tuple(finding for make in makers for finding in make())


def _wrong(looked: Sequence[LookedAt]) -> Iterator[Finding]:
    for one in looked:
        if one.wrong:
            yield Finding("wrong", one.wrong, (one.name,), serious=True)


def _missing(looked: Sequence[LookedAt], missing: Missing) -> Iterator[Finding]:
    bare = [one.name for one in looked if one.bare]
    if bare and missing == "refuse":
        sentence = f"{len(bare)} of {len(looked)} pictures have no labels: {_list(bare)}."
        yield Finding("missing", sentence, tuple(bare), serious=True)


def _same_pictures(looked: Sequence[LookedAt]) -> Iterator[Finding]:
    by_digest: dict[str, list[LookedAt]] = {}
    for one in looked:
        if one.digest:
            by_digest.setdefault(one.digest, []).append(one)
    for same in by_digest.values():
        if len(same) < 2:
            continue
        splits = dict.fromkeys(one.split for one in same)
        names = tuple(one.name for one in same)
        if len(splits) > 1:
            yield Finding("leak", f"The same picture is in {' and '.join(splits)}: {_list(names)}.", names, True)
        else:
            yield Finding(
                "duplicate", f"The same picture is {len(same)} times in {same[0].split}: {_list(names)}.", names
            )


def _near_pictures(looked: Sequence[LookedAt], near_bits: int) -> Iterator[Finding]:
    usable = [one for one in looked if one.code is not None]
    near = [
        (usable[a], usable[b])
        for a, b, _ in find_near([one.code or 0 for one in usable], near_bits)
        if usable[a].digest != usable[b].digest
    ]
    across = [(a, b) for a, b in near if a.split != b.split]
    within = [(a, b) for a, b in near if a.split == b.split]
    if across:
        names = tuple(dict.fromkeys(one.name for pair in across for one in pair))
        first = "; ".join(f"{Path(a.name).name} ({a.split}) and {Path(b.name).name} ({b.split})" for a, b in across[:3])
        sentence = (
            f"{len(across)} pairs of pictures in different splits show nearly the same: {first}"
            f"{'; ...' if len(across) > 3 else ''}. Keep frames of one drive or clip in one split."
        )
        yield Finding("near_leak", sentence, names, serious=True)
    if within:
        names = tuple(dict.fromkeys(one.name for pair in within for one in pair))
        sentence = f"{len(names)} pictures have one in their own split that shows nearly the same: {_list(names)}."
        yield Finding("near_duplicate", sentence, names)


def _judged(found: LabelledSet, looked: Sequence[LookedAt]) -> Iterator[Finding]:
    """What every reader of masks refuses."""
    for split in dict.fromkeys(one.split for one in looked):
        own = [one for one in looked if one.split == split and one.counts is not None]
        if not own:
            continue
        files = [one.label_file or Path(one.name) for one in own]
        counts = np.stack([one.counts for one in own if one.counts is not None])
        where = f"split {split!r} in {found.root}"
        try:
            said = found.void_said
            check_masks(MaskCensus(where, files, counts, found.classes, VOID, said, _reader(found, files)))
        except DataError as error:
            yield Finding("judge", str(error), tuple(map(str, files)), serious=True)


def _reader(found: LabelledSet, files: Sequence[Path]) -> Callable[[int], UInt8]:
    renders = {picture.labels[0]: picture.render for picture in found.pictures if picture.labels}

    def read(number: int) -> UInt8:
        render = renders.get(files[number])
        return np.zeros((1, 1), np.uint8) if render is None else render()

    return read


def _classes(found: LabelledSet, looked: Sequence[LookedAt]) -> Iterator[Finding]:
    totals: dict[str, npt.NDArray[np.int64]] = {}
    for one in looked:
        if one.counts is not None:
            totals[one.split] = totals.get(one.split, np.zeros(256, np.int64)) + one.counts
    for split, counts in totals.items():
        if never := [name for label, name in enumerate(found.classes) if not counts[label]]:
            yield Finding("class", f"No picture of {split} shows {_list(never)}.")


def _masks(found: LabelledSet, looked: Sequence[LookedAt]) -> Iterator[Finding]:
    specks = [one.name for one in looked if one.specks]
    if specks:
        sentence = (
            f"{len(specks)} masks hold many specks of one to three pixels, as smoothing or a lossy file leaves them: "
            f"{_list(specks)}."
        )
        yield Finding("specks", sentence, tuple(specks))
    blind = [one.name for one in looked if one.counts is not None and _is_mostly_void(one.counts)]
    if blind:
        sentence = f"{len(blind)} masks are void for more than half of their pixels: {_list(blind)}."
        yield Finding("mask", sentence, tuple(blind))
    by_mask: dict[str, list[LookedAt]] = {}
    for one in looked:
        if one.counts is not None and np.count_nonzero(one.counts[: len(found.classes)]) > 1:
            by_mask.setdefault(one.mask_digest, []).append(one)
    for same in by_mask.values():
        if len({one.digest for one in same}) > 1:
            names = tuple(one.name for one in same)
            yield Finding("mask", f"{len(same)} different pictures have the same mask: {_list(names)}.", names)
    empty = [
        one.name
        for one in looked
        if one.counts is not None and not one.bare and one.counts[1 : len(found.classes)].sum() == 0
    ]
    if empty and len(empty) < len(looked):
        sentence = f"{len(empty)} of {len(looked)} masks show nothing but {found.classes[0]!r}: {_list(empty)}."
        yield Finding("mask", sentence, tuple(empty))


def _is_mostly_void(counts: npt.NDArray[np.int64]) -> bool:
    return bool(counts[VOID] > MOST_BLIND_SHARE * counts.sum())


def _places(looked: Sequence[LookedAt]) -> Iterator[Finding]:
    """Masks that lie beside their pictures, and those of other pictures."""
    least = least_fit_of([one.fit for one in looked if one.fit is not None])
    compared = [one for one in looked if one.edges is not None]
    edges = [one.edges for one in compared if one.edges is not None]
    exchanged = {compared[at].name: compared[mask] for at, mask in find_exchanged(edges, least)}
    if exchanged:
        pairs = [f"{_short(name)} (that of {_short(of.name)})" for name, of in exchanged.items()]
        sentence = f"{len(pairs)} masks look like those of other pictures, which they fit better: {_join(pairs)}."
        yield Finding("exchanged", sentence, tuple(exchanged))
    moved = [one for one in looked if one.misfit is not None and one.misfit.fit > least and one.name not in exchanged]
    if moved:
        told = [f"{_short(one.name)} ({one.misfit.how})" for one in moved if one.misfit is not None]
        turned = any(one.misfit is not None and "degrees" in one.misfit.how for one in moved)
        about = " Look at the EXIF orientation of the pictures." if turned else ""
        sentence = f"{len(moved)} masks would lie better on their pictures otherwise: {_join(told)}.{about}"
        yield Finding("place", sentence, tuple(one.name for one in moved))


def _sequences(looked: Sequence[LookedAt]) -> Iterator[Finding]:
    """Frames of one sequence on both sides, as names tell it."""
    splits: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for one in looked:
        if (sequence := sequence_of(Path(one.name).name)) is not None and sequence[0]:
            splits.setdefault(sequence[0], set()).add(one.split)
            counts[sequence[0]] = counts.get(sequence[0], 0) + 1
    torn = [name for name, own in splits.items() if len(own) > 1]
    if torn and len(splits) > 1:
        sentence = (
            f"Frames of {len(torn)} of {len(splits)} sequences are in several splits, as their names tell it: "
            f"{_list(torn)}."
        )
        yield Finding("sequence", sentence, tuple(torn))


def _list(names: Sequence[str]) -> str:
    return _join([_short(name) for name in names])


def _join(words: Sequence[str]) -> str:
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return ", ".join(words[:MOST_NAMED]) + more


def _short(name: str) -> str:
    """The last two parts of a path: the split or folder, and the file."""
    return "/".join(Path(name).parts[-2:])
