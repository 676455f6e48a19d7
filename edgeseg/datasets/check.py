"""What is in a data folder, and what is wrong with it, before anything is trained or proven on it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.console.progress import Progress, no_progress
from edgeseg.datasets.alignment import MOST_COMPARED, Edges, find_misfit
from edgeseg.datasets.contact_sheet import Cell, choose_shown, draw_sheet
from edgeseg.datasets.convert import DEFAULT_SPLIT, Missing
from edgeseg.datasets.findings import Finding, LookedAt, find_faults
from edgeseg.datasets.formats.labelled_set import VOID, LabelledPicture, LabelledSet
from edgeseg.datasets.formats.picture_file import read_picture
from edgeseg.datasets.looks import count_specks
from edgeseg.datasets.near_duplicates import MOST_BITS, hash_picture
from edgeseg.datasets.picture import read_pair
from edgeseg.errors import DataError
from edgeseg.files.atomic import atomic_file
from edgeseg.image import UInt8
from edgeseg.masks.census import value_counts
from edgeseg.pixel_digest import pixel_digest


@dataclass(frozen=True)
class DatasetReport:
    """What a data folder holds.

    Attributes:
        folder: the folder.
        format: of its labels, in words.
        classes: names in label order.
        pictures: how many of each split.
        shares: of the labelled pixels of each split that show each class, 0..1, (K,) a split.
        shown_in: how many pictures of each split show each class, (K,) a split.
        void: share of all pixels that is void, by split.
        sizes: how often each (height, width) occurs.
        findings: what was noticed; those that are serious come first.
        notes: what the reader guessed or left out.
        sheet: the contact sheet that was drawn, or None.
    """

    folder: Path
    format: str
    classes: tuple[str, ...]
    pictures: dict[str, int]
    shares: dict[str, tuple[float, ...]]
    shown_in: dict[str, tuple[int, ...]]
    void: dict[str, float]
    sizes: dict[tuple[int, int], int]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    sheet: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing serious was found."""
        return not any(finding.serious for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        splits = {
            split: {
                "pictures": count,
                "void": round(self.void[split], 6),
                "classes": {
                    name: {"share": round(share, 6), "pictures": shown}
                    for name, share, shown in zip(self.classes, self.shares[split], self.shown_in[split], strict=True)
                },
            }
            for split, count in self.pictures.items()
        }
        return {
            "folder": str(self.folder),
            "format": self.format,
            "passed": self.passed,
            "classes": list(self.classes),
            "splits": splits,
            "sizes": [{"width": w, "height": h, "pictures": count} for (h, w), count in self.sizes.items()],
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
            "sheet": None if self.sheet is None else str(self.sheet),
        }


def check_set(
    found: LabelledSet,
    sheet: Path | None = None,
    *,
    missing: Missing = "refuse",
    near_bits: int = MOST_BITS,
    progress: Progress = no_progress,
) -> DatasetReport:
    """Look at every picture and mask of a labelled set.

    Args:
        found: what a reader made of a folder.
        sheet: where a contact sheet is drawn, as PNG or JPEG; None: nowhere.
        missing: what pictures without labels are: a fault, all background, or left out.
        near_bits: bits of 64 in which the perceptual hashes of near duplicates differ at most.
        progress: shows how far it is.

    Raises:
        DataError: no pictures.
        OutputError: the sheet cannot be written.
    """
    if not found.pictures:
        raise DataError(f"{found.root}, read as {found.format}, holds no pictures.")
    shown = choose_shown([picture.split for picture in found.pictures])
    cells: list[Cell] = []
    looked: list[LookedAt] = []
    with progress("check", len(found.pictures)) as tick:
        for number, picture in enumerate(found.pictures):
            one, image, mask = look_at(picture, len(found.classes), missing)
            looked.append(one if number < MOST_COMPARED else dataclasses.replace(one, edges=None))
            if image is not None and (number in shown or one.wrong or one.specks or one.misfit):
                cells.append(Cell.make(number, one, image, mask))
            tick()
    findings = find_faults(found, looked, missing, near_bits)
    if sheet is not None:
        with atomic_file(sheet) as staged:
            draw_sheet(staged, cells, found.classes, found.colors, findings)
    return _report(found, looked, findings, sheet)


def look_at(
    picture: LabelledPicture, classes: int, missing: Missing = "refuse"
) -> tuple[LookedAt, UInt8 | None, UInt8 | None]:
    """Decode a picture and its mask and take down what is needed of them; both are None where they cannot be read."""
    split, name = picture.split or DEFAULT_SPLIT, picture.image_name
    image = mask = None
    wrong = ""
    try:
        if picture.render is None and not picture.wrong:
            image = read_picture(picture.image, picture.name)
            mask = np.zeros(image.shape[:2], np.uint8) if missing == "background" else None
        else:
            image, mask = read_pair(picture, classes)
    except DataError as error:
        wrong = str(error)
        image = image if image is not None else _image_alone(picture)
    edges = None if image is None or mask is None else Edges.find(image, mask)
    one = LookedAt(
        name=name,
        split=split,
        size=None if image is None else (image.shape[0], image.shape[1]),
        digest="" if image is None else pixel_digest(image),
        code=None if image is None else hash_picture(image),
        counts=None if mask is None else value_counts(mask),
        mask_digest="" if mask is None else pixel_digest(mask),
        label_file=picture.labels[0] if picture.labels else None,
        specks=0 if mask is None else count_specks(mask),
        bare=picture.render is None and not picture.wrong,
        wrong=wrong,
        fit=None if edges is None else edges.fit,
        misfit=None if edges is None else find_misfit(edges),
        edges=None if edges is None else edges.shrink(),
    )
    return one, image, mask


def _image_alone(picture: LabelledPicture) -> UInt8 | None:
    try:
        return read_picture(picture.image, picture.name)
    except DataError:
        return None


def _report(
    found: LabelledSet, looked: Sequence[LookedAt], findings: Sequence[Finding], sheet: Path | None
) -> DatasetReport:
    classes = len(found.classes)
    splits = tuple(dict.fromkeys(one.split for one in looked))
    shares, shown_in, void = {}, {}, {}
    for split in splits:
        rows = [one.counts for one in looked if one.split == split and one.counts is not None]
        counts = np.stack(rows) if rows else np.zeros((1, 256), np.int64)
        pixels = counts[:, :classes].sum(0)
        shares[split] = tuple(float(share) for share in pixels / max(1, pixels.sum()))
        shown_in[split] = tuple(int(count) for count in (counts[:, :classes] > 0).sum(0))
        void[split] = float(counts[:, VOID].sum() / max(1, counts.sum()))
    sizes = Counter(one.size for one in looked if one.size is not None)
    pictures = dict(Counter(one.split for one in looked))
    notes, ordered = found.notes, tuple(sorted(findings, key=lambda finding: not finding.serious))
    most = dict(sizes.most_common())
    return DatasetReport(
        found.root, found.format, found.classes, pictures, shares, shown_in, void, most, ordered, notes, sheet
    )
