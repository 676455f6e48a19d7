"""A folder of labelled images becomes a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.api.export_model import as_path
from edgeseg.api.needs import need
from edgeseg.console.progress import OnProgress

if TYPE_CHECKING:
    from edgeseg.training.loop import TrainResult


def train(
    data: str | Path,
    *,
    out: str | Path = "runs/train",
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    imgsz: int | tuple[int, int] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    time_s: float | None = None,
    batch: int | None = None,
    lr: float | None = None,
    weights: str | Path | None = None,
    qat: bool = False,
    resume: str | Path | None = None,
    progress: OnProgress | None = None,
    **others: Any,
) -> TrainResult:
    """Train a compact segmentation network; what is left out follows from the data and this machine.

    Args:
        data: a folder with ``images/``, ``masks/`` and ``classes.txt``, or a ``data.yaml``. Without a val split a
            fifth is held out: whole sequences where names tell them, else every fifth picture.
        out: folder for checkpoints and curves.
        model: a network of ``edgeseg models``; None: the one that gets furthest in half an hour on a CPU.
        options: of the network, such as ``{"width": 0.5}``.
        imgsz: its input: side, or (height, width); None: the smallest that the masks survive.
        epochs: length in passes over the pictures.
        steps: length in optimiser steps; None: 600 and at least 12 epochs.
        time_s: length that fits a time on this machine, in seconds.
        batch: pictures a step; None: 4.
        lr: peak learning rate; None: 0.002, with ``qat`` 0.0002.
        weights: a checkpoint to start from: its network, classes and preprocessing.
        qat: tune ``weights`` under the rounding of INT8.
        resume: a ``last.pt`` to go on from, bit for bit.
        progress: called with a description, a count and its end.
        others: any other field of :class:`~edgeseg.training.session.request.TrainRequest` or
            :class:`~edgeseg.training.settings.TrainSettings`, by its name: ``loss="ce+dice"``, ``seed=1``.

    Returns:
        The best and the last checkpoint, the best mIoU on val, and whether the network learned anything.

    Raises:
        DataError: images and masks that cannot be used.
        UserError, SpecError: an argument that makes no sense, or two that contradict each other.
        CheckpointError: ``weights`` or ``resume`` is no checkpoint, or of another network.
        MissingExtra: a package is not installed.
        OutputError: ``out`` cannot be written, or another training writes there.

    Warns:
        DataWarning: few pictures, stretched ones, labels that were guessed, or a network that learns nothing.

    Example:
        >>> result = edgeseg.train("data", model="unet", options={"width": 0.25}, imgsz=(64, 96), steps=300)
        >>> result.best.name, result.miou > 0.5
        ('best.pt', True)
    """
    need("train", "torch", "accelerate", "matplotlib")
    from edgeseg.api.teachers import read_teacher
    from edgeseg.training.session.request import TrainRequest
    from edgeseg.training.session.session import run_training
    from edgeseg.training.voice import speak_to_program

    asked = TrainRequest.gather(
        data=Path(data),
        out=Path(out),
        model=model,
        options=dict(options or {}),
        imgsz=(imgsz, imgsz) if isinstance(imgsz, int) else imgsz,
        epochs=epochs,
        steps=steps,
        time_s=time_s,
        batch=batch,
        lr=lr,
        weights=as_path(weights),
        qat=qat,
        resume=as_path(resume),
        **others,
    )
    return run_training(asked, speak_to_program(progress), read_teacher).result
