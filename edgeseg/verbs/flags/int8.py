"""What ``export --int8`` and ``calibrate`` have in common: flags, and what they say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.quantities import whole
from edgeseg.errors import UserError
from edgeseg.verbs.flags.budget import add_budget_arguments, read_limits

if TYPE_CHECKING:
    from edgeseg.calibration.quantization import Quantization
    from edgeseg.proof.budget import Budget


def add_int8_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the flags that say how INT8 is made."""
    group.add_argument(
        "--calib",
        type=Path,
        metavar="WHERE",
        help="what calibrates: a folder, a glob, a video, or a set.json of edgeseg calibrate -o (default: --data)",
    )
    group.add_argument(
        "-n", type=whole(1), default=100, metavar="N", help="calibration images (default: 100, or the set's)"
    )
    group.add_argument("--seed", type=whole(0, (1 << 32) - 1), default=0, help="chooses the calibration images")
    group.add_argument("--eval-data", type=Path, help="other images to verify on (default: --data, split val)")
    group.add_argument("--method", default="minmax", help="minmax, entropy, percentile, mse, or auto: the best of them")
    group.add_argument("--keep-float", default="", metavar="LAYER,...", help="layers that are not quantised")
    add_budget_arguments(group)
    group.add_argument(
        "--no-search", action="store_true", help="fail when a limit is missed, instead of keeping layers in float"
    )


def check_int8_arguments(args: argparse.Namespace) -> None:
    """Raise UserError for what can be known to be wrong before the long work starts."""
    for path in (args.data, args.eval_data):
        if path is not None and not path.exists():
            raise UserError(
                f"There is no {path}; --data and --eval-data take folders of images (a glob or a video calibrates with "
                "--calib)."
            )
    read_budget(args)
    _check_method(args.method)


def check_evidence(args: argparse.Namespace) -> None:
    """Raise UserError when INT8 has nothing to be calibrated or to be verified on."""
    if args.calib is None and args.data is None:
        raise UserError(
            "INT8 needs sample images: --data DIR, a data folder or a plain folder of images; or --calib SET with "
            "--eval-data DIR."
        )
    if (args.eval_data or args.data) is None:
        raise UserError("INT8 is verified as well as made: give --data DIR, or --calib SET with --eval-data DIR.")


def _check_method(method: str) -> None:
    from edgeseg.calibration.quantizers.recipe import AUTO, Recipe

    if method != AUTO:
        Recipe(method)


def read_budget(args: argparse.Namespace) -> Budget:
    """Read what may be lost."""
    from edgeseg.proof.budget import Budget

    return Budget(**read_limits(args), search=not args.no_search, require_held=args.require_held)


def read_quantization(args: argparse.Namespace) -> Quantization:
    """Read how INT8 is made, of flags that :func:`check_evidence` has looked at."""
    from edgeseg.calibration.quantization import Quantization

    return Quantization(
        args.calib or args.data,
        args.eval_data or args.data,
        count=args.n,
        seed=args.seed,
        method=args.method,
        keep_float=frozenset(name for name in args.keep_float.split(",") if name),
        budget=read_budget(args),
        ignore_index=args.ignore_index,
        mask_values=args.mask_values,
    )
