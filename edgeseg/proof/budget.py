"""How much a quantised model may lose."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseg.errors import UserError

MAX_DROP = 0.5
MAX_DROP_UNLABELLED = 5.0
MAX_CLASS_DROP = 2.0
MAX_BOUNDARY_DROP = 1.0
MAX_CLASS_CHANGE = 10.0
MAX_CHANGE = 3.0
MAX_GAIN = 0.5
MAX_CONFIDENCE_CHANGE = 5.0
LIMITS = (
    "max_drop",
    "max_class_drop",
    "max_boundary_drop",
    "max_class_change",
    "max_change",
    "max_gain",
    "max_confidence_change",
    "max_crossing",
)


@dataclass(frozen=True)
class Budget:
    """Points that may be lost against the float model.

    Attributes:
        max_drop: points of mIoU; of changed pixels (in percent) where there are no masks. None: 0.5 with masks, 5
            without, see :meth:`points`.
        max_class_drop: points of IoU of any one class; not applied without masks.
        max_boundary_drop: points of mean boundary IoU; not applied without masks.
        max_class_change: percent of any one class that may go, or of its objects go or come; applied without masks.
        max_change: percent of the pixels that may have another label, whatever the score says. None: 3 with masks, or
            ``max_drop`` where that is more; not applied without masks, where ``max_drop`` is that.
        max_gain: points of mIoU that may be gained beyond chance, which is a failure to explain. None: 0.5, or
            ``max_drop`` where that is more.
        require_held: a limit that the images cannot judge fails as one that is missed does.
        search: when a limit is missed, keep the guilty layers in float; else give up at once.
        max_confidence_change: points (hundredths of 0..1) by which the confidence of any one class may differ from the
            float model's in the mean over its pixels; not applied where there is no confidence.
        max_crossing: percent of all answers (a pixel's, or of each class where several may show) that may lie on the
            other side of their threshold; None: any, as each of them is a changed pixel of another limit; not applied
            where no threshold decides.
        asked: names of the limits that somebody gave: one that does not apply is then *cannot tell*, and not passed
            over.
    """

    max_drop: float | None = None
    max_class_drop: float = MAX_CLASS_DROP
    max_boundary_drop: float = MAX_BOUNDARY_DROP
    search: bool = True
    require_held: bool = False
    max_class_change: float = MAX_CLASS_CHANGE
    max_change: float | None = None
    max_gain: float | None = None
    max_confidence_change: float = MAX_CONFIDENCE_CHANGE
    max_crossing: float | None = None
    asked: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in LIMITS:
            if (limit := getattr(self, name)) is not None and not limit >= 0:
                raise UserError(f"`{name}` is a number of points, 0 or more; found {limit}.")

    def points(self, labelled: bool) -> float:
        """Give :attr:`max_drop`, or its default.

        INT8 moves edges by a pixel, which costs next to nothing against a truth but changes 1 % of a
        road scene's labels and 4 % of a portrait's; a broken INT8 model changes far more than 5 %. So
        without masks the default is 5 % of the pixels.

        >>> Budget().points(labelled=True), Budget().points(labelled=False), Budget(0.2).points(labelled=False)
        (0.5, 5.0, 0.2)
        """
        if self.max_drop is not None:
            return self.max_drop
        return MAX_DROP if labelled else MAX_DROP_UNLABELLED

    def change(self) -> float:
        """Give :attr:`max_change`, or its default with masks.

        >>> Budget().change(), Budget(max_drop=10).change(), Budget(max_change=1).change()
        (3.0, 10, 1)
        """
        return max(MAX_CHANGE, self.points(labelled=True)) if self.max_change is None else self.max_change

    def gain(self) -> float:
        """Give :attr:`max_gain`, or its default."""
        return max(MAX_GAIN, self.points(labelled=True)) if self.max_gain is None else self.max_gain
