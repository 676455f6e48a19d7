"""What each limit says, and how sure."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from edgeseg.errors import GateFailed
from edgeseg.metrics.bootstrap import Interval, draw_blocks, resample
from edgeseg.metrics.boundary_iou import BoundaryIoU
from edgeseg.metrics.confusion import Confusion
from edgeseg.metrics.image_counts import ImageCounts
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore, compare
from edgeseg.proof.judgement import count_needed, decide, judgement_table
from edgeseg.proof.judges.certainty import class_iou, find_certainty
from edgeseg.proof.judges.gates import check_budget, limit_drop
from edgeseg.proof.judges.judge import judge, list_judgements, misses
from edgeseg.proof.judges.recheck import Rechecked, sure_loss
from edgeseg.proof.judges.whole import judge_whole, lose_miou
from edgeseg.proof.judges.worst_class import judge_classes
from edgeseg.proof.samples import Sample, Samples
from edgeseg.proof.stage import Stage
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("sky", "road", "pole"), 32, 32)
LIMITS = Budget(2.0, 4.0, 50.0)


def scenes(count, wrong, rare=None, names="scene_{:03}.png"):
    """Labelled pictures; the blue channel holds the truth, the green one what INT8 says: ``wrong(i)`` of its pixels."""

    def read(i):
        rng = np.random.default_rng(i)
        truth = (np.arange(32)[:, None] // 16 + np.zeros((1, 32))).astype(np.uint8)
        if rare is None or i in rare:
            truth[4:12, 4:12] = 2
        after = truth.copy()
        flipped = rng.random(truth.shape) < wrong(i)
        after[flipped] = (truth[flipped] + 1) % 3
        return np.stack([truth, after, truth], -1), truth

    items = tuple(Sample(names.format(i), lambda i=i: read(i)) for i in range(count))
    return Samples(items, "scenes", "val", labelled=True)


STAGES = [Stage("fp32", lambda image: image[..., 0].copy()), Stage("int8", lambda image: image[..., 1].copy())]


def verdicts(samples, budget):
    found = compare(STAGES, samples, SPEC)
    return {one.field: one.verdict for one in judge(found, found.stages[1], budget)}


def test_totals_are_the_sums_of_what_each_image_gave():
    found = compare(STAGES, scenes(9, lambda i: 0.01 * i), SPEC)
    for stage in found.stages:
        table = stage.images.table
        assert table.shape == (9, 5, 3)
        totals = stage.confusion.hits, stage.confusion.truth, stage.confusion.predicted
        np.testing.assert_array_equal(table.sum(0)[:3], totals)
        np.testing.assert_array_equal(table.sum(0)[3:], (stage.boundary.intersection, stage.boundary.union))
    int8 = found.stages[1]
    assert int8.images.names[8] == "scene_008.png"
    assert int8.images.changed[0] == 0 < int8.images.changed[8]
    assert int8.pixels == 9 * 32 * 32
    again = ImageCounts.from_dict(int8.images.to_dict())
    np.testing.assert_array_equal(again.table, int8.images.table)
    assert (again.names, again.digests, again.changed) == (int8.images.names, int8.images.digests, int8.images.changed)


def test_a_small_even_loss_on_many_images_is_held_and_a_large_one_missed():
    assert set(verdicts(scenes(40, lambda i: 0.002), LIMITS).values()) == {"held"}
    assert verdicts(scenes(40, lambda i: 0.05), LIMITS)["max_drop"] == "missed"


def test_a_loss_under_the_limit_that_varies_is_not_called_held():
    uneven = scenes(24, lambda i: 0.12 if i % 8 == 0 else 0.0)
    found = compare(STAGES, uneven, SPEC)
    int8 = found.stages[1]
    budget = Budget(found.drop(int8) + 0.3, 100, 100)
    whole = judge(found, int8, budget)[0]
    assert (whole.verdict, whole.images) == ("cannot tell", 24)
    assert whole.upper > budget.max_drop > whole.points
    assert whole.images_needed > 24
    assert whole.certainty == f"cannot tell with 24, about {whole.images_needed} would"


def test_the_bounds_are_those_of_a_plain_loop_over_the_images():
    """Every step written out once more: draw images, add their confusion matrices, take the mIoU of both, subtract."""
    found = compare(STAGES, scenes(20, lambda i: 0.004 * (i % 5), names="{:c}.png"), SPEC)
    masks = [(image[..., 0], image[..., 1]) for image, _ in (s.read() for s in scenes(20, lambda i: 0.004 * (i % 5)))]

    def confusion(truth, labels):
        table = np.zeros((3, 3))
        for t, p in zip(truth.ravel(), labels.ravel(), strict=True):
            table[t, p] += 1
        return table

    def miou(table):
        return np.mean([table[k, k] / (table[k].sum() + table[:, k].sum() - table[k, k]) for k in range(3)])

    tables = [(confusion(truth, truth), confusion(truth, after)) for truth, after in masks]
    drops = []
    for drawn in draw_blocks(20)[:300]:
        sums = [sum(n * table[stage] for n, table in zip(drawn, tables, strict=True)) for stage in (0, 1)]
        drops.append(100 * (miou(sums[0]) - miou(sums[1])))
    int8 = found.stages[1].images.table
    some = draw_blocks(20)[:300]
    ours = lose_miou(resample(found.reference.images.table, range(20), some), resample(int8, range(20), some))
    np.testing.assert_allclose(ours[:, 0], drops, atol=1e-9)


def test_a_class_that_few_images_show_cannot_be_judged_by_them():
    found = compare(STAGES, scenes(40, lambda i: 0.002, rare={1, 20, 33}), SPEC)
    int8 = found.stages[1]
    by_class = {one.what: one.verdict for one in judge_classes(found, int8, 30.0)}
    assert by_class == {
        "worst class, sky": "held",
        "worst class, road": "held",
        "worst class, pole": "cannot tell",
    }
    worst = judge(found, int8, Budget(2.0, 30.0, 50.0))[1]
    assert (worst.what, worst.verdict) == ("worst class, pole", "cannot tell")
    assert worst.images_needed == math.ceil(40 * 8 / 3)


def test_no_class_is_held_that_is_over_the_limit_more_often_than_one_in_twenty():
    """The bound of the worst class needs no correction for the number of classes: one true offender is enough."""
    rng = np.random.default_rng(11)
    held, trials, limit = 0, 150, 2.0
    for _ in range(trials):
        found = drawn_comparison(rng, images=60, losses=(0.0, 0.0, 0.0, 0.0205, 0.0))
        held += {one.verdict for one in judge_classes(found, found.stages[1], limit)} == {"held"}
    assert held / trials <= 0.08


def drawn_comparison(rng, images, losses):
    """A comparison of two forms whose second loses a share of each class's pixels, of images of unequal difficulty."""
    classes = len(losses)
    before, after = ImageCounts(), ImageCounts()
    difficulty = rng.gamma(4.0, 0.25, images)
    for image in range(images):
        wrong = rng.binomial(2000, np.minimum(1, np.array(losses) * difficulty[image]))
        full = np.full(classes, 2000)
        before.rows.append(np.stack([full, full, full, full, full]))
        after.rows.append(np.stack([full - wrong, full, full - wrong, full, full]))
        for counts in (before, after):
            counts.names.append(f"{chr(0x4E00 + image)}.png")
            counts.digests.append(str(image))
            counts.changed.append(0)
            counts.pixels.append(2000 * classes)
    scores = []
    for name, counts in (("fp32", before), ("int8", after)):
        score = StageScore(name, Confusion(classes), BoundaryIoU(classes), counts)
        hits, truth = counts.part("hits").sum(0), counts.part("truth").sum(0)
        score.confusion.counts[:, :-1] = np.diag(hits)
        score.confusion.counts[:, -1] = truth - hits
        score.boundary.intersection, score.boundary.union = (counts.part(p).sum(0) for p in ("intersection", "union"))
        scores.append(score)
    return Comparison(scores, tuple("abcde"[:classes]), True, "drawn", None, images)


