"""When plain INT8 misses its budget: layers in float, chosen on some images and judged on others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgeseg.calibration.images.parts import Parts, choose_parts
from edgeseg.calibration.search.mixed_precision import search_layers
from edgeseg.calibration.search.trials import Trial, Trials
from edgeseg.errors import GateFailed
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison
from edgeseg.proof.judgement import Judgement
from edgeseg.proof.judges.gates import budget_sentence
from edgeseg.proof.judges.judge import judge, misses
from edgeseg.proof.ladder import Ladder
from edgeseg.proof.tables import class_table

NEXT_STEP = (
    "Post-training quantisation does not suffice for this network. Next: tune it for a few epochs under the rounding "
    "of INT8, `edgeseg.train(weights='best.pt', qat=True, data=DIR)`, and then quantise it again (a network from "
    "elsewhere: quantisation-aware training where it was trained); or give more typical images with `data`, try "
    "another `method`, or allow a larger loss. What was measured is kept, so another limit costs no new measurements."
)
SCALED = ("max_drop", "max_class_drop", "max_boundary_drop", "max_change")


def rescue(trials: Trials, plain: Trial, budget: Budget) -> tuple[Trial, Ladder, Parts]:
    """Find the fewest layers in float that hold the budget.

    They are chosen on images that do not prove. The proof has been asked once, about the plain model, and is asked once
    more, about the one that was chosen: its bounds allow for both. Where there are no images apart, it was asked about
    every model of the ladder, and its bounds allow for all of them.

    Args:
        trials: of the job.
        plain: the model without layers in float, measured on the images that prove.
        budget: what it missed.

    Raises:
        GateFailed: no choice holds the budget on the images that choose, or the one that does misses it on the others.
    """
    parts = choose_parts(trials.job.images, trials.job.samples)
    trials.choose_on(parts.choosing)
    there = trials.plain()
    chosen, ladder = search_layers(trials, there, _tighten(budget, plain.comparison, there.comparison))
    if chosen is None:
        raise GateFailed(_say_hopeless(plain, budget, ladder), plain.comparison, _missed(plain, budget))
    trials.choose_on(parts.proving)
    proven = trials.with_float(chosen.kept, f"int8, {len(chosen.kept)} in float, on images that chose nothing")
    proven.comparison.looks = trials.looks + (1 if parts.are_apart else len(ladder.rungs) - 1)
    if found := _missed(proven, budget):
        raise GateFailed(_say_missed(proven, chosen, ladder, found), proven.comparison, found)
    return proven, ladder, parts


def _tighten(budget: Budget, proof: Comparison, choice: Comparison) -> Budget:
    """Scale each limit that plain INT8 missed by how much less it loses on the images that choose.

    They may be easier: pictures that the network was trained on, for one. Then a model that stays just within the limit
    there does not on others.
    """
    there = {one.field: one.points for one in judge(choice, choice.stages[-1], budget)}
    for one in misses(proof, proof.stages[-1], budget):
        if one.field in SCALED and 0 < there.get(one.field, 0) < one.points:
            scaled: dict[str, Any] = {one.field: one.limit * there[one.field] / one.points}
            budget = replace(budget, **scaled)
    return budget


def _missed(trial: Trial, budget: Budget) -> list[Judgement]:
    return misses(trial.comparison, trial.comparison.stages[-1], budget)


def _say_hopeless(plain: Trial, budget: Budget, ladder: Ladder) -> str:
    found = plain.comparison
    sentence = budget_sentence(found, found.stages[-1], _missed(plain, budget))
    return f"{sentence}\n{ladder.text()}\n{NEXT_STEP}\n{class_table(found)}"


def _say_missed(proven: Trial, chosen: Trial, ladder: Ladder, found: list[Judgement]) -> str:
    proof, choice = proven.comparison, chosen.comparison
    sentence = budget_sentence(proof, proof.stages[-1], found)
    there = choice.drop(choice.stages[-1])
    told = (
        f"The layers in float were chosen on {choice.images} other images, where this model lost {there:.2f} points; "
        "on those that chose nothing it misses the budget. Search with a smaller limit, or give more images that "
        "choose (masks of the calibration's own split)."
    )
    return f"{sentence} {told}\n{ladder.text()}\n{NEXT_STEP}\n{class_table(proof)}"
