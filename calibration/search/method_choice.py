"""``method="auto"``: every method an engine's library has is tried, and the measured drop decides.

The images that choose a method are not those that prove the result, wherever there are others: of
several drops measured on the same images the smallest is smaller than what it stands for.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.quantizer import Quantizer
from edgeseg.calibration.quantizers.recipe import USUAL, Recipe
from edgeseg.console.progress import Progress, no_progress
from edgeseg.console.text_table import format_table
from edgeseg.errors import ArtifactError
from edgeseg.files.unfinished import scratch_directory
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, compare, finite
from edgeseg.proof.judges.judge import misses
from edgeseg.proof.judges.reference import check_reference
from edgeseg.proof.judges.worst_class import worst_class
from edgeseg.proof.publishing import artifact_stage, open_staged
from edgeseg.proof.samples import Samples
from edgeseg.proof.stage import remember_answers

TIE_POINTS = 0.05
TryRecipe = Callable[[Recipe], Comparison]


@dataclass(frozen=True)
class MethodTry:
    """What one method cost, in points; None for what could not be measured.

    Attributes:
        method: its name.
        drop, class_drop, boundary_drop: of mIoU (or pixels), of the worst class, of boundary IoU.
        within_budget: no limit was exceeded.
        refused: why the library would not do it, or empty.
    """

    method: str
    drop: float | None = None
    class_drop: float | None = None
    boundary_drop: float | None = None
    within_budget: bool = False
    refused: str = ""


@dataclass(frozen=True)
class MethodChoice:
    """A method and why it was taken.

    Attributes:
        recipe: with the method that was chosen.
        tries: all of them, the usual one first.
        measured_on: which images.
        note: what a reader must know about them, or empty.
        looks: how many models were held against the images that prove.
    """

    recipe: Recipe
    tries: tuple[MethodTry, ...]
    measured_on: str
    note: str = ""
    looks: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        tries = [asdict(one) for one in self.tries]
        return {"method": self.recipe.method, "measured_on": self.measured_on, "tries": tries, "note": self.note}

    def text(self) -> str:
        """Lay out the table of tries, for people."""
        rows = [["method", "drop", "worst class", "boundary IoU", ""]]
        rows += [self._row(one) for one in self.tries]
        notes = [f"note: {self.note}"] if self.note else []
        return "\n".join([f"methods, measured on {self.measured_on}", format_table(rows), *notes])

    def _row(self, one: MethodTry) -> list[str]:
        said = "chosen" if one.method == self.recipe.method else one.refused or ("" if one.within_budget else "over")
        return [one.method, *(_points(value) for value in (one.drop, one.class_drop, one.boundary_drop)), said]


def choose_method(
    quantizer: Quantizer, try_recipe: TryRecipe, budget: Budget, base: Recipe = USUAL, note: str = ""
) -> MethodChoice:
    """Try every method of ``quantizer`` and take the one that loses least.

    Methods within the budget come before those that are not. Drops that differ by less than 0.05
    points are equal, and of equals the quantizer's usual method wins.

    Args:
        quantizer: its methods, the usual one first.
        try_recipe: quantises and measures, see :func:`method_trials`.
        budget: what may be lost.
        base: everything but the method.
        note: what a reader must know about the images, see :func:`~edgeseg.calibration.images.parts.choose_parts`.

    Raises:
        ArtifactError: the library refuses every method.
    """
    tries: list[MethodTry] = []
    measured_on = ""
    for method in quantizer.methods:
        try:
            comparison = try_recipe(replace(base, method=method))
        except ArtifactError as error:
            tries.append(MethodTry(method, refused=str(error)))
            continue
        tries.append(_try(method, comparison, budget))
        measured_on = _list_images(comparison)
    return MethodChoice(replace(base, method=_best(tries)), tuple(tries), measured_on, note)


def _try(method: str, comparison: Comparison, budget: Budget) -> MethodTry:
    stage = comparison.stages[-1]
    drop = finite(comparison.drop(stage))
    if not comparison.labelled:
        return MethodTry(method, drop, within_budget=not misses(comparison, stage, budget))
    lost = finite(worst_class(comparison, stage)[1]), finite(comparison.boundary_drop(stage))
    return MethodTry(method, drop, *lost, within_budget=not misses(comparison, stage, budget))


def _best(tries: list[MethodTry]) -> str:
    able = [one for one in tries if not one.refused]
    if not able:
        raise ArtifactError(tries[0].refused)
    candidates = [one for one in able if one.within_budget] or able
    least = min(_drop(one) for one in candidates)
    return next(one.method for one in candidates if _drop(one) <= least + TIE_POINTS or math.isinf(least))


def _drop(one: MethodTry) -> float:
    return math.inf if one.drop is None else one.drop


def _list_images(comparison: Comparison) -> str:
    split = f" ({comparison.split})" if comparison.split else ""
    return f"{comparison.images} images of {comparison.source}{split}"


@contextlib.contextmanager
def method_trials(
    quantizer: Quantizer, parent: Artifact, images: CalibrationSet, samples: Samples, progress: Progress = no_progress
) -> Iterator[TryRecipe]:
    """Yield what quantises by a recipe and measures the result in its engine; nothing is kept of it."""
    with contextlib.ExitStack() as stack:
        reference = remember_answers(artifact_stage(parent, stack))

        def attempt(recipe: Recipe) -> Comparison:
            with scratch_directory() as scratch, contextlib.ExitStack() as opening:
                with progress(f"calibrate {recipe.method}", len(images)) as tick:
                    facts = quantizer.quantize(parent, images, recipe, scratch, tick)
                int8 = open_staged(scratch, _manifest(parent, quantizer.format, dict(facts)))
                stage = artifact_stage(int8, opening, engine=quantizer.open_proof(int8))
                with progress(f"measure {recipe.method}", len(samples)) as tick:
                    found = compare([reference, stage], samples, parent.spec, tick)
                check_reference(found)
                return found

        yield attempt


def _manifest(parent: Artifact, model_format: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": parent.name,
        "precision": "int8",
        "format": model_format,
        "spec": parent.spec,
        "outputs": list(parent.outputs),
        "calibration": facts,
    }


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
