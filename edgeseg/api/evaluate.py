"""What is a model worth on labelled images?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.load import log_event
from edgeseg.artifact import Artifact, open_artifact
from edgeseg.console.progress import OnProgress, report_to
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.events.event import OnEvent
from edgeseg.runtime.tiles.tiling import Tile, read_tiling
from edgeseg.spec import Threshold

if TYPE_CHECKING:
    from edgeseg.masks.mask_values import GivenValues
    from edgeseg.runtime.measure.evaluate import Evaluation


def evaluate(
    artifact: str | Path | Artifact,
    data: str | Path,
    *,
    split: str = "val",
    threshold: Threshold | None = None,
    device: str = "CPU",
    precision: str | None = None,
    ignore_index: int | None = None,
    on_event: OnEvent = log_event,
    mask_values: GivenValues | None = None,
    tile: Tile = False,
    progress: OnProgress | None = None,
) -> Evaluation:
    """Score an artifact on labelled images, as it runs: with its engine and its threshold.

    Args:
        artifact: its folder, or the open one.
        data: a data folder, or its ``data.yaml``; its classes are the model's.
        split: which split.
        threshold: in 0..1, or one a class by its name, instead of the model's own.
        device: the engine's own name of a device.
        precision: of the layers in float, see :func:`edgeseg.load`; None: the one that it was proven in.
        ignore_index: mask value that is not scored; None: the model's.
        on_event: is told when the masks were not proven on this device; the logger ``edgeseg`` by default.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as the data says it.
        tile: keep the scale of the images and cut them into overlapping tiles, see
            :meth:`edgeseg.api.model.Model.__call__`.
        progress: called with a description, a count and its end.

    Returns:
        IoU, Dice and boundary IoU by class, the confusion matrix, and the IoU of objects by their size.

    Raises:
        ArtifactError: no artifact, or one that was changed.
        DataError: images or masks cannot be used, or have other classes.
        UserError: ``threshold`` without a confidence output, or out of range.
        MissingExtra, EngineError: its engine is not installed, or refuses it.

    Example:
        >>> evaluation = edgeseg.evaluate(int8, "data")
        >>> evaluation.images, evaluation.confusion.mean_iou > 0.8
        (8, True)
        >>> sorted(evaluation.to_dict()["iou"])
        ['background', 'box', 'disc']
    """
    from edgeseg.runtime.engines.predictor import open_predictor
    from edgeseg.runtime.measure.evaluate import evaluate as measure
    from edgeseg.runtime.measure.evaluate import open_dataset
    from edgeseg.runtime.tiles.predictor import open_tiled_predictor

    opened = open_artifact(artifact)
    dataset = open_dataset(Path(data), opened, ignore_index, mask_values)
    shown = report_to(progress)("evaluate", len(dataset.pairs(split)))
    if (tiling := read_tiling(tile)) is None:
        with open_predictor(opened, threshold, device, on_event, precision) as predict, shown as tick:
            return measure(predict, dataset, split, by_size=True, progress=tick)
    options = EngineOptions(device, 2, precision=precision, on_event=on_event)
    with open_tiled_predictor(opened, tiling, threshold, options) as predict_tiles, shown as tick:
        evaluation = measure(predict_tiles, dataset, split, by_size=True, progress=tick)
    evaluation.tiles = predict_tiles.record
    return evaluation
