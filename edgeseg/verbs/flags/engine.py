"""What every verb that runs an artifact takes: where, and in which precision."""

from __future__ import annotations

import argparse

from edgeseg.runtime.engines.precision_names import PRECISIONS

DEVICES = "engine's name of a device: CPU, GPU, NPU, cuda:0, ..."


def add_device_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the flags that say where an engine computes, and in which precision."""
    group.add_argument("--device", default="CPU", help=DEVICES)
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of the layers in float; auto: what the engine likes (default: what the artifact was proven in)",
    )
