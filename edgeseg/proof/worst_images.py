"""The images on which two forms of a model disagree most, kept for people to look at."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from edgeseg.console.progress import Tick
from edgeseg.image import UInt8
from edgeseg.proof.samples import Sample, Samples, UnreadableImageError
from edgeseg.proof.stage import Stage

WORST = 6


@dataclass(frozen=True)
class WorstImage:
    """One image and what was made of it, all of one height and width.

    Attributes:
        name: the file's name.
        image: HWC uint8 BGR.
        truth: HW uint8 labels, or None where there is no mask.
        before, after: HW uint8 labels of the float and of the quantised model.
    """

    name: str
    image: UInt8
    truth: UInt8 | None
    before: UInt8
    after: UInt8

    @property
    def disagreement(self) -> float:
        """Part of the pixels whose label changed, 0..1."""
        return float(np.mean(self.before != self.after))


def worst_images(
    before: Stage,
    after: Stage,
    samples: Samples,
    names: Collection[str] | None = None,
    count: int = WORST,
    tick: Tick = lambda: None,
) -> tuple[WorstImage, ...]:
    """Find the ``count`` images on which ``after`` differs most from ``before``, the worst first.

    Args:
        before, after: the two forms of the model.
        samples: what is looked at, each image once; unreadable ones are passed over.
        names: only these images, when somebody already knows which are the worst.
        count: how many are kept; images on which both agree everywhere are none of them.
        tick: called once an image.

    >>> from edgeseg.proof.samples import synthetic_samples
    >>> from edgeseg.spec import ModelSpec
    >>> samples = synthetic_samples(ModelSpec("multiclass", ("sky", "road"), 64, 64))
    >>> fp32 = Stage("fp32", lambda image: (image[..., 0] < 128).astype(np.uint8))
    >>> int8 = Stage("int8", lambda image: (image[..., 0] < 100).astype(np.uint8))
    >>> first, second = worst_images(fp32, int8, samples, count=2)
    >>> first.disagreement > second.disagreement > 0
    True
    """
    kept: list[WorstImage] = []
    for sample in samples:
        if names is not None and sample.name not in names:
            continue
        tick()
        if (found := _predict_both(before, after, sample)) is not None:
            kept = sorted([*kept, found], key=lambda one: (-one.disagreement, one.name))[:count]
    return tuple(kept)


def _predict_both(before: Stage, after: Stage, sample: Sample) -> WorstImage | None:
    try:
        image, truth = sample.read()
    except UnreadableImageError:
        return None
    found = WorstImage(sample.name, image, truth, before.predict(image), after.predict(image))
    return found if found.disagreement else None
