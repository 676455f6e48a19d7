"""What ``edgeseg export`` takes for a model that brings no spec."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.quantities import number, number_above, whole
from edgeseg.errors import UserError
from edgeseg.spec import TASKS
from edgeseg.verbs.flags.masks import add_mask_arguments

if TYPE_CHECKING:
    from edgeseg.export.specs.foreign_spec import SpecFlags


def add_spec_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the flags that describe a model."""
    group.add_argument("--spec", type=Path, metavar="FILE", help="JSON with any of these; flags win over it")
    group.add_argument(
        "--imgsz", type=whole(1, 1 << 16), nargs="+", metavar="PX", help="network input: H W, or one number for both"
    )
    group.add_argument(
        "--task",
        choices=TASKS,
        help="what the logits mean (default: binary with one channel, multilabel with several behind a Sigmoid)",
    )
    group.add_argument("--classes", help="names a,b,c in label order, or a file with one a line")
    group.add_argument("--color-order", choices=("rgb", "bgr", "gray"), help="what the network was trained on")
    group.add_argument("--mean", type=number(), nargs="+", help="in the network's colour order")
    group.add_argument("--std", type=number_above(0), nargs="+", help="in the network's colour order")
    group.add_argument(
        "--value-range", type=whole(), choices=(1, 255), default=1, help="pixel scale of --mean and --std"
    )
    group.add_argument(
        "--resize",
        choices=("stretch", "letterbox"),
        help="how pictures are brought to the input's size (default: stretch)",
    )
    add_mask_arguments(group, "255, or the model's own")
    group.add_argument("--logits", metavar="NAME", help="the output with the logits, where a file has several")
    group.add_argument(
        "--upsample",
        choices=("bilinear", "bilinear-align-corners"),
        help="bring logits that are smaller than the input to its size",
    )


def check_size(imgsz: list[int] | None) -> None:
    """Raise UserError when ``--imgsz`` is more than height and width."""
    if imgsz is not None and len(imgsz) > 2:
        raise UserError(f"--imgsz takes H W, or one number for both; found {imgsz}.")


def read_spec(args: argparse.Namespace) -> SpecFlags:
    """Read what was said about a model, ``--spec`` included.

    Raises:
        SpecError: the file is missing or makes no sense.
    """
    from edgeseg.export.specs.foreign_spec import SpecFlags, class_names
    from edgeseg.export.specs.spec_file import merge_flags

    given = SpecFlags(
        task=args.task,
        classes=class_names(args.classes) if args.classes else None,
        imgsz=(args.imgsz[0], args.imgsz[-1]) if args.imgsz else None,
        mean=tuple(args.mean) if args.mean else None,
        std=tuple(args.std) if args.std else None,
        value_range=args.value_range,
        color_order=args.color_order,
        resize=args.resize,
        threshold=args.conf,
        ignore_index=args.ignore_index,
        logits=args.logits,
        upsample=args.upsample,
    )
    return merge_flags(given, args.spec)
