"""What a view is told: which one, of which classes, how strong, over what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgeseg.console.quantities import number
from edgeseg.errors import UserError
from edgeseg.spec import ModelSpec

VIEWS = ("overlay", "mask", "side-by-side", "outline", "blur", "replace", "privacy", "heat")
OF_CLASSES = ("blur", "replace", "privacy", "heat")
"""Views that ask which classes are meant."""
WITH_OPACITY = ("overlay", "side-by-side", "heat")
GREEN = "#00b140"
"""What replaces a background where nothing else is asked for: chroma key green."""

_COLOR = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")


@dataclass(frozen=True)
class ViewSettings:
    """How frames and masks become a picture.

    Attributes:
        view: ``overlay`` (colours over the frame), ``mask`` (colours alone), ``side-by-side`` (the frame and its
            overlay), ``outline`` (borders), ``blur`` or ``replace`` (everything but the classes), ``privacy`` (the
            classes made unrecognisable) or ``heat`` (how often the classes were where).
        view_classes: classes that the last four mean; none for all but the background.
        opacity: of the colours, 0..1.
        background: ``#rrggbb`` or a picture, in place of what ``replace`` takes away; None for green.

    Raises:
        UserError: no such view, or a value that it has no use for.

    Example:
        >>> ViewSettings("blur", ("person",)).view_classes
        ('person',)
    """

    view: str = "overlay"
    view_classes: tuple[str, ...] = ()
    opacity: float = 0.5
    background: str | None = None

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            import difflib

            near = difflib.get_close_matches(str(self.view), VIEWS, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UserError(f"`view` is one of {', '.join(VIEWS)}; found {self.view!r}.{hint}")
        object.__setattr__(self, "view_classes", tuple(self.view_classes))
        number(0, 1).expect("opacity", self.opacity)
        for name, given, views in (
            ("view_classes", self.view_classes, OF_CLASSES),
            ("background", self.background, ("replace",)),
            ("opacity", self.opacity != ViewSettings.opacity, WITH_OPACITY),
        ):
            if given and self.view not in views:
                raise UserError(f"`{name}` belongs to `view` {' or '.join(views)}; found {self.view}.")
        self._check_background()

    def _check_background(self) -> None:
        if self.background is None or self.background_color is not None or Path(self.background).is_file():
            return
        raise UserError(f"`background` is a colour as #00b140, or a picture; found {self.background!r}.")

    @property
    def background_color(self) -> tuple[int, int, int] | None:
        """BGR of the background; None where it is a picture."""
        found = _COLOR.fullmatch(self.background or GREEN)
        return None if found is None else (int(found[3], 16), int(found[2], 16), int(found[1], 16))


def choose_classes(settings: ViewSettings, spec: ModelSpec) -> tuple[int, ...]:
    """Find the indices of the classes that a view means.

    Raises:
        UserError: an unknown class (the closest is offered), or none where each pixel has a class.

    >>> choose_classes(ViewSettings("blur"), ModelSpec("binary", ("background", "cell"), 64, 64))
    (1,)
    """
    for name in settings.view_classes:
        if name not in spec.classes:
            import difflib

            near = difflib.get_close_matches(name, spec.classes, 1, 0.0)
            raise UserError(
                f"`view_classes` names {name!r}; the classes are {', '.join(spec.classes)}. Did you mean {near[0]}?"
            )
    if settings.view_classes:
        return tuple(spec.classes.index(name) for name in settings.view_classes)
    if spec.task == "multilabel":
        return tuple(range(spec.num_classes))
    if spec.unknown_label >= spec.num_classes and settings.view in OF_CLASSES:
        raise UserError(
            f"This model has no background, so `view` {settings.view} needs `view_classes`: "
            f"some of {', '.join(spec.classes)}."
        )
    return tuple(index for index in range(spec.num_classes) if index != spec.unknown_label)
