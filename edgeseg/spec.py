"""ModelSpec: the one contract between a model and everything around it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeseg.console.terminal import has_commands
from edgeseg.errors import SpecError
from edgeseg.given import KINDS, Kind
from edgeseg.palette import default_palette

TASKS = ("binary", "multiclass", "multilabel")
COLOR_ORDERS = ("rgb", "bgr", "gray")
RESIZES = ("stretch", "letterbox")
UNKNOWN_NAMES = ("background", "unknown", "void", "unlabelled", "unlabeled")
MAX_CLASSES = 254
MAX_MULTILABEL = 8
"""Classes of a multilabel task: each has a bit of the uint8 label."""
MAX_NORMALISATION = 1e6

Color = tuple[int, int, int]
Threshold = float | Mapping[str, float]
"""One confidence for every class, or one a class by its name."""


@dataclass(frozen=True)
class ModelSpec:
    """What a segmentation network takes and gives.

    Attributes:
        task: ``"binary"`` (one logit, two classes: background then foreground),
            ``"multiclass"`` (one logit a class, one class a pixel) or ``"multilabel"`` (one logit a
            class, each with a sigmoid of its own: a pixel shows any number of the 2 to 8 classes).
        classes: class names; the position is the label value, of a multilabel task the bit of it
            (:mod:`edgeseg.multilabel`), and none of them is a background there.
        height, width: network input in pixels.
        color_order: channel order the *network* was trained on: ``rgb``, ``bgr`` or ``gray``.
        mean, std: normalisation of values scaled to 0..1, ``(x / 255 - mean) / std``, one value
            a channel in the network's colour order.
        resize: ``"stretch"`` fills the input, ``"letterbox"`` keeps the aspect and pads.
        threshold: confidence in 0..1 under which a pixel becomes :attr:`unknown_label`
            (multiclass), from which it becomes foreground (binary), or from which it shows a class
            (multilabel). None: plain ArgMax, or 0.5 for a binary or multilabel task.
        ignore_index: mask value that is neither trained on nor scored, or None.
        palette: one RGB triple a class.
        thresholds: in place of ``threshold`` one a class, for a multiclass (0: none) or multilabel task.

    Raises:
        SpecError: a field contradicts another one or has no meaning.
    """

    task: str
    classes: tuple[str, ...]
    height: int
    width: int
    color_order: str = "rgb"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    resize: str = "stretch"
    threshold: float | None = None
    ignore_index: int | None = 255
    palette: tuple[Color, ...] = field(default=())
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.palette:
            object.__setattr__(self, "palette", default_palette(len(self.classes)))
        _check_choices(self)
        _check_classes(self)
        _check_numbers(self)

    @property
    def channels(self) -> int:
        """Channels of the network input: 1 for grey, else 3."""
        return 1 if self.color_order == "gray" else 3

    @property
    def num_classes(self) -> int:
        """The number of classes, background included."""
        return len(self.classes)

    @property
    def logit_channels(self) -> int:
        """Channels of the network output: 1 for a binary task, else one a class."""
        return 1 if self.task == "binary" else self.num_classes

    @property
    def num_labels(self) -> int:
        """The number of values that a label map can hold: one a class, or one a set of classes (multilabel)."""
        return 1 << self.num_classes if self.task == "multilabel" else self.num_classes

    @property
    def has_threshold(self) -> bool:
        """Whether confidence decides about labels beyond what the task itself says."""
        return self.threshold is not None or bool(self.thresholds)

    @property
    def class_thresholds(self) -> tuple[float, ...]:
        """The threshold of each class; without any 0.5, or 0 for a multiclass task."""
        default = 0.0 if self.task == "multiclass" else 0.5
        one = default if self.threshold is None else self.threshold
        return self.thresholds or (one,) * self.num_classes

    @property
    def unknown_label(self) -> int:
        """Label of a pixel whose confidence is under the threshold.

        The class called background or unknown where there is one, else 255; 0, which is no class, of a multilabel task.
        """
        if self.task != "multiclass":
            return 0
        for index, name in enumerate(self.classes):
            if name.lower() in UNKNOWN_NAMES:
                return index
        return 255

    def replace(self, **changes: Any) -> ModelSpec:
        """Return a spec with some fields changed, checked anew; raises SpecError."""
        return dataclasses.replace(self, **changes)

    def with_threshold(self, threshold: Threshold) -> ModelSpec:
        """Return a spec with another threshold, or with others for some classes.

        Raises:
            SpecError: not between 0 and 1, or of a class that is not there.

        >>> spec = ModelSpec("multilabel", ("sky", "road"), 64, 64)
        >>> spec.with_threshold({"road": 0.7}).class_thresholds
        (0.5, 0.7)
        """
        if not isinstance(threshold, Mapping):
            _check_threshold(threshold)
            return self.replace(threshold=threshold, thresholds=())
        if unknown := [name for name in threshold if name not in self.classes]:
            raise SpecError(f"`threshold` names {unknown[0]!r}; the classes are {', '.join(self.classes)}.")
        for value in threshold.values():
            _check_threshold(value)
        both = zip(self.classes, self.class_thresholds, strict=True)
        return self.replace(threshold=None, thresholds=tuple(threshold.get(name, own) for name, own in both))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Serialise with sorted keys, so that equal specs are equal texts."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """Build from parsed JSON.

        Raises:
            SpecError: unknown or missing fields, or values that make no sense.
        """
        if not isinstance(values, Mapping):
            raise SpecError(f"A spec is a JSON object, found {type(values).__name__}.")
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise SpecError(f"Unknown spec fields {unknown}; known are {sorted(known)}.")
        try:
            return cls(**{key: _freeze(value) for key, value in values.items()})
        except TypeError as error:
            raise SpecError(f"Incomplete or wrongly typed spec: {error}.") from None

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read what :meth:`to_json` wrote; raises SpecError."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise SpecError(f"The spec is not valid JSON: {error}.") from None
        return cls.from_dict(values)


KINDS["ModelSpec"] = Kind(lambda value: isinstance(value, ModelSpec), lambda value: None, "a ModelSpec", SpecError)


def default_ignore_index(task: str, classes: int, asked: int | None = None) -> int | None:
    """Choose the mask value that means void: what was asked for, else 255 where no label has that value."""
    taken = task == "multilabel" and classes >= MAX_MULTILABEL
    return asked if asked is not None else None if taken else 255


def _freeze(value: Any) -> Any:
    return tuple(_freeze(item) for item in value) if isinstance(value, list | tuple) else value


def _check_choices(spec: ModelSpec) -> None:
    for name, allowed in (("task", TASKS), ("color_order", COLOR_ORDERS), ("resize", RESIZES)):
        if (found := getattr(spec, name)) not in allowed:
            raise SpecError(f"{name} must be one of {', '.join(allowed)}; found {found!r}.")


def _check_classes(spec: ModelSpec) -> None:
    names = spec.classes
    if not isinstance(names, tuple) or not all(isinstance(n, str) and n.strip() for n in names):
        raise SpecError(f"classes must be a list of non-empty names; found {names!r}.")
    if any(has_commands(name) for name in names):
        raise SpecError(f"Class names are one line of text without control characters; found {list(names)!a}.")
    if len(set(names)) != len(names):
        raise SpecError(f"Class names must differ from each other; found {list(names)}.")
    if not 2 <= len(names) <= MAX_CLASSES:
        raise SpecError(f"A model needs 2 to {MAX_CLASSES} classes (uint8 labels); found {len(names)}.")
    if spec.task == "multilabel" and len(names) > MAX_MULTILABEL:
        raise SpecError(
            f"A multilabel task has at most {MAX_MULTILABEL} classes, as a pixel's label is one byte (in every engine, "
            f"mask file and stream) with a bit a class; found {len(names)}. Cut the network into parts of up to "
            f"{MAX_MULTILABEL} classes, as docs/models.md shows under 'More than 8 classes', or say "
            "`task='multiclass'` if one class a pixel is meant."
        )
    if spec.task == "binary" and len(names) != 2:
        raise SpecError(f"A binary task has two classes, background and foreground; found {list(names)}.")
    if len(spec.palette) != len(names):
        raise SpecError(f"palette has {len(spec.palette)} colours for {len(names)} classes.")
    if not all(_is_color(color) for color in spec.palette):
        raise SpecError(f"palette must hold RGB triples of 0..255; found {spec.palette!r}.")


def _is_color(color: object) -> bool:
    return isinstance(color, Sequence) and len(color) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in color)


def _check_numbers(spec: ModelSpec) -> None:
    for name in ("height", "width"):
        size = getattr(spec, name)
        if type(size) is not int or not 8 <= size <= 16384:
            raise SpecError(f"{name} must be a whole number of 8 to 16384 pixels; found {size!r}.")
    _check_normalisation(spec)
    if spec.threshold is not None:
        _check_threshold(spec.threshold)
    _check_thresholds(spec)
    _check_ignore_index(spec)


def _check_threshold(threshold: object) -> None:
    if not (isinstance(threshold, int | float) and 0 < threshold < 1):
        raise SpecError(f"`threshold` must lie between 0 and 1; found {threshold!r}.")


def _check_thresholds(spec: ModelSpec) -> None:
    values = spec.thresholds
    if not values:
        return
    if spec.task == "binary":
        raise SpecError(f"A binary task has one threshold, of its foreground; found thresholds {values!r}.")
    if spec.threshold is not None:
        raise SpecError("Give one threshold, or thresholds with one a class, and not both.")
    least_allowed = 0.0 if spec.task == "multiclass" else 1e-6
    numbers = isinstance(values, tuple) and all(isinstance(v, int | float) and least_allowed <= v < 1 for v in values)
    if not numbers or len(values) != spec.num_classes:
        raise SpecError(f"thresholds needs {spec.num_classes} numbers between 0 and 1, one a class; found {values!r}.")


def _check_ignore_index(spec: ModelSpec) -> None:
    ignore, labels = spec.ignore_index, spec.num_labels
    if ignore is None:
        return
    if not (type(ignore) is int and 0 <= ignore <= 255):
        raise SpecError(f"ignore_index must be a mask value of 0..255 or null; found {ignore!r}.")
    if ignore < labels:
        raise SpecError(
            f"ignore_index {ignore} is also {_describe_label(spec, ignore)}; use "
            + (f"a value from {labels} to 255." if labels <= 255 else "null (None): 8 classes leave no value for void.")
        )


def _describe_label(spec: ModelSpec, label: int) -> str:
    if spec.task != "multilabel":
        return f"class {spec.classes[label]!r}"
    names = [name for k, name in enumerate(spec.classes) if label >> k & 1]
    return f"the label of {' and '.join(names) or 'no class'}"


def _check_normalisation(spec: ModelSpec) -> None:
    for name in ("mean", "std"):
        values = getattr(spec, name)
        numbers = isinstance(values, tuple) and all(isinstance(v, int | float) for v in values)
        if not numbers or len(values) != spec.channels or not all(abs(v) < MAX_NORMALISATION for v in values):
            raise SpecError(
                f"{name} needs {spec.channels} finite numbers for {spec.color_order} input; found {values!r}."
            )
    if max(spec.mean) > 2.0:
        raise SpecError(f"mean is given for values scaled to 0..1; found {spec.mean}. Divide mean and std by 255.")
    if min(spec.std) <= 0:
        raise SpecError(f"std must be positive; found {spec.std}.")
