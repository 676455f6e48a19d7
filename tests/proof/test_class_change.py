"""Where no masks judge, a class that goes fails however few its pixels are."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import GateFailed
from edgeseg.metrics.image_counts import ImageCounts
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import compare
from edgeseg.proof.judges.class_change import list_changes
from edgeseg.proof.judges.gates import check_budget, check_drop
from edgeseg.proof.judges.judge import judge, misses
from edgeseg.proof.samples import Sample, Samples
from edgeseg.proof.stage import Stage
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("sky", "road", "pole"), 120, 160)
STAGES = [Stage("fp32", lambda image: image[..., 0].copy()), Stage("int8", lambda image: image[..., 1].copy())]


def scenes(count, pole, labelled=False):
    """Pictures with three poles of 10x10 in the blue channel, ``pole(i)`` of them in the green one."""

    def read(i):
        before = (np.arange(120)[:, None] // 60 + np.zeros((1, 160))).astype(np.uint8)
        after = before.copy()
        for at in range(3):
            before[20:30, 30 * at : 30 * at + 10] = 2
            if at < pole(i):
                after[20:30, 30 * at : 30 * at + 10] = 2
        return np.stack([before, after, before], -1), before if labelled else None

    items = tuple(Sample(f"scene_{chr(97 + i)}.png", lambda i=i: read(i)) for i in range(count))
    return Samples(items, "scenes", "val" if labelled else None, labelled=labelled)


def judged(samples, budget=Budget()):  # noqa: B008
    found = compare(STAGES, samples, SPEC)
    return next((one for one in judge(found, found.stages[1], budget) if one.field == "max_class_change"), None)


def test_a_class_that_went_from_every_picture_fails_whatever_its_share_and_the_limit():
    found = compare(STAGES, scenes(9, lambda i: 0), SPEC)
    assert found.drop(found.stages[1]) < 2  # percent of the pixels: within the limit of 5
    missed = misses(found, found.stages[1], Budget())
    assert [one.field for one in missed] == ["max_class_change"]
    with pytest.raises(GateFailed, match=r"the class pole has vanished: 2700 pixels in the reference, none now; `m"):
        check_budget(found, Budget())
    with pytest.raises(GateFailed, match="vanished"):
        check_budget(found, Budget(max_class_change=100))
    with pytest.raises(GateFailed, match=r"Give pictures in which the class is larger"):
        check_drop(found, 5)


def test_a_tenth_of_the_objects_is_the_limit():
    assert judged(scenes(10, lambda i: 3)).verdict == "held"
    tenth = judged(scenes(10, lambda i: 3 if i else 0))
    assert (tenth.points, tenth.verdict) == (10, "cannot tell")
    assert judged(scenes(10, lambda i: 3 if i > 1 else 0)).verdict == "missed"
    assert judged(scenes(10, lambda i: 3 if i > 1 else 0), Budget(max_class_change=30)).verdict == "cannot tell"
    assert judged(scenes(10, lambda i: 2)).points == pytest.approx(100 / 3)


def test_few_pictures_cannot_tell():
    few = judged(scenes(3, lambda i: 3))
    assert (few.points, few.verdict) == (0, "cannot tell")


def test_with_masks_the_iou_of_each_class_judges():
    assert judged(scenes(9, lambda i: 0, labelled=True)) is None
    found = compare(STAGES, scenes(9, lambda i: 0, labelled=True), SPEC)
    assert "max_class_drop" in [one.field for one in misses(found, found.stages[1], Budget(max_drop=100))]


def test_what_was_counted_survives_being_written():
    found = compare(STAGES, scenes(4, lambda i: 1), SPEC)
    before = list_changes(found, found.stages[1])
    found.stages[1].images = ImageCounts.from_dict(found.stages[1].images.to_dict())
    assert [str(one) for one in list_changes(found, found.stages[1])] == [str(one) for one in before]
    assert str(before[2]) == "of the class pole 1200 pixels became 400, of 12 objects 8 went and 0 came"
