"""INT8 as a person asks for it: images, what proves the result, and what it may lose."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeseg.artifact import Artifact, artifact_dir
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_others, load_set
from edgeseg.calibration.images.parts import Parts, choose_parts, keep_reserved, leave_out_calibrated, reserve_proof
from edgeseg.calibration.images.set_file import weight_digests
from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.calibration.quantizers.quantizer import expect_parent, quantizer_for
from edgeseg.calibration.quantizers.recipe import AUTO, USUAL, Recipe, recipe_for
from edgeseg.calibration.search.journal import journal_path
from edgeseg.calibration.search.method_choice import MethodChoice, choose_method, method_trials
from edgeseg.console.progress import Progress, no_progress
from edgeseg.errors import Interrupted, UserError
from edgeseg.masks.mask_values import GivenValues
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import ExportResult, OutputOptions
from edgeseg.proof.samples import Samples, samples_from
from edgeseg.spec import ModelSpec

Warn = Callable[[str], object]
"""Called with a sentence about the images that a person should know."""


@dataclass(frozen=True)
class Quantization:
    """What INT8 is made from, proven on, and may lose.

    Attributes:
        images: what calibrates: anything that :func:`~edgeseg.calibration.images.load_set.load_set` takes, or a set
            that was chosen already.
        eval_data: what proves the result: a data folder, or a folder of images.
        count: calibration images; a chosen set has its own number.
        seed: chooses them.
        method: one of :data:`~edgeseg.calibration.quantizers.recipe.METHODS`, or ``auto`` for the one that loses least.
        keep_float: names of layers that are not quantised.
        budget: what may be lost.
        ignore_index: mask value that is not scored; None: the model's.
        mask_values: what mask values mean, ``255=road``; None: as the data says it.

    Raises:
        UserError: a value out of range, an unknown method, or ``eval_data`` that is not there.
    """

    images: Path | CalibrationSet
    eval_data: Path
    count: int = 100
    seed: int = 0
    method: str = USUAL.method
    keep_float: frozenset[str] = frozenset()
    budget: Budget = field(default_factory=Budget)
    ignore_index: int | None = None
    mask_values: GivenValues | None = None

    def __post_init__(self) -> None:
        if not self.eval_data.exists():
            raise UserError(
                f"There is no {self.eval_data}; `eval_data` is a data folder or a folder of images (a glob or a video "
                "only calibrates)."
            )
        if not isinstance(self.budget, Budget):
            raise UserError(f"`budget` is an edgeseg.Budget; found {type(self.budget).__name__} {self.budget!r}.")
        if self.method != AUTO:
            Recipe(self.method)

    def choose_images(
        self, spec: ModelSpec, weights: Collection[str], progress: Progress = no_progress, warn: Warn = str
    ) -> CalibrationSet:
        """Choose the calibration images, or read the set.

        Args:
            spec: the network they are for.
            weights: digests that stand for the network; a ``set.json`` that was written for others is refused.
            progress: ticks once an image.
            warn: called with each sentence about them.

        Raises:
            DataError: no image can be used, or a set does not hold.
        """
        images = self.images
        if not isinstance(images, CalibrationSet):
            images = self._load(images, spec, weights, progress)
        for sentence in images.warnings:
            warn(sentence)
        return images

    def _load(self, source: Path, spec: ModelSpec, weights: Collection[str], progress: Progress) -> CalibrationSet:
        reserved = self._reserve(spec)
        with progress("choose images", 0) as tick:
            if reserved is not None:
                return load_others(source, spec, self.count, self.seed, reserved, tick)
            own = weights if source.suffix == ".json" else ()
            return load_set(source, spec, self.count, self.seed, tick, weights=own)

    def _reserve(self, spec: ModelSpec) -> frozenset[Path] | None:
        """Images that prove and may not calibrate; None where the two sources have none in common."""
        if isinstance(self.images, CalibrationSet):
            return None
        return reserve_proof(self.images, self.eval_data, spec, self.count)

    def choose_samples(self, spec: ModelSpec, images: CalibrationSet, warn: Warn = str) -> Samples:
        """Choose the images that prove the result: never one that calibrates, by its file or by its pixels.

        Raises:
            DataError: no images, none that does not calibrate, masks missing, or other classes than the model's.
        """
        found = samples_from(self.eval_data, spec, None, self.ignore_index, (), self.mask_values)
        if found.left_out:
            warn(f"{found.source}: {found.left_out}")
        found, told = leave_out_calibrated(keep_reserved(found, self._reserve(spec)), images)
        if told:
            warn(told)
        return found


def make_int8(
    asked: Quantization, parent: Artifact, place: OutputOptions, model_format: str, warn: Warn = str
) -> tuple[ExportResult, Samples]:
    """Choose the images, and make and prove the INT8 artifact that was asked for.

    Returns:
        It, and the images that proved it.

    Raises:
        DataError: images cannot be used.
        ArtifactError, GateFailed, OutputError, Interrupted: see :func:`quantize_artifact`.
    """
    images = asked.choose_images(parent.spec, weight_digests(parent.path).values(), place.progress, warn)
    samples = asked.choose_samples(parent.spec, images, warn)
    return quantize_artifact(asked, parent, images, samples, place, model_format), samples


def quantize_artifact(
    asked: Quantization,
    parent: Artifact,
    images: CalibrationSet,
    samples: Samples,
    place: OutputOptions,
    model_format: str,
) -> ExportResult:
    """Make and prove the INT8 artifact that was asked for.

    Args:
        asked: how, and what may be lost.
        parent: the fp32 artifact.
        images: what calibrates, see :meth:`Quantization.choose_images`.
        samples: what proves it, see :meth:`Quantization.choose_samples`.
        place: where it goes.
        model_format: whose INT8.

    Raises:
        ArtifactError: the parent is something else, or cannot be quantised.
        GateFailed: it lost more than ``asked.budget``.
        OutputError: it cannot be written.
        Interrupted: it was stopped, and goes on from what was measured.
    """
    try:
        parts = choose_parts(images, samples) if asked.method == AUTO else Parts(samples, samples)
        chosen = choose_recipe(asked, parent, images, parts, place.progress, model_format)
        samples = parts.proving
        return int8_artifact(parent, images, place, samples, asked.budget, model_format, chosen)
    except KeyboardInterrupt:
        kept = journal_path(artifact_dir(place.out, place.name, "int8", model_format))
        if any(kept.glob("model-*.json")):
            raise Interrupted(kept) from None
        raise


def choose_recipe(
    asked: Quantization,
    parent: Artifact,
    images: CalibrationSet,
    parts: Parts,
    progress: Progress,
    model_format: str,
) -> Recipe | MethodChoice:
    """Choose with ``auto`` the method that loses least, which takes a calibration a method."""
    if asked.method != AUTO:
        return Recipe(asked.method, asked.keep_float)
    quantizer = quantizer_for(model_format)
    expect_parent(quantizer, parent)
    with method_trials(quantizer, parent, images, parts.choosing, progress) as try_recipe:
        base = recipe_for(parent, Recipe(USUAL.method, asked.keep_float))
        chosen = choose_method(quantizer, try_recipe, asked.budget, base, parts.note)
    return chosen if parts.are_apart else replace(chosen, looks=len(chosen.tries))
