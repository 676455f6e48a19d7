"""The spec of a model that brings none, from what a person says about it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeseg.errors import SpecError, UnsaidError
from edgeseg.files.data_layout import read_classes
from edgeseg.spec import Color, ModelSpec, Threshold, default_ignore_index

FIXED = ("task", "classes", "mean", "std", "color_order", "resize", "palette")
"""What training decides about a model."""


@dataclass(frozen=True)
class SpecFlags:
    """What a person said about a model; None is what was left out.

    Attributes:
        task, classes, color_order, resize: see :class:`~edgeseg.spec.ModelSpec`.
        imgsz: height and width.
        mean, std: normalisation of values scaled to 0..``value_range``, one a channel or one for all.
        value_range: 1 or 255.
        threshold: confidence under which a pixel loses its class, one for all or one a class by its name.
        thresholds: the same in the order of the classes.
        ignore_index: mask value that means void.
        palette: RGB triples, one a class.
        logits: name of the output that holds the logits, in a file with several.
        upsample: how logits smaller than the input are brought to its size.
    """

    task: str | None = None
    classes: tuple[str, ...] | None = None
    imgsz: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    value_range: int = 1
    color_order: str | None = None
    resize: str | None = None
    threshold: Threshold | None = None
    ignore_index: int | None = None
    palette: tuple[Color, ...] | None = None
    thresholds: tuple[float, ...] | None = None
    logits: str | None = None
    upsample: str | None = None


def class_names(text: str) -> tuple[str, ...]:
    """Parse ``"a,b"``, or the lines of a file of that name."""
    if os.path.exists(text):  # unlike Path, false for a list too long for a file name
        return read_classes(Path(text))
    return tuple(name.strip() for name in text.split(",") if name.strip())


def change_spec(spec: ModelSpec, flags: SpecFlags) -> ModelSpec:
    """Change size, threshold and ignore index of a model's own spec as asked.

    Raises:
        SpecError: a flag contradicts the spec that training wrote.
    """
    if given := [name for name in FIXED if getattr(flags, name) is not None]:
        names = ", ".join(f"`{name}`" for name in given)
        raise SpecError(f"This model carries its own spec; {names} would contradict how it was trained. Leave it out.")
    changes: dict[str, Any] = {}
    if flags.imgsz is not None:
        changes.update(height=flags.imgsz[0], width=flags.imgsz[1])
    if flags.ignore_index is not None:
        changes["ignore_index"] = flags.ignore_index
    if flags.thresholds:
        changes.update(threshold=None, thresholds=flags.thresholds)
    spec = spec.replace(**changes)
    return spec if flags.threshold is None else spec.with_threshold(flags.threshold)


def agree_with(own: ModelSpec, asked: ModelSpec) -> ModelSpec:
    """Give ``asked`` back for a model that carries its own spec.

    Raises:
        SpecError: it says something else about how the model was trained.
    """
    if given := [name for name in FIXED if getattr(asked, name) != getattr(own, name)]:
        raise SpecError(
            f"This model carries its own spec, and the one that was given has another {', '.join(given)}; that would "
            f"contradict how it was trained. Start from the model's own: spec.replace(height=..., width=...)."
        )
    return asked


def describe_spec(spec: ModelSpec, logits: str | None = None, upsample: str | None = None) -> SpecFlags:
    """Return what a whole spec says about a model that brings none."""
    return SpecFlags(
        task=spec.task,
        classes=spec.classes,
        imgsz=(spec.height, spec.width),
        mean=spec.mean,
        std=spec.std,
        color_order=spec.color_order,
        resize=spec.resize,
        threshold=spec.threshold,
        ignore_index=spec.ignore_index,
        palette=spec.palette,
        thresholds=spec.thresholds,
        logits=logits,
        upsample=upsample,
    )


def add_known(flags: SpecFlags, known: SpecFlags) -> SpecFlags:
    """Complete what was said by what is known otherwise; what was said wins.

    >>> add_known(SpecFlags(imgsz=(64, 64)), SpecFlags(imgsz=(512, 512), color_order="rgb")).imgsz
    (64, 64)
    """
    return replace(known, **{name: value for name, value in vars(flags).items() if value != _DEFAULTS[name]})


_DEFAULTS = vars(SpecFlags())


def foreign_spec(
    path: str | Path, flags: SpecFlags, input_size: Sequence[int | None], logits: int | None, sigmoids: bool = False
) -> ModelSpec:
    """Make the spec of a foreign model.

    Args:
        path: the file, or what the model is called, for messages.
        flags: what was given.
        input_size: (channels, height, width) of the model's input, None where it is dynamic.
        logits: channels of its output, or None when unknown.
        sigmoids: its output ends in a Sigmoid: with two or more channels that is a multilabel task.

    Raises:
        SpecError: something is missing (with every flag that supplies it) or contradicts the model.
    """
    check_complete(path, flags, input_size)
    task = flags.task or ("binary" if logits == 1 else "multilabel" if sigmoids and logits else "multiclass")
    assert flags.classes is not None
    height, width = flags.imgsz or (input_size[1], input_size[2])
    values: dict[str, Any] = {"palette": flags.palette or ()}
    if flags.ignore_index is not None or task == "multilabel":
        values["ignore_index"] = default_ignore_index(task, len(flags.classes), flags.ignore_index)
    spec = ModelSpec(
        task=task,
        classes=flags.classes,
        height=height or 0,
        width=width or 0,
        color_order=flags.color_order or "rgb",
        mean=_scale(flags.mean or (), flags),
        std=_scale(flags.std or (), flags),
        resize=flags.resize or "stretch",
        threshold=None if isinstance(flags.threshold, Mapping) else flags.threshold,
        thresholds=flags.thresholds or (),
        **values,
    )
    if isinstance(flags.threshold, Mapping):
        spec = spec.with_threshold(flags.threshold)
    _check_against_model(spec, input_size, logits)
    return spec


def take_pixels(flags: SpecFlags) -> SpecFlags:
    """Complete what is known about a file that takes uint8 pixels, and so prepares them itself.

    Raises:
        SpecError: ``mean`` and ``std`` would prepare them a second time.
    """
    mean, std = flags.mean or (0.0,), flags.std or (1.0,)
    wholes = (1.0, 255.0, 1 / 255)
    if any(mean) or len(set(std)) != 1 or not any(abs(std[0] - whole) < 1e-6 for whole in wholes):
        raise SpecError(
            "The input of this file is uint8: it takes pixels as they are and prepares them itself, and `mean` and "
            "`std` would do so twice. Leave both out."
        )
    channels = 1 if flags.color_order == "gray" else 3
    return replace(flags, mean=(0.0,) * channels, std=(1.0,) * channels, value_range=255)


_WORDED = {
    "classes": "`classes=(NAME, NAME, ...)` (or a file, one name a line)",
    "color_order": "`color_order='rgb' | 'bgr' | 'gray'`",
    "mean": "`mean=(M, M, M)` and `std=(S, S, S)`",
    "imgsz": "`imgsz=(H, W)`",
}


def check_complete(
    path: str | Path, flags: SpecFlags, input_size: Sequence[int | None], channels: int | None = None
) -> None:
    """Check that everything was said about a model that nothing else tells.

    Args:
        path: the file, or what the model is called, for messages.
        flags: what was said.
        input_size: (channels, height, width) of the model's input, None where it is dynamic.
        channels: of its output, where they are known already.

    Raises:
        UnsaidError: with all that is missing.
    """
    missing = {
        "classes": flags.classes is None,
        "color_order": flags.color_order is None,
        "mean": flags.mean is None or flags.std is None,
        "imgsz": flags.imgsz is None and None in input_size[1:],
    }
    if absent := [name for name, is_missing in missing.items() if is_missing]:
        raise UnsaidError(
            f"{path} has no edgeseg spec, so nobody knows what its pixels and classes mean. Still needed: "
            f"{'; '.join(_WORDED[name] for name in absent)}. "
            "Mean and std are for values scaled to 0..1, or to 0..255 with `value_range=255`; "
            "`task='binary' | 'multiclass' | 'multilabel'`, `resize='stretch' | 'letterbox'` and `ignore_index=N` are "
            "optional. "
            f"For example: `edgeseg.export_model({str(path)!r}, spec=ModelSpec(classes=('background', 'person'), "
            "color_order='rgb', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)))`",
            absent,
            input_size,
            channels,
        )
    if flags.value_range == 1 and max(flags.mean or (0.0,)) > 2:
        raise SpecError(f"`mean={flags.mean}` is not for values of 0..1. Say `value_range=255` if they are 0..255.")


def _scale(values: Sequence[float], flags: SpecFlags) -> tuple[float, ...]:
    """For pixels of 0..1; one value is meant for every channel."""
    count = 3 if len(values) == 1 and flags.color_order != "gray" else 1
    return tuple(value / flags.value_range for value in values) * count


def _check_against_model(spec: ModelSpec, input_size: Sequence[int | None], logits: int | None) -> None:
    channels = input_size[0]
    if channels is not None and channels != spec.channels:
        wanted = "gray" if channels == 1 else "rgb or bgr"
        raise SpecError(f"The model takes {channels} channel(s): `color_order` must be {wanted}.")
    for name, found, asked in zip(("height", "width"), input_size[1:], (spec.height, spec.width), strict=True):
        if found is not None and found != asked:
            raise SpecError(f"The model's input {name} is fixed at {found}; `imgsz` asks for {asked}.")
    if logits is not None and logits != spec.logit_channels:
        task = "multiclass" if spec.task == "binary" else spec.task
        wanted = "`task='binary'`" if logits == 1 else f"`task={task!r}` and {logits} classes"
        raise SpecError(
            f"The model gives {logits} channel(s) a pixel, but a {spec.task} task with {spec.num_classes} classes "
            f"({', '.join(spec.classes[:6])}) needs {spec.logit_channels}. Give {wanted}."
        )
