"""When plain INT8 misses its budget: the guilty layers, by measurement, and the ladder of what was tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace

from edgeseg.calibration.search.bisection import fewest
from edgeseg.calibration.search.sensitivity import ranking
from edgeseg.calibration.search.trials import Trial, Trials
from edgeseg.proof.budget import Budget
from edgeseg.proof.judges.judge import judge
from edgeseg.proof.judges.worst_class import worst_class
from edgeseg.proof.ladder import SHOWN, Ladder, Rung
from edgeseg.runtime.measure.bench import bench_in_turns

MAX_TRIALS = 15
MAX_SHARE = 0.5
"""With more than this part of the layers in float it is not an INT8 model any more."""
BENCH_SECONDS = 2.0


def search_layers(trials: Trials, plain: Trial, budget: Budget) -> tuple[Trial | None, Ladder]:
    """Find the trial with the fewest layers in float that holds ``budget`` on the images that choose, and the ladder.

    The best of fifteen models looks better than it is, so a model must hold the limits as far as these images can tell:
    its upper bounds are within them. Only when none does, the measured points decide.

    Args:
        trials: measure on the images that choose.
        plain: the model without layers in float, measured on them.
        budget: what may be lost there.

    Returns:
        The trial, None where there is none, and the ladder.
    """
    risk = trials.risk()
    ranked = ranking(risk)
    search = _Search(trials, plain, budget)
    most = max(1, int(MAX_SHARE * len(ranked)))
    kept = fewest(ranked, search.is_sure, most, MAX_TRIALS - 1)
    if kept is None and any(map(search.holds, search.tried)):
        kept = fewest(ranked, search.holds, most, MAX_TRIALS - 1)
    worst = tuple((name, risk[name]) for name in ranked[:SHOWN])
    ladder = search.ladder(kept, worst, len(risk))
    return (None if kept is None else search.find_trial(kept)), ladder


class _Search:
    """Asks for trials and remembers their rungs; only the best model's files are kept."""

    def __init__(self, trials: Trials, plain: Trial, budget: Budget) -> None:
        self._trials, self._budget, self._plain = trials, budget, plain
        self._tried: dict[tuple[str, ...], Trial] = {(): plain}
        self._best: Trial | None = None

    @property
    def tried(self) -> list[tuple[str, ...]]:
        """Layers of each model that was measured, the plain one left out."""
        return [kept for kept in self._tried if kept]

    def is_sure(self, layers: Collection[str]) -> bool:
        """Measure a model, and tell whether its upper bounds are within the budget, as far as they are known."""
        return self._keep(tuple(layers), _is_sure)

    def holds(self, layers: Collection[str]) -> bool:
        """Measure a model, and tell whether what it lost is within the budget."""
        return self._keep(tuple(layers), _holds)

    def _keep(self, kept: tuple[str, ...], wanted: Callable[[Trial, Budget], bool]) -> bool:
        trial = self._tried.get(kept) or self._trials.with_float(kept, self._title(kept))
        self._tried[kept] = trial
        if not wanted(trial, self._budget):
            self._trials.drop(trial)
            return False
        if self._best is not None and self._best is not trial:
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
            _holds(trial, self._budget),
            confidence_change=None if stage.confidence is None else stage.confidence.worst_points,
        )

    def _latencies(self, chosen: tuple[str, ...] | None) -> dict[tuple[str, ...], float]:
        """Median times of the plain and the chosen model over the float one's, all timed in turns."""
        if chosen is None or not BENCH_SECONDS or self._trials.job.quantizer.proof_note:
            return {}
        kept = list(dict.fromkeys([(), chosen]))
        models = [self._trials.job.parent, *(self._trials.artifact(self._tried[layers]) for layers in kept)]
        base, *others = bench_in_turns(models, BENCH_SECONDS)
        return {layers: other.p50_ms / base.p50_ms for layers, other in zip(kept, others, strict=True)}


def _is_sure(trial: Trial, budget: Budget) -> bool:
    """The bound of every limit is within it, or not known: a class that few of these images show."""
    judged = judge(trial.comparison, trial.comparison.stages[-1], budget)
    return all(one.verdict != "missed" and (one.upper <= one.limit or math.isinf(one.upper)) for one in judged)


def _holds(trial: Trial, budget: Budget) -> bool:
    judged = judge(trial.comparison, trial.comparison.stages[-1], budget)
    return all(one.verdict != "missed" for one in judged)


def _drop(trial: Trial) -> float:
    drop = trial.comparison.drop(trial.comparison.stages[-1])
    return math.inf if math.isnan(drop) else drop
