"""What every verb that reads masks takes: what their values mean."""

from __future__ import annotations

import argparse

from edgeseg.console.quantities import whole


def add_mask_arguments(group: argparse._ArgumentGroup, default: str = "the model's") -> None:
    """Add the flags that say how masks are read; ``default`` is what holds without ``--ignore-index``."""
    group.add_argument(
        "--ignore-index", type=whole(0, 255), metavar="N", help=f"mask value that means void (default: {default})"
    )
    add_mask_values(group)


def add_mask_values(group: argparse._ArgumentGroup) -> None:
    """Add the flag that says what mask values mean."""
    group.add_argument(
        "--mask-values",
        metavar="V=CLASS,...",
        help="what mask values mean that are no labels: 255=road, 0=ignore, '#804080=road' (default: data.yaml's)",
    )
