"""``edgeseg calibrate``: an fp32 artifact becomes a verified INT8 one; with ``-o``, a calibration set is chosen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgeseg.api.export_model import default_out
from edgeseg.api.needs import need_to_calibrate
from edgeseg.console.progress import bar_on_tty
from edgeseg.console.terminal import say, say_lines
from edgeseg.console.wording import reword
from edgeseg.errors import UserError
from edgeseg.files.atomic import check_writable
from edgeseg.formats import format_names
from edgeseg.verbs.export_report import TIMED_S, print_results, say_what_stays, warn
from edgeseg.verbs.flags.int8 import add_int8_arguments, check_evidence, check_int8_arguments, read_quantization
from edgeseg.verbs.flags.masks import add_mask_arguments

EXAMPLES = (
    "edgeseg calibrate best-fp32-openvino --data DIR",
    "edgeseg calibrate best-fp32-openvino --calib site.mp4 --eval-data DIR --max-drop 0.5",
    "edgeseg calibrate best-fp32-openvino --data DIR -n 200 -o set.json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg calibrate``."""
    parser.add_argument("artifact", type=Path, help="fp32 artifact; with -o also a checkpoint (.pt)")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder, or a folder of sample images; calibrates and verifies"
    )
    add_mask_arguments(data)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format", help=f"engine to quantise for: {', '.join(format_names())} (default: the artifact's)"
    )
    output.add_argument(
        "--out", type=Path, metavar="DIR", help="where the artifact goes (default: beside the fp32 one)"
    )
    output.add_argument("--name", help="what it is called (default: as the fp32 one)")
    output.add_argument(
        "-o", dest="set_file", type=Path, metavar="SET.json", help="only choose the calibration images, and write them"
    )
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    add_int8_arguments(parser.add_argument_group("INT8"))


def run(args: argparse.Namespace) -> int:
    """Quantise an artifact, or choose a calibration set, and print the result; returns the exit code."""
    return _quantize(args) if args.set_file is None else _choose(args)


def _quantize(args: argparse.Namespace) -> int:
    from edgeseg.artifact import Artifact
    from edgeseg.calibration.quantizers.quantizer import expect_parent, quantizer_for
    from edgeseg.proof.publishing import OutputOptions, check_name

    check_evidence(args)
    check_int8_arguments(args)
    if args.name is not None:
        check_name(args.name)
    parent = Artifact.open(args.artifact)
    model_format = args.format or parent.format
    expect_parent(quantizer_for(model_format), parent)
    need_to_calibrate(model_format)
    from edgeseg.calibration.quantization import make_int8

    beside = parent.path if args.artifact.exists() else args.artifact  # a network of the zoo lies in the cache
    place = OutputOptions(args.out or default_out(beside), args.name or parent.name, bar_on_tty, TIMED_S)
    check_writable(place.out)
    with say_what_stays():
        made, _ = make_int8(read_quantization(args), parent, place, model_format, warn)
    print_results([made], args.json)
    return 0


def _choose(args: argparse.Namespace) -> int:
    """Write a calibration set and the picture of its coverage, and print the table."""
    from edgeseg.api.choose_images import choose_set
    from edgeseg.calibration.images.coverage_report import coverage_text

    if (images := args.calib or args.data) is None:
        raise UserError("There is nothing to calibrate on: give --calib or --data.")
    chosen = choose_set(
        args.set_file,
        args.artifact,
        images,
        data=args.data,
        eval_data=args.eval_data,
        count=args.n,
        seed=args.seed,
        ignore_index=args.ignore_index,
        mask_values=args.mask_values,
        progress=bar_on_tty,
        warn=warn,
    )
    if args.json:
        say_lines(json.dumps(chosen.values, indent=2))
        return 0
    say_lines(reword(coverage_text(chosen.coverage)))
    digest = chosen.images.digest[:12]
    say(f"{args.set_file}: {len(chosen.images)} images, digest {digest}; {chosen.picture}")
    return 0
