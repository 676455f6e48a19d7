"""What a report of an INT8 artifact shows beside the comparison: coverage, speed, and the worst images."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgeseg.artifact import artifact_dir
from edgeseg.calibration.images.coverage import Coverage, measure_coverage
from edgeseg.calibration.images.coverage_picture import coverage_picture
from edgeseg.calibration.search.trials import Job, Trial, Trials
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import artifact_stage
from edgeseg.proof.report.report import Proof
from edgeseg.proof.speed import Speed, compare_speed
from edgeseg.proof.worst_images import WORST, WorstImage, worst_images


def gather_proof(trials: Trials, trial: Trial, manifest: Mapping[str, Any], budget: Budget) -> Proof:
    """Gather the proof of the trial that is going to be published.

    Args:
        trials: of the job.
        trial: the model that held the budget.
        manifest: fields of its ``edgeseg.json``.
        budget: what INT8 was allowed to lose.

    Raises:
        DataError: a calibration image cannot be read any more.
    """
    job = trials.job
    coverage = _coverage(job)
    return Proof(
        manifest,
        trial.comparison,
        budget,
        {**job.images.describe(), "warnings": list(job.images.warnings)},
        coverage=coverage.to_dict(),
        coverage_picture=coverage_picture(coverage),
        worst=_find_worst(trials, trial),
    )


def _coverage(job: Job) -> Coverage:
    with job.place.progress("look at images", len(job.images) + len(job.samples)) as tick:
        return measure_coverage(job.images, job.samples, None, tick)


def measure_speed(trials: Trials, trial: Trial) -> Speed | None:
    """Time the trial against fp32 for the job's ``benchmark_seconds``; None where it has none.

    Raises:
        EngineError: an engine failed.
    """
    job = trials.job
    if not job.place.benchmark_seconds:
        return None
    with job.place.progress("time fp32 and int8", 1) as tick:
        speed = compare_speed(job.parent, trials.artifact(trial), job.place.benchmark_seconds)
        tick()
    return replace(speed, int8=artifact_dir(job.place.out, job.place.name, "int8", job.quantizer.format).name)


def _find_worst(trials: Trials, trial: Trial) -> tuple[WorstImage, ...]:
    """Only the images that the comparison found worst are run again."""
    job, differing = trials.job, trial.comparison.stages[-1].differing
    names = sorted(differing, key=lambda name: (-differing[name], name))[:WORST]
    with contextlib.ExitStack() as stack, job.place.progress("look at the worst", len(names)) as tick:
        int8 = trials.artifact(trial)
        after = artifact_stage(int8, stack, engine=job.quantizer.open_proof(int8))
        return worst_images(trials.float_stage(), after, job.samples, names, tick=tick)
