"""What may be lost: one flag a limit of a budget, wherever a verb takes it."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from typing import Any

from edgeseg.console.quantities import number

_FLAGS = {
    "max_drop": "points that may be lost: of mIoU with masks, %% of pixels without (default: 0.5, and 5 without)",
    "max_class_drop": "points of IoU a class may lose (default: 2)",
    "max_boundary_drop": "points of boundary IoU that may be lost (default: 1)",
    "max_class_change": "%% of a class, or of its objects, that may go or come where there are no masks (default: 10)",
    "max_change": "%% of the pixels that may change their label, whatever the score says (default: 3 with masks)",
    "max_gain": "points of mIoU that may be gained beyond chance (default: 0.5)",
    "max_confidence_change": "points by which the confidence of a class may move in the mean (default: 5)",
    "max_crossing": "%% of the answers that may cross their threshold (default: any)",
}
_ALWAYS = ("max_drop", "max_class_change")
MEASURED = {
    name: words.replace("(default: ", "(default: any; for a proof ")
    if name not in ("max_drop", "max_class_change")
    else words
    for name, words in _FLAGS.items()
}
"""The same flags where models are compared, and a limit that nobody gave allows anything."""
RECORDED = {name: f"{words.split(' (default', 1)[0]} (default: as it was made with)" for name, words in _FLAGS.items()}
"""The same flags where an artifact is held to what it was made with."""
UNBOUNDED = ("max_class_change",)
"""More than all of it: objects may come that are more than there were."""
MOST_POINTS = 100


def add_budget_arguments(
    group: argparse._ArgumentGroup, limits: Collection[str] = tuple(_FLAGS), helps: Mapping[str, str] | None = None
) -> None:
    """Add a flag for each of ``limits``, and ``--require-held``; ``helps`` words some of them otherwise."""
    words = {**_FLAGS, **(helps or {})}
    for name in limits:
        kind = number(0) if name in UNBOUNDED else number(0, MOST_POINTS)
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="P", help=words[name])
    group.add_argument(
        "--require-held",
        action="store_true",
        help="fail as well when the images cannot tell whether a limit holds on others",
    )


def read_limits(args: argparse.Namespace, limits: Collection[str] = tuple(_FLAGS)) -> dict[str, Any]:
    """Read the limits that were given; those that were not are left out."""
    return {name: getattr(args, name) for name in limits if getattr(args, name) is not None}
