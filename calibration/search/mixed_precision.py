"""When plain INT8 misses its budget: the guilty layers, by measurement, and the ladder of what was tried."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from edgeseg.calibration.search.bisection import fewest
from edgeseg.calibration.search.sensitivity import ranking
from edgeseg.calibration.search.trials import Trial, Trials
from edgeseg.errors import GateFailed
from edgeseg.proof.budget import Budget
from edgeseg.proof.judges.gates import budget_sentence
from edgeseg.proof.judges.judge import misses
from edgeseg.proof.judges.worst_class import worst_class
from edgeseg.proof.ladder import SHOWN, Ladder, Rung
from edgeseg.proof.tables import class_table
from edgeseg.runtime.measure.bench import bench_in_turns

MAX_TRIALS = 15
MAX_SHARE = 0.5
"""With more than this part of the layers in float it is not an INT8 model any more."""
BENCH_SECONDS = 2.0
NEXT_STEP = (
    "Post-training quantisation does not suffice for this network. Next: tune it for a few epochs under the rounding "
    "of INT8, `edgeseg.train(weights='best.pt', qat=True, data=DIR)`, and then quantise it again (a network from "
    "elsewhere: quantisation-aware training where it was trained); or give more typical images with `data`, try "
    "another `method`, or allow a larger loss. What was measured is kept, so another limit costs no new measurements."
)


def search_layers(trials: Trials, plain: Trial, budget: Budget) -> tuple[Trial, Ladder]:
    """Find the trial with the fewest layers in float that holds ``budget``, and the ladder.

    Raises:
        GateFailed: there is none; with the ladder and the next step.
    """
    risk = trials.risk()
    ranked = ranking(risk)
    search = _Search(trials, plain, budget)
    kept = fewest(ranked, search.holds, max(1, int(MAX_SHARE * len(ranked))), MAX_TRIALS - 1)
    worst = tuple((name, risk[name]) for name in ranked[:SHOWN])
    ladder = search.ladder(kept, worst, len(risk))
    if kept is None:
        found = plain.comparison
        exceeded = misses(found, found.stages[-1], budget)
        sentence = budget_sentence(found, found.stages[-1], exceeded)
        message = f"{sentence}\n{ladder.text()}\n{NEXT_STEP}\n{class_table(found)}"
        raise GateFailed(message, found, exceeded)
    return search.find_trial(kept), ladder


class _Search:
    """Asks for trials and remembers their rungs; only the best model's files are kept."""

    def __init__(self, trials: Trials, plain: Trial, budget: Budget) -> None:
        self._trials, self._budget, self._plain = trials, budget, plain
        self._tried: dict[tuple[str, ...], Trial] = {(): plain}
        self._best: Trial | None = None

    def holds(self, layers: Collection[str]) -> bool:
        kept = tuple(layers)
        trial = self._trials.with_float(kept, self._title(kept))
        self._tried[kept] = trial
        if not self._within(trial):
            self._trials.drop(trial)
            return False
        if self._best is not None:
            self._trials.drop(self._best)
        self._best = trial
        return True

    def find_trial(self, kept: tuple[str, ...]) -> Trial:
        return self._tried[kept]

    def ladder(self, chosen: tuple[str, ...] | None, risk: tuple[tuple[str, float], ...], layers: int) -> Ladder:
        ratios = self._latencies(chosen)
        rungs = tuple(replace(self._rung(trial), latency_ratio=ratios.get(kept)) for kept, trial in self._tried.items())
        reused = sum(trial.reused for trial in self._tried.values())
        return Ladder(rungs, chosen, layers, risk, self._plain.comparison.drop_of, reused)

    def _within(self, trial: Trial) -> bool:
        return not misses(trial.comparison, trial.comparison.stages[-1], self._budget)

    def _title(self, kept: tuple[str, ...]) -> str:
        found = max(self._tried.values(), key=lambda trial: -_drop(trial)).comparison
        return (
            f"int8, trial {len(self._tried) + 1} of at most {MAX_TRIALS}: {len(kept)} in float; "
            f"best mIoU so far {found.stages[-1].confusion.mean_iou:.4f} of {found.reference.confusion.mean_iou:.4f}"
        )

    def _rung(self, trial: Trial) -> Rung:
        found = trial.comparison
        stage = found.stages[-1]
        worst, points = worst_class(found, stage)
        return Rung(
            trial.kept,
            stage.agreement,
            stage.confusion.mean_iou,
            found.drop(stage),
            worst,
            points,
            found.boundary_drop(stage),
            trial.bytes,
            self._within(trial),
        )

    def _latencies(self, chosen: tuple[str, ...] | None) -> dict[tuple[str, ...], float]:
        """Median times of the plain and the chosen model over the float one's, all timed in turns."""
        if chosen is None or not BENCH_SECONDS or self._trials.job.quantizer.proof_note:
            return {}
        kept = list(dict.fromkeys([(), chosen]))
        models = [self._trials.job.parent, *(self._trials.artifact(self._tried[layers]) for layers in kept)]
        base, *others = bench_in_turns(models, BENCH_SECONDS)
        return {layers: other.p50_ms / base.p50_ms for layers, other in zip(kept, others, strict=True)}


def _drop(trial: Trial) -> float:
    drop = trial.comparison.drop(trial.comparison.stages[-1])
    return math.inf if math.isnan(drop) else drop
