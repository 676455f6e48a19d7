"""The limits of a budget held again: the same pictures, measured here, against what the reference gave then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.console.progress import Tick
from edgeseg.errors import ArtifactError, DataError, UserError
from edgeseg.image import UInt8
from edgeseg.metrics.bootstrap import Interval
from edgeseg.proof.budget import LIMITS, Budget
from edgeseg.proof.compare import Comparison, StageScore, begin_score, count_changes
from edgeseg.proof.image_record import ImageRecord
from edgeseg.proof.judgement import Judgement
from edgeseg.proof.judges.certainty import find_certainty
from edgeseg.proof.judges.judge import judge
from edgeseg.proof.judges.whole import lose_miou
from edgeseg.proof.samples import Samples, UnreadableImageError
from edgeseg.proof.stage import Stage, answer_digest
from edgeseg.runtime.engines.predictor import Examined
from edgeseg.spec import ModelSpec

PARITY_PERCENT = 0.5
"""Of the pixels that a float export may change, where it was proven without masks."""
ADVICE = "Give the float artifact that it was made from as `reference`, which is then measured beside it."


@dataclass(frozen=True)
class Rechecked:
    """A comparison of the artifact as it is here with the reference as it was.

    Attributes:
        comparison: the reference's record first, then what was measured now.
        labels_unknown, confidence_unknown: how many images got another answer than when it was proven, where the
            reference's own was not kept, so that what it changed against that is not known.
        same_masks: the truth of every image counts what it counted then; always so without masks.
        then: what the artifact itself gave when it was proven; None where that is not known image by image.
    """

    comparison: Comparison
    labels_unknown: int = 0
    confidence_unknown: int = 0
    same_masks: bool = True
    then: StageScore | None = None

    def judge(self, budget: Budget) -> list[Judgement]:
        """Judge every limit that applies; what the record cannot tell is *cannot tell*."""
        found = judge(self.comparison, self.comparison.stages[1], budget)
        if self.labels_unknown:
            found = [
                self._unknown("max_change", budget.change()) if one.field == "max_change" else one for one in found
            ]
        if self.confidence_unknown:
            found = [one for one in found if one.field not in ("max_confidence_change", "max_crossing")]
            found.append(self._unknown("max_confidence_change", budget.max_confidence_change))
            if budget.max_crossing is not None:
                found.append(self._unknown("max_crossing", budget.max_crossing))
        return found

    def _unknown(self, field: str, limit: float) -> Judgement:
        what, count = ("% of pixels changed", self.labels_unknown)
        if field != "max_change":
            what, count = ("confidence", self.confidence_unknown)
        images = self.comparison.images
        said = f"of {count} of {images} images the answer is another than when it was proven, so that what it changed "
        return Judgement(
            field,
            what,
            limit,
            math.nan,
            "held" if math.isinf(limit) else "cannot tell",
            math.inf,
            (-math.inf, math.inf),
            images,
            said=f"{said}against the reference is not known",
            advice=ADVICE,
        )


def recheck(stage: Stage, spec: ModelSpec, record: ImageRecord, samples: Samples, tick: Tick) -> Rechecked:
    """Measure an artifact again on the pictures of its record.

    Args:
        stage: the artifact, open here.
        spec: its own.
        record: what it recorded.
        samples: the same pictures, in the same order.
        tick: called once an image.

    Raises:
        DataError: other images can be read than then; or a mask contradicts the classes.
        ArtifactError: it was proven without masks, and those of its reference are not in it.
    """
    before = record.comparison
    then = before.stages[1]
    now = begin_score(then.name, spec, samples.ignore_index if samples.labelled else then.confusion.ignore_index)
    again = _Again(now, then, spec, record.masks)
    skipped: list[str] = []
    for sample in samples:
        tick()
        try:
            image, mask = sample.read()
        except UnreadableImageError as error:
            skipped.append(str(error))
            continue
        again.count(sample.name, stage.answer(image), mask)
    if len(now.images) != before.images:
        raise DataError(
            f"It was verified on {before.images} readable images; now {len(now.images)} of them can be read. "
            f"{' '.join(skipped[:1])}"
        )
    if again.confidence_unknown:
        now.confidence = None
    found = Comparison(
        [before.reference, now],
        before.classes,
        before.labelled,
        samples.source,
        samples.split,
        len(now.images),
        skipped,
        before.labels_seen,
        looks=before.looks,
    )
    same = not before.labelled or np.array_equal(now.images.part("truth"), before.reference.images.part("truth"))
    return Rechecked(found, again.labels_unknown, again.confidence_unknown, same, then)


@dataclass
class _Again:
    """Counts of the artifact as it is now, image by image, beside what it counted then."""

    now: StageScore
    then: StageScore
    spec: ModelSpec
    masks: Sequence[UInt8] | None
    labels_unknown: int = 0
    confidence_unknown: int = 0

    def count(self, name: str, found: Examined, truth: UInt8 | None) -> None:
        """Count one image."""
        at, digest = len(self.now.images), answer_digest(found)
        if at >= len(self.then.images):
            raise DataError(f"It was verified on {at} readable images; now more of them can be read.")
        same = self.then.images.answers[at] == digest
        reference = self._recall(at, found.labels)
        if truth is None and reference is None:
            raise ArtifactError(
                "It was verified without masks, and the masks of its reference took too much room to be kept. " + ADVICE
            )
        kept = found.labels if reference is None else reference
        self.now.count(found.labels, kept, kept if truth is None else truth, (name, self.then.images.digests[at]))
        self.now.images.answers.append(digest)
        if reference is None:
            self.now.images.changed[-1] = self.then.images.changed[at]
            self.labels_unknown += not same
        if truth is None:
            self.now.images.objects.append(count_changes(kept, found.labels, self.spec))
        self._count_confidence(at, same)

    def _recall(self, at: int, labels: UInt8) -> UInt8 | None:
        if self.masks is None:
            return None
        if self.masks[at].shape != labels.shape:
            raise ArtifactError(f"The kept mask of image {at} has another size than the image. Export the model again.")
        return self.masks[at]

    def _count_confidence(self, at: int, same: bool) -> None:
        """What it moved by then, where the answer is the same; the reference's own is not kept."""
        then = self.then.confidence
        if then is None or not then.change.rows:
            self.now.confidence = None
        elif not same:
            self.confidence_unknown += 1
        elif self.now.confidence is not None:
            self.now.confidence.change.rows.append(then.change.rows[at])
            self.now.confidence.change.class_rows.append(then.change.class_rows[at])


