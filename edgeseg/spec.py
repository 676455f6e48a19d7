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

TASKS = ("binary", "multiclass")
COLOR_ORDERS = ("rgb", "bgr", "gray")
RESIZES = ("stretch", "letterbox")
UNKNOWN_NAMES = ("background", "unknown", "void", "unlabelled", "unlabeled")
MAX_CLASSES = 254
MAX_NORMALISATION = 1e6

Color = tuple[int, int, int]


@dataclass(frozen=True)
class ModelSpec:
    """What a segmentation network takes and gives.

    Attributes:
        task: ``"binary"`` (one logit, two classes: background then foreground) or
            ``"multiclass"`` (one logit a class).
        classes: class names; the position is the label value.
        height, width: network input in pixels.
        color_order: channel order the *network* was trained on: ``rgb``, ``bgr`` or ``gray``.
        mean, std: normalisation of values scaled to 0..1, ``(x / 255 - mean) / std``, one value
            a channel in the network's colour order.
        resize: ``"stretch"`` fills the input, ``"letterbox"`` keeps the aspect and pads.
        threshold: confidence in 0..1 under which a pixel becomes :attr:`unknown_label`
            (multiclass), or from which it becomes foreground (binary). None: plain ArgMax,
            or 0.5 for a binary task.
        ignore_index: mask value that is neither trained on nor scored, or None.
        palette: one RGB triple a class.

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
    def unknown_label(self) -> int:
        """Label of a pixel whose confidence is under the threshold.

        The class called background or unknown where there is one, else 255.
        """
        if self.task == "binary":
            return 0
        for index, name in enumerate(self.classes):
            if name.lower() in UNKNOWN_NAMES:
                return index
        return 255

    def replace(self, **changes: Any) -> ModelSpec:
        """Return a spec with some fields changed, checked anew; raises SpecError."""
        return dataclasses.replace(self, **changes)

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
    threshold, ignore = spec.threshold, spec.ignore_index
    if threshold is not None and not (isinstance(threshold, int | float) and 0 < threshold < 1):
        raise SpecError(f"threshold must lie between 0 and 1; found {threshold!r}.")
    if ignore is not None and not (type(ignore) is int and 0 <= ignore <= 255):
        raise SpecError(f"ignore_index must be a mask value of 0..255 or null; found {ignore!r}.")
    if ignore is not None and ignore < spec.num_classes:
        raise SpecError(
            f"ignore_index {ignore} is also class {spec.classes[ignore]!r}; use a value from {spec.num_classes} to 255."
        )


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
