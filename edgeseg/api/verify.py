"""Do several forms of a model still segment the same?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.needs import need_to_compare
from edgeseg.artifact import Artifact
from edgeseg.console.progress import OnProgress, report_to
from edgeseg.errors import UserError
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.tiles.tiling import Tile, read_tiling

if TYPE_CHECKING:
    from edgeseg.export.verify import VerifyData
    from edgeseg.masks.mask_values import GivenValues
    from edgeseg.proof.budget import Budget
    from edgeseg.proof.compare import Comparison


def verify(
    models: Sequence[str | Path | Artifact],
    data: str | Path,
    *,
    split: str | None = None,
    ignore_index: int | None = None,
    mask_values: GivenValues | None = None,
    device: str | None = None,
    precision: str | None = None,
    budget: Budget | None = None,
    tile: Tile = False,
    progress: OnProgress | None = None,
) -> Comparison:
    """Put models side by side, from the image to the mask.

    With ``device`` or ``precision`` the artifacts after the first are run there; the first runs as it was proven, and
    one artifact alone is its own reference. When they stay within the budget, that is written into their
    ``edgeseg.json``: from then on they run in that precision on such a device unless another is asked for, and
    :func:`edgeseg.load` and ``edgeseg run`` say no more that they were not proven there.

    Args:
        models: checkpoints of edgeseg train and artifacts of one network, the reference first.
        data: a data folder, whose masks they are scored on; or a folder of images, on which each is compared with the
            first.
        split: of a data folder; None: ``val``, or the only one there is.
        ignore_index: mask value that is not scored; None: the reference's.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as the data says it.
        device: the engine's own name of the device that is to be proven; None: ``CPU``, and nothing is written unless
            ``precision`` is given.
        precision: ``f32``, ``bf16``, ``f16``, or ``auto``, what the engine likes; None: as they run there, and nothing
            is written unless ``device`` is given.
        budget: what may be lost there; None: what INT8 may lose.
        tile: keep the scale of the images and cut them into overlapping tiles, see
            :meth:`edgeseg.api.model.Model.__call__`; ``comparison.tiles`` then says whether seams show.
        progress: called with a description, a count and its end.

    Returns:
        Scores of every model. ``drop(stage)`` is what one lost against the first, in points;
        :func:`~edgeseg.proof.judges.gates.check_drop` makes a gate of it.

    Raises:
        UserError: no models, models of other classes, or no such device.
        GateFailed: more than the budget was lost on the device; nothing is written.
        OutputError: an artifact that is proven cannot be written.
        CheckpointError, ArtifactError: one cannot be opened.
        DataError: images or masks cannot be used.
        MissingExtra: a package is not installed.

    Example:
        >>> comparison = edgeseg.verify([artifact, int8], "data")
        >>> [stage.name for stage in comparison.stages]
        ['openvino fp32', 'openvino int8']
        >>> comparison.drop(comparison.stages[-1]) < 5
        True
    """
    if isinstance(models, str | Path | Artifact) or not models:
        raise UserError(f"`models` is a list with at least one model, the reference first; found {models!r}.")
    paths = [model.path if isinstance(model, Artifact) else Path(model) for model in models]
    need_to_compare(paths)
    images, tiling = (Path(data), split, ignore_index, mask_values), read_tiling(tile)
    if tiling is not None and not (device is None and precision is None):
        raise UserError("`tile` does not go with `device` or `precision`: what is proven is the network's own size.")
    if device is None and precision is None:
        from edgeseg.export.verify import compare_models

        return compare_models(paths, images, report_to(progress), tiling)
    return _prove(paths, images, EngineOptions(device or "CPU", precision=precision), budget, progress)


def _prove(
    paths: Sequence[Path],
    images: VerifyData,
    options: EngineOptions,
    budget: Budget | None,
    progress: OnProgress | None,
) -> Comparison:
    from edgeseg.export.prove import prove_models
    from edgeseg.proof.budget import Budget

    return prove_models(paths, images, options, budget or Budget(), report_to(progress))
