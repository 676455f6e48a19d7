"""Do several forms of a model still segment the same?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.needs import need_to_compare
from edgeseg.artifact import Artifact
from edgeseg.console.progress import OnProgress, report_to
from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.proof.compare import Comparison


def verify(
    models: Sequence[str | Path | Artifact],
    data: str | Path,
    *,
    split: str | None = None,
    ignore_index: int | None = None,
    progress: OnProgress | None = None,
) -> Comparison:
    """Put models side by side, from the image to the mask.

    Args:
        models: checkpoints of edgeseg train and artifacts of one network, the reference first.
        data: a data folder, whose masks they are scored on; or a folder of images, on which each is compared with the
            first.
        split: of a data folder; None: ``val``, or the only one there is.
        ignore_index: mask value that is not scored; None: the reference's.
        progress: called with a description, a count and its end.

    Returns:
        Scores of every model. ``drop(stage)`` is what one lost against the first, in points;
        :func:`~edgeseg.proof.gates.check_drop` makes a gate of it.

    Raises:
        UserError: no models, or models of other classes.
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
    from edgeseg.export.verify import compare_models

    return compare_models(paths, (Path(data), split, ignore_index), report_to(progress))