def test_the_verdict_of_mean_iou_is_right_as_often_as_it_says():
    rng = np.random.default_rng(5)
    true = 100 * 0.01
    under = 0
    for _ in range(150):
        found = drawn_comparison(rng, images=40, losses=(0.02, 0.01, 0.0, 0.01, 0.01))
        under += judge_whole(found, found.stages[1], LIMITS).upper >= true
    assert 0.91 <= under / 150 <= 0.99


def test_two_thousand_draws_of_500_images_take_well_under_a_second():
    found = drawn_comparison(np.random.default_rng(0), 500, (0.01,) * 5)
    wide = [np.tile(row, 3)[:, :11] for row in found.stages[1].images.rows]
    for stage in found.stages:
        stage.images.rows = wide
    start = time.thread_time()
    find_certainty(found, found.stages[1], lambda before, after: class_iou(before) - class_iou(after))
    assert time.thread_time() - start < 1.0


def test_what_cannot_be_told_passes_unless_it_is_required(tmp_path):
    few = compare(STAGES, scenes(4, lambda i: 0.002), SPEC)
    check_budget(few, LIMITS)
    strict = Budget(2.0, 4.0, 50.0, require_held=True)
    with pytest.raises(
        GateFailed, match=r"`max_drop` is 2 \(cannot tell with 4, about 8 would\).*`max_class_drop` is 4"
    ) as failed:
        check_budget(few, strict)
    assert [miss.verdict for miss in failed.value.misses] == ["cannot tell"] * 4
    many = compare(STAGES, scenes(40, lambda i: 0.002), SPEC)
    assert not misses(many, many.stages[1], strict)


