"""What one limit of a budget says about one form of a model, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgeseg.console.text_table import format_table
from edgeseg.metrics.bootstrap import LEAST_BLOCKS, Interval
from edgeseg.proof.compare import finite

Verdict = Literal["held", "missed", "cannot tell"]


@dataclass(frozen=True)
class Judgement:
    """A limit, what was measured against it, and what that says about images that nobody has seen.

    Attributes:
        field: the limit's name in :class:`~edgeseg.proof.budget.Budget`.
        what: what is judged, such as ``mIoU``.
        limit: how many points are allowed.
        points: how many were measured; NaN when nothing could be.
        verdict: ``missed`` when ``points`` is over the limit, or unknown; ``held`` when it is sure (95 %) that
            ``points`` stays within the limit on more images of the same kind; else ``cannot tell``. Frames of fewer
            than eight sequences hold nothing: how much a drive differs from the next is not known from one.
        upper: what ``points`` is under, 95 % sure; infinite when that is not known.
        interval: what it lies between, 95 % sure.
        images: how many were measured.
        images_needed: about how many would tell, were their mean the same; None when no number would.
        sequences: of how many sequences the images are, where those are too few to speak for others; else 0.
        said: what was measured as a clause; by default that ``what`` lost so many points.
        advice: sentences on what to do about it, where a larger limit is not the answer.

    >>> print(Judgement("max_drop", "mIoU", 0.5, 0.72, "missed", 1.1, (0.3, 1.2), 101))
    mIoU lost 0.72 points; `max_drop` is 0.5
    """

    field: str
    what: str
    limit: float
    points: float
    verdict: Verdict
    upper: float
    interval: tuple[float, float]
    images: int
    images_needed: int | None = None
    sequences: int = 0
    said: str = ""
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.said or f'{self.what} lost {self.points:.2f} points'}; {self.limit_sentence}"

    @property
    def limit_sentence(self) -> str:
        """The limit, and where it is not exceeded, why it is not held either."""
        limit = f"`{self.field}` is {self.limit:g}"
        if self.verdict != "cannot tell":
            return limit
        reach = f", and it may be {self.upper:.2f} on others" if math.isfinite(self.upper) else ""
        return f"{limit}{reach} ({self.certainty})"

    @property
    def certainty(self) -> str:
        """The verdict as a table shows it, with the number of images that would tell."""
        if self.verdict != "cannot tell":
            return self.verdict
        if self.sequences:
            sequences = f"{self.sequences} sequence{'s' * (self.sequences > 1)}"
            return f"cannot tell with {self.images} of {sequences}, {LEAST_BLOCKS} would"
        told = f"cannot tell with {self.images}"
        return f"{told}, about {self.images_needed} would" if self.images_needed else told

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what is not known, and a limit that allows anything, is None."""
        return {
            "what": self.what,
            "field": self.field,
            "lost": finite(self.points),
            "limit": finite(self.limit),
            "passed": self.verdict != "missed",
            "verdict": self.verdict,
            "upper": finite(self.upper),
            "interval": [finite(end) for end in self.interval],
            "images": self.images,
            "images_needed": self.images_needed,
            "sequences": self.sequences,
        }


def decide(field: str, what: str, limit: float, points: float, sure: Interval, images: int) -> Judgement:
    """Judge what was measured.

    Args:
        field, what, limit, points, images: see :class:`Judgement`.
        sure: how sure ``points`` is.

    >>> decide("max_drop", "mIoU", 0.5, 0.2, Interval(-0.1, 0.5, 0.4, 0.0, 100), 100).verdict
    'held'
    >>> decide("max_drop", "mIoU", 0.5, 0.2, Interval(-0.1, 0.9, 0.8, 0.0, 100), 100).certainty
    'cannot tell with 100, about 400 would'
    """
    interval = (sure.lower, sure.upper)
    if not points <= limit:
        return Judgement(field, what, limit, points, "missed", sure.bound, interval, images)
    if math.isinf(limit) or (sure.bound <= limit and not sure.sequences):
        return Judgement(field, what, limit, points, "held", sure.bound, interval, images)
    needed = count_needed(images, points, sure, limit)
    return Judgement(field, what, limit, points, "cannot tell", sure.bound, interval, images, needed, sure.sequences)


def count_needed(images: int, points: float, sure: Interval, limit: float) -> int | None:
    """Estimate how many images would tell: the bound's distance shrinks with the root of their number.

    Rounded up to two digits, as it is known no better; None when ``points`` is the limit. Where there were too few
    blocks of images to know a bound, or too few sequences, it is the number that has enough of them.
    """
    if sure.sequences:
        return math.ceil(images * LEAST_BLOCKS / sure.sequences)
    if points >= limit or not sure.blocks:
        return None
    if not sure.is_known:
        return math.ceil(images * LEAST_BLOCKS / sure.blocks)
    needed = images * ((sure.bound - points) / (limit - points)) ** 2
    digit = int(10 ** max(0, math.floor(math.log10(needed)) - 1))
    return max(images + 1, math.ceil(needed / digit - 1e-9) * digit)


def judgement_table(judgements: Sequence[Judgement]) -> str:
    """Lay out every limit, for people.

    >>> print(judgement_table([decide("max_drop", "mIoU", 0.5, 0.2, Interval(-0.1, 0.9, 0.8, 0.0, 100), 100)]))
    judged   lost     95 % between  95 % under  limit  on unseen images
    mIoU    +0.20  -0.10 and +0.90       +0.80    0.5  cannot tell with 100, about 400 would
    """
    head = ["judged", "lost", "95 % between", "95 % under", "limit", "on unseen images"]
    return format_table([head, *([one.what, *_figures(one), one.certainty] for one in judgements)], left=(0, 5))


def _figures(one: Judgement) -> list[str]:
    known = math.isfinite(one.upper)
    return [
        "-" if math.isnan(one.points) else f"{one.points:+.2f}",
        f"{one.interval[0]:+.2f} and {one.interval[1]:+.2f}" if known else "-",
        f"{one.upper:+.2f}" if known else "-",
        "any" if math.isinf(one.limit) else f"{one.limit:g}",
    ]
