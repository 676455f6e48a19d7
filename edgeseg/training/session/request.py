"""What a person asks of a training; what is left out follows from the checkpoint, the data and the machine."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.console.extras import require
from edgeseg.errors import MissingExtra, UserError
from edgeseg.masks.mask_values import GivenValues
from edgeseg.models import efficientnet_lite
from edgeseg.models.registry import full_options, model_entry
from edgeseg.training import defaults
from edgeseg.training.checkpoint import load_model
from edgeseg.training.settings import TrainSettings
from edgeseg.training.voice import ALOUD, Voice

OF_THE_NETWORK = ("model", "options", "pretrained", "task", "color_order", "mean", "std", "resize")
"""What a checkpoint says itself."""
LENGTHS = ("epochs", "steps", "time_s")
LR, QAT_LR = 2e-3, 2e-4
SET_HERE = {"start_from", "boundary", "distill", "budget_s", "sparse"}
"""Settings that a request has other fields for."""


@dataclass(frozen=True)
class TrainRequest:
    """What is asked for; None is what was left out.

    Attributes:
        data: a data folder or its ``data.yaml``.
        out: folder for checkpoints and curves.
        weights: a checkpoint to start from: its network, classes and preprocessing.
        qat: tune ``weights`` under the rounding of INT8.
        resume: a ``last.pt`` to go on from.
        model: a name of the registry.
        options: of the network: ``width``, ``stem_stride``, ``upsampling``, ``depth``, ``deep_supervision``.
        pretrained: start from published encoder weights.
        imgsz: network input, (height, width).
        task, color_order, mean, std, resize: see :class:`~edgeseg.spec.ModelSpec`.
        ignore_index: mask value that means void.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``.
        hold_out: beginnings of picture names (a drive, a patient); all of these are scored on and none is trained on.
        epochs, steps, time_s: length in passes over the pictures, in optimiser steps, or in seconds; one of them.
        batch, crop, val_every, lr: see :class:`~edgeseg.training.settings.TrainSettings`.
        boundary_weights: w0 and sigma of U-Net's weights between touching objects.
        boundary_objects: classes whose connected regions are the objects.
        teacher: whom to imitate: a checkpoint, an artifact, the name of a network of the zoo, or anything that export
            reads.
        unlabelled: a folder of pictures without masks, which the teacher labels where it is sure.
        distill_weight, distill_temperature: see :class:`~edgeseg.training.settings.Distillation`.
        others: further fields of :class:`~edgeseg.training.settings.TrainSettings`, by name.

    Raises:
        UserError: two lengths, or a field beside ``weights`` that the checkpoint answers.
    """

    data: Path | str
    out: Path = Path("runs/train")
    weights: Path | None = None
    qat: bool = False
    resume: Path | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool | None = None
    imgsz: tuple[int, int] | None = None
    task: str | None = None
    color_order: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: str | None = None
    ignore_index: int | None = None
    mask_values: GivenValues | None = None
    hold_out: tuple[str, ...] = ()
    epochs: int | None = None
    steps: int | None = None
    time_s: float | None = None
    batch: int | None = None
    crop: tuple[int, int] | None = None
    val_every: int | None = None
    lr: float | None = None
    boundary_weights: tuple[float, float] | None = None
    boundary_objects: tuple[str, ...] = ()
    teacher: Path | None = None
    unlabelled: Path | None = None
    distill_weight: float | None = None
    distill_temperature: float | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def gather(cls, **given: Any) -> TrainRequest:
        """Make a request of its own fields and of those of the settings.

        Raises:
            UserError: a name that is neither, or see the class.
        """
        own = {field.name for field in dataclasses.fields(cls)}
        further = {field.name for field in dataclasses.fields(TrainSettings)} - own - SET_HERE
        if unknown := sorted(set(given) - own - further):
            close = difflib.get_close_matches(unknown[0], own | further, 1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise UserError(f"A training has no setting {unknown[0]!r}{hint}")
        others = {name: value for name, value in given.items() if name in further}
        return cls(**{name: value for name, value in given.items() if name in own}, others=others)

    def __post_init__(self) -> None:
        lengths = [f"`{name}`" for name in LENGTHS if getattr(self, name) is not None]
        if len(lengths) > 1:
            raise UserError(f"{' and '.join(lengths)} each say how long to train; give one of them.")
        if self.weights:
            fields = {name: getattr(self, name) for name in OF_THE_NETWORK}
            fields = {"model": fields["model"], **fields.pop("options"), **fields}
            for name in [name for name, value in fields.items() if value is not None]:
                raise UserError(f"`weights` {self.weights} says itself what `{name}` is; leave `{name}` out.")


@dataclass(frozen=True)
class Network:
    """Which network is trained: its name in the registry, its options, and whether its encoder was trained before."""

    name: str
    options: Mapping[str, Any]
    pretrained: bool


def choose_network(asked: TrainRequest, voice: Voice = ALOUD) -> Network:
    """Give the network that was asked for, that of the checkpoint, or the one that gets furthest.

    Raises:
        CheckpointError: ``weights`` is no checkpoint.
        UserError: no such network, or an option that it does not take.
    """
    if asked.weights:
        architecture = load_model(asked.weights).architecture
        return Network(architecture["name"], full_options(architecture["name"], architecture["options"]), False)
    name = asked.model or _choose_name(asked, voice)
    options = full_options(name, asked.options)
    pretrained = model_entry(name).pretrained is not None if asked.pretrained is None else asked.pretrained
    return Network(name, options, pretrained)


def _choose_name(asked: TrainRequest, voice: Voice) -> str:
    """The default network, and a word when it is not the best one for want of its published weights."""
    name = defaults.choose_model(asked.pretrained, asked.options)
    if name == "lite-unet" or asked.pretrained is False or defaults.choose_model(True, asked.options) != "lite-unet":
        return name
    try:
        require(efficientnet_lite.WEIGHTS_PACKAGE, "pretrained")
    except MissingExtra as error:
        voice.warn(
            f"this trains {name} from scratch; lite-unet gets further in less time, but its pretrained weights "
            f"are missing: {error}"
        )
    return name


def make_settings(asked: TrainRequest, network: Network) -> TrainSettings:
    """Make the settings of everything that the data does not decide.

    Raises:
        UserError: a value out of range.
    """
    lengths = {name: getattr(asked, name) for name in ("epochs", "batch", "val_every")}
    return TrainSettings(
        out=asked.out,
        model=network.name,
        options=dict(network.options),
        start_from=asked.weights,
        qat=asked.qat,
        pretrained=network.pretrained,
        lr=asked.lr if asked.lr is not None else (QAT_LR if asked.qat else LR),
        **{name: value for name, value in lengths.items() if value is not None},
        **asked.others,
    )
