"""``edgeseg models``: the networks that can be trained, in figures; and U-Net++ cut to a depth."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edgeseg.console.command import edgeseg_command
from edgeseg.console.extras import require
from edgeseg.console.quantities import whole
from edgeseg.console.terminal import say, say_lines
from edgeseg.errors import UserError
from edgeseg.spec import ModelSpec

ASIDE = """GFLOP: 2 a multiply-add, convolutions only. Field: side in pixels of what one pixel's class depends on.
Every network takes images of any size: inside it pads them to a multiple of its stride and crops the logits."""
NAME_WIDE = 14

EXAMPLES = (
    "edgeseg models unet lite-unet --imgsz 256",
    "edgeseg models --prune best.pt --depth 2 --out small.pt",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg models``."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to list (default: all)")
    figures = parser.add_argument_group("figures")
    figures.add_argument(
        "--imgsz", type=whole(1, 1 << 16), nargs="+", default=[360, 480], metavar="N", help="side, or height width"
    )
    figures.add_argument("--classes", type=whole(1, 256), default=11, metavar="K", help="number of classes")
    figures.add_argument("--json", action="store_true", help="print the result as JSON")
    group = parser.add_argument_group("a shallower network out of a trained U-Net++")
    group.add_argument("--prune", type=Path, metavar="CKPT", help="a checkpoint trained with deep supervision")
    group.add_argument("--depth", type=whole(1, 64), help="levels below the finest to keep")
    group.add_argument("--out", type=Path, help="the checkpoint to write")


def run(args: argparse.Namespace) -> int:
    """List the networks with their figures, or cut one; returns the exit code."""
    require("torch", "train")
    if args.prune:
        return _prune(args)
    from edgeseg.models.profile import describe_network

    spec = _spec(args)
    found = (describe_network(name, spec) for name in _names(args))
    if args.json:
        say_lines(json.dumps(list(found), indent=2))
        return 0
    for line in _table(found, spec):
        say_lines(line)
    return 0


def _names(args: argparse.Namespace) -> list[str]:
    from edgeseg.models.registry import MODELS, model_entry

    for name in args.names:
        model_entry(name)
    return list(args.names or MODELS)


def _spec(args: argparse.Namespace) -> ModelSpec:
    if len(args.imgsz) > 2:
        raise UserError(f"--imgsz takes one or two numbers (height width); found {args.imgsz}.")
    classes = tuple(f"class {index}" for index in range(args.classes))
    return ModelSpec("multiclass", classes, args.imgsz[0], args.imgsz[-1])


def _table(found: Iterable[dict[str, Any]], spec: ModelSpec) -> Iterator[str]:
    """The lines of a table, each as soon as its network was measured."""
    yield f"for images of {spec.height}x{spec.width} and {spec.num_classes} classes"
    yield f"{'':<{NAME_WIDE}}  weights   GFLOP  field  engines"
    for one in found:
        field = one["receptive_field"] or "all"
        figures = f"{one['weights'] / 1e6:5.2f} M  {one['gflop']:6.2f}  {field:>5}  {', '.join(one['engines'])}"
        yield f"{one['name']:<{NAME_WIDE}}  {figures}"
        yield f"{'':<{NAME_WIDE}}  {one['summary']}; options: {_options(one)}"
    yield f"\n{ASIDE}\nTrain one with: {edgeseg_command('train', '--model', 'NAME', '--data', 'DIR')}"


def _options(one: dict[str, Any]) -> str:
    names = ["--" + name.replace("_", "-") for name in one["options"]]
    return ", ".join([*names, *(["--pretrained"] if one["pretrained"] else [])])


def _prune(args: argparse.Namespace) -> int:
    from edgeseg.training.pruning.depth_cut import prune_checkpoint

    if args.depth is None or args.out is None:
        raise UserError("--prune needs --depth, the levels to keep, and --out, the checkpoint to write.")
    before, after = prune_checkpoint(args.prune, args.depth, args.out)
    say(f"depth {args.depth}: {after / 1e6:.2f} M weights of {before / 1e6:.2f} M: {args.out}")
    return 0