def sure_loss(found: Rechecked) -> Interval:
    """Say how sure it is what an artifact with masks lost against itself, in points of mIoU, paired by image.

    Args:
        found: with what it gave then.
    """
    assert found.then is not None
    itself = replace(found.comparison, stages=[found.then, found.comparison.stages[1]], looks=1)
    return find_certainty(itself, itself.stages[1], lose_miou)[0]


def choose_budget(artifact: Artifact, given: Mapping[str, float], require_held: bool = False) -> Budget:
    """Complete the limits that were given by those that an artifact was made with.

    Args:
        artifact: an INT8 one records its limits; a float one may change what a float export may.
        given: limits by their names in :class:`~edgeseg.proof.budget.Budget`.
        require_held: see there.

    Raises:
        UserError: there is no such limit, or a value is none.
    """
    if strange := sorted(set(given) - set(LIMITS)):
        raise UserError(f"The limits of a budget are {', '.join(LIMITS)}; found {strange[0]}.")
    recorded: dict[str, Any] = {}
    if artifact.precision == "fp32":
        recorded["max_drop"] = PARITY_PERCENT
    for one in artifact.measured.get("judgements", ()):
        recorded[one["field"]] = math.inf if one["limit"] is None else float(one["limit"])
    known: dict[str, Any] = {name: limit for name, limit in recorded.items() if name in LIMITS}
    return Budget(**{**known, **given}, require_held=require_held, asked=frozenset(given))