def test_how_many_images_would_tell():
    sure = Interval(-0.1, 0.9, 0.8, 0.0, 100)
    assert count_needed(100, 0.2, sure, 0.5) == 400
    assert count_needed(100, 0.5, sure, 0.5) is None
    assert count_needed(100, 0.2, Interval(0.1, 0.6, 0.5001, 0.1, 100), 0.5) > 100
    assert count_needed(5, 0.2, Interval(-math.inf, math.inf, math.inf, -math.inf, 4), 0.5) == 10
    assert decide("max_drop", "mIoU", 0.5, math.nan, sure, 100).verdict == "missed"


def test_masks_that_are_the_same_are_held():
    found = compare([STAGES[0], Stage("int8", STAGES[0].predict)], scenes(12, lambda i: 0.1), SPEC)
    judged = judge(found, found.stages[1], Budget(0, 0, 0))
    assert {one.verdict for one in judged} == {"held"}
    assert "95 % under" in judgement_table(judged)


def recoloured(count, better, worse):
    """Pictures whose float masks err in two stripes; INT8 mends ``better`` rows of them and spoils ``worse`` others."""

    def read(i):
        truth = (np.arange(64)[:, None] // 16 % 2 + np.zeros((1, 64))).astype(np.uint8)
        before = truth.copy()
        before[:8] = 1 - before[:8]
        after = before.copy()
        after[:better] = truth[:better]
        after[60 : 60 + worse] = 1 - truth[60 : 60 + worse]
        return np.stack([before, after, truth + np.uint8(i)], -1), truth

    items = tuple(Sample(f"{chr(97 + i)}.png", lambda i=i: read(i)) for i in range(count))
    return compare(STAGES, Samples(items, "x", "val", labelled=True), ModelSpec("multiclass", ("sky", "road"), 64, 64))


def test_many_changed_pixels_fail_though_no_score_fell():
    found = recoloured(10, better=2, worse=2)
    int8 = found.stages[1]
    assert found.drop(int8) == pytest.approx(0, abs=0.3)
    assert 100 * (1 - int8.agreement) == 6.25
    with pytest.raises(
        GateFailed, match=r"6.25 % of the pixels changed, 6.25 in the worst image \(a.png\); `max_change` is 3\."
    ) as failed:
        check_budget(found, Budget(max_boundary_drop=100))
    assert "mIoU does not see what changed for the better" in str(failed.value)
    assert "Give more" not in str(failed.value)
    check_budget(found, Budget(max_boundary_drop=100, max_change=6.3))


def test_a_gain_beyond_chance_is_a_failure_to_explain():
    found = recoloured(10, better=1, worse=0)
    assert found.drop(found.stages[1]) < -2
    with pytest.raises(
        GateFailed, match=r"mIoU gained \d\.\d\d points, more than chance gives; `max_gain` is 0\.5"
    ) as failed:
        check_budget(found, Budget(max_boundary_drop=100))
    assert "cannot be better than the network that it rounds" in str(failed.value)
    check_budget(found, Budget(max_boundary_drop=100, max_gain=5))
    few = recoloured(4, better=1, worse=0)
    check_budget(few, Budget(max_boundary_drop=100))


def test_a_small_gain_needs_no_explanation():
    rng = np.random.default_rng(2)
    found = drawn_comparison(rng, 60, (0.0,) * 5)
    reference, int8 = found.stages
    found.stages[:] = [StageScore("fp32", int8.confusion, int8.boundary, int8.images), reference]
    assert "max_gain" not in {one.field for one in judge(found, found.stages[1], Budget())}


def test_one_drive_holds_nothing_whatever_its_bounds_are():
    """CamVid's validation frames are one drive of seven seconds: INT8 lost 0.28 there, and 0.60 on other drives."""
    rng = np.random.default_rng(4)
    found = drawn_comparison(rng, 60, (0.002,) * 5)
    assert {one.verdict for one in judge(found, found.stages[1], Budget())} == {"held"}
    slow = (1000 + rng.normal(0, 40, 60).cumsum()).astype(int)
    for stage in found.stages:
        stage.images.names[:] = [f"0016E5_{i:05}.png" for i in range(60)]
        for row, pixels in zip(stage.images.rows, slow, strict=True):
            row[1, 0] = pixels
    judged = judge(found, found.stages[1], Budget())
    assert {one.verdict for one in judged} == {"cannot tell"}
    assert judged[0].certainty == "cannot tell with 60 of 1 sequence, 8 would"
    assert judged[0].images_needed == 480
    assert math.isfinite(judged[0].upper), "of more of the same drive the bound is known"


def test_the_best_of_many_models_is_less_sure_than_one():
    found = drawn_comparison(np.random.default_rng(6), 60, (0.01,) * 5)
    one = judge(found, found.stages[1], LIMITS)[0]
    found.looks = 15
    best = judge(found, found.stages[1], LIMITS)[0]
    assert best.points == one.points
    assert best.upper > one.upper


def test_a_limit_that_allows_anything_is_held_and_not_listed():
    few = compare(STAGES, scenes(4, lambda i: 0.002), SPEC)
    verdicts = {one.field: one.verdict for one in judge(few, few.stages[1], limit_drop(2.0))}
    assert verdicts.pop("max_drop") == "cannot tell"
    assert set(verdicts.values()) == {"held"}
    assert [one.field for one in list_judgements(few, limit_drop(2.0))["int8"]] == ["max_drop"]
    check_budget(few, limit_drop(2.0))
    with pytest.raises(GateFailed, match="cannot tell with 4"):
        check_budget(few, limit_drop(2.0, held=True))


class TestAgainstItself:
    """The same network measured again: what was lost, and whether chance explains it."""

    @staticmethod
    def again(wrong_then, wrong_now):
        then, now = (compare(STAGES, scenes(100, wrong), SPEC) for wrong in (wrong_then, wrong_now))
        found = Rechecked(replace(now, stages=[then.reference, now.stages[1]]), then=then.stages[1])
        lost = 100 * (then.stages[1].confusion.mean_iou - now.stages[1].confusion.mean_iou)
        return lost, sure_loss(found)

    def test_the_same_answers_lose_nothing_for_sure(self):
        lost, sure = self.again(lambda i: 0.01, lambda i: 0.01)
        assert (lost, sure.lower, sure.upper) == (0, 0, 0)

    def test_a_real_loss_of_a_third_of_a_point_is_sure_on_100_images(self):
        lost, sure = self.again(lambda i: 0.010, lambda i: 0.011)
        assert 0.2 < lost < 0.6
        assert sure.floor > 0

    def test_one_image_that_went_wrong_is_not(self):
        lost, sure = self.again(lambda i: 0.01, lambda i: 0.5 if i == 7 else 0.01)
        assert lost > 0.3
        assert sure.floor <= 0
