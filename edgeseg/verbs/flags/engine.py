"""What every verb that runs an artifact takes: where, and in which precision."""

from __future__ import annotations

import argparse

from edgeseg.console.quantities import whole
from edgeseg.runtime.engines.precision_names import PRECISIONS
from edgeseg.runtime.tuning.slots import read_slots

DEVICES = "engine's name of a device: CPU, GPU, NPU, cuda:0, ..."


def add_device_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the flags that say where an engine computes, and in which precision."""
    group.add_argument("--device", default="CPU", help=DEVICES)
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of the layers in float; auto: what the engine likes (default: what the artifact was proven in)",
    )


def add_slots_argument(group: argparse._ArgumentGroup, what: str) -> None:
    """Add the flags that say how many inferences run at the same time, and in how many threads."""
    group.add_argument(
        "--slots",
        type=read_slots,
        default=2,
        metavar="N",
        help=f"{what}; auto: measured here once, for latency of one camera, for throughput of files and several "
        "cameras; latency or throughput: measured for that (default: 2)",
    )
    group.add_argument(
        "--threads", type=whole(1, 1024), metavar="N", help="CPU threads of the engine (default: one a core)"
    )
