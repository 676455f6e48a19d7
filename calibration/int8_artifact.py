"""An fp32 artifact to a proven INT8 artifact."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.calibration.evidence import gather_proof, measure_speed
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.parts import Parts
from edgeseg.calibration.quantizers.quantizer import expect_parent, quantizer_for
from edgeseg.calibration.quantizers.recipe import USUAL, Recipe, calibration_digest, recipe_for
from edgeseg.calibration.search.journal import Journal, journal_path, short_key
from edgeseg.calibration.search.method_choice import MethodChoice
from edgeseg.calibration.search.rescue import rescue
from edgeseg.calibration.search.roles import describe_parts
from edgeseg.calibration.search.trials import Job, Trial, Trials
from edgeseg.errors import GateFailed
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, finite
from edgeseg.proof.image_record import write_record
from edgeseg.proof.judges.gates import check_budget
from edgeseg.proof.judges.judge import judge, misses
from edgeseg.proof.judges.reference import check_reference
from edgeseg.proof.judges.worst_class import worst_class
from edgeseg.proof.kept_masks import KeptMasks
from edgeseg.proof.ladder import Ladder
from edgeseg.proof.publishing import ExportResult, OutputOptions
from edgeseg.proof.report.report import write_proof
from edgeseg.proof.samples import Samples, UnreadableImageError
from edgeseg.proof.search_record import SearchRecord
from edgeseg.runtime.system.machine import this_cpu


def int8_artifact(
    parent: Artifact,
    images: CalibrationSet,
    place: OutputOptions,
    samples: Samples,
    budget: Budget,
    model_format: str = "openvino",
    recipe: Recipe | MethodChoice = USUAL,
) -> ExportResult:
    """Write ``<name>-int8-<format>/`` from an fp32 artifact, with as few layers in float as the budget asks for.

    Its proof is in it, ``report.html`` and ``report.json``. What was measured is kept beside the
    artifact until it is finished, so that a run that was interrupted, or that failed its budget,
    goes on from there.

    Raises:
        ArtifactError: the parent is something else, or cannot be quantised.
        GateFailed: INT8 lost more than ``budget``, and no choice of layers in float restores it. An
            INT8 artifact that was there before stays as it was; otherwise there is none.
        OutputError: the disk is full.
    """
    quantizer = quantizer_for(model_format)
    expect_parent(quantizer, parent)
    methods = recipe if isinstance(recipe, MethodChoice) else None
    recipe = recipe_for(parent, recipe.recipe if isinstance(recipe, MethodChoice) else recipe)
    job = Job(quantizer, parent, images, samples, recipe, place)
    path = artifact_dir(place.out, place.name, "int8", model_format)
    manifest = job.manifest()
    with contextlib.ExitStack() as holding:
        with writing_artifact(path, manifest) as staged:
            journal = holding.enter_context(Journal(journal_path(path), job.inputs()))
            built = _prove(job, journal, staged, manifest, budget, methods)
        journal.remove()
    return built(Artifact.open(path))


def _prove(
    job: Job, journal: Journal, staged: Path, manifest: dict[str, Any], budget: Budget, methods: MethodChoice | None
) -> Callable[[Artifact], ExportResult]:
    """Search, write into ``staged`` and prove; what is built is complete with the artifact that becomes of it."""
    with Trials(job, journal, 1 if methods is None else methods.looks) as trials:
        trial, ladder, parts = _best(trials, journal, budget)
        proving = job.samples if parts is None else parts.proving
        notes = tuple(describe_parts(job, parts, proving, trial.comparison))
        _copy(trials.artifact(trial), staged)
        manifest["calibration"] |= _calibration(job, trial)
        judgements = tuple(judge(trial.comparison, trial.comparison.stages[-1], budget))
        manifest["measured"] = _describe_measured(trial.comparison, budget, ladder)
        manifest["measured"]["evidence"] = list(notes)
        manifest["measured"]["judgements"] = [one.to_dict() for one in judgements]
        manifest["measured"] |= proving.evidence()
        speed = measure_speed(trials, trial)
        manifest["measured"]["speed"] = speed and speed.to_dict()
        search = SearchRecord(methods, ladder, speed)
        manifest["measured"]["left_out"] = _write_record(trials, trial, proving, staged)
        write_proof(staged, replace(gather_proof(trials, trial, manifest, budget), search=search, evidence=notes))
    return lambda artifact: ExportResult(artifact, trial.comparison, search, judgements, notes)


def _best(trials: Trials, journal: Journal, budget: Budget) -> tuple[Trial, Ladder | None, Parts | None]:
    """The model with the fewest layers in float that holds the budget, how it was found, and on which images."""
    plain = trials.plain()
    plain.comparison.looks = trials.looks
    check_reference(plain.comparison)
    if not misses(plain.comparison, plain.comparison.stages[-1], budget):
        return plain, None, None
    if budget.search:
        return rescue(trials, plain, budget)
    journal.remove()
    check_budget(plain.comparison, budget)
    raise GateFailed("The INT8 model missed its budget.")


def _write_record(trials: Trials, trial: Trial, proving: Samples, staged: Path) -> str:
    """Write what each image gave, with the masks of the float model, which has answered all of them before."""
    masks, reference = KeptMasks(), trials.float_stage()
    for sample in proving:
        with contextlib.suppress(UnreadableImageError):
            masks.add(reference.predict(sample.read()[0]))
    return write_record(staged, trial.comparison, trials.job.parent.spec.task, masks)


def _copy(model: Artifact, staged: Path) -> None:
    for name in model.files:
        shutil.copyfile(model.path / name, staged / name)


def _calibration(job: Job, trial: Trial) -> dict[str, Any]:
    recipe = job.recipe.keeping(job.recipe.keep_float | set(trial.kept))
    weights = short_key(dict(job.parent.files))
    digest = calibration_digest(job.images, weights, job.recipe, job.quantizer.format)
    return {**recipe.describe(), **trial.facts, "inputs_digest": digest}


def _describe_measured(comparison: Comparison, budget: Budget, ladder: Ladder | None) -> dict[str, Any]:
    before, after = comparison.stages
    worst, points = worst_class(comparison, after)
    return {
        **comparison.to_dict(),
        "iou": {"fp32": finite(before.confusion.mean_iou), "int8": finite(after.confusion.mean_iou)},
        "drop_points": finite(comparison.drop(after)),
        "max_drop_points": budget.points(comparison.labelled),
        "worst_class": worst,
        "worst_class_drop_points": finite(points),
        "max_class_drop_points": finite(budget.max_class_drop),
        "boundary_drop_points": finite(comparison.boundary_drop(after)),
        "max_boundary_drop_points": finite(budget.max_boundary_drop),
        "confidence": after.confidence and after.confidence.describe(comparison.classes),
        "max_confidence_change_points": finite(budget.max_confidence_change),
        "agreement": finite(after.agreement),
        "ladder": None if ladder is None else ladder.to_dict(),
        "cpu": this_cpu().name,
    }
