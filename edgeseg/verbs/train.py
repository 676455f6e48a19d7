"""``edgeseg train``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.needs import need
from edgeseg.console.command import edgeseg_command
from edgeseg.console.quantities import duration_s, number, number_above, whole
from edgeseg.console.terminal import complain, say
from edgeseg.errors import Interrupted, UserError
from edgeseg.spec import TASKS
from edgeseg.verbs.flags.masks import add_mask_arguments

if TYPE_CHECKING:
    from edgeseg.training.session.request import TrainRequest
    from edgeseg.training.session.session import Training

NETWORK_OPTIONS = ("width", "stem_stride", "upsampling", "depth", "deep_supervision")
_NAMES = """
out weights qat model pretrained task color_order resize ignore_index mask_values epochs steps batch val_every lr
teacher unlabelled distill_weight distill_temperature
"""
AS_THEY_ARE = _NAMES.split()
"""Flags that are fields of a request."""
FURTHER = (
    "encoder_lr",
    "weight_decay",
    "class_weights",
    "ema",
    "augment",
    "pseudo_confidence",
    "amp",
    "loss",
    "device",
    "workers",
    "seed",
)

EXAMPLES = (
    "edgeseg train --data DIR",
    "edgeseg train --data DIR --time 30min --out runs/half-an-hour",
    "edgeseg train --data DIR --weights runs/train/best.pt --qat --out runs/qat",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg train``."""
    group = parser.add_argument_group("start")
    group.add_argument(
        "--data", required=True, metavar="DIR", help="folder with images/, masks/, classes.txt, or a data.yaml"
    )
    group.add_argument(
        "--hold-out",
        nargs="+",
        metavar="NAME",
        help="score on all pictures whose names begin so (a drive, a patient) and train on none of them (default: the "
        "data's val split)",
    )
    group.add_argument(
        "--out", type=Path, default=Path("runs/train"), metavar="DIR", help="folder for checkpoints and curves"
    )
    group.add_argument(
        "--weights", type=Path, metavar="CKPT", help="start from a checkpoint: its network, classes and preprocessing"
    )
    group.add_argument(
        "--qat", action="store_true", help="tune --weights under the rounding of INT8 (then export --int8 as usual)"
    )
    group.add_argument(
        "--resume",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="CKPT",
        help="go on from a last.pt (without CKPT: that of --out; default: off)",
    )
    _add_model(parser)
    _add_schedule(parser)
    _add_loss(parser)


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("network")
    group.add_argument(
        "--model",
        help="a name from the list that edgeseg models prints (default: lite-unet where its pretrained weights are "
        "installed and no option below rules it out, else unet)",
    )
    group.add_argument("--width", type=number_above(0, 64), help="multiplier of the channel counts (default 1)")
    group.add_argument(
        "--stem-stride", type=whole(1, 64), help="2: work at half resolution, about 4 times faster (default 1)"
    )
    group.add_argument(
        "--upsampling", metavar="KIND", help="nearest, bilinear, transposed or unpool (default: the model's)"
    )
    group.add_argument("--depth", type=whole(1, 64), help="levels of a U-Net++ below the finest (default 4)")
    group.add_argument(
        "--deep-supervision", action=argparse.BooleanOptionalAction, help="heads at every depth of a U-Net++"
    )
    group.add_argument(
        "--pretrained",
        action=argparse.BooleanOptionalAction,
        help="start from published encoder weights (default: yes where there are any)",
    )
    group.add_argument(
        "--imgsz",
        type=whole(1, 1 << 16),
        nargs="+",
        metavar="N",
        help="network input: side, or height width (default: the first picture's, brought to the smallest long side "
        "of 384 to 1024 that the masks survive)",
    )
    group.add_argument("--task", choices=TASKS, help="default: that of the data, else binary for two classes")
    group.add_argument("--color-order", choices=("rgb", "bgr", "gray"), help="default: rgb")
    group.add_argument("--mean", type=number(), nargs="+", help="of values scaled to 0..1; default: the model's")
    group.add_argument("--std", type=number_above(0), nargs="+")
    group.add_argument("--resize", choices=("stretch", "letterbox"), help="default: stretch")
    add_mask_arguments(group, "255")


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("schedule")
    group.add_argument(
        "--steps",
        type=whole(1),
        metavar="N",
        help="length in optimiser steps (default 600 and at least 12 epochs; with --qat 200 and 10)",
    )
    group.add_argument(
        "--time", metavar="TIME", help="length that fits a time on this machine, such as 30min (default: off)"
    )
    group.add_argument(
        "--epochs", type=whole(1), help="length in passes over the training pictures (default: by --steps)"
    )
    group.add_argument(
        "--batch", type=whole(1, 1 << 16), help="pictures a step (default 4, or all where there are fewer)"
    )
    group.add_argument(
        "--crop",
        type=whole(1, 1 << 16),
        nargs=2,
        metavar=("H", "W"),
        help="training crops (default: --imgsz, brought to at most 288x384 pixels)",
    )
    group.add_argument(
        "--scale",
        type=number_above(0, 100),
        nargs=2,
        default=(0.75, 2.0),
        metavar=("MIN", "MAX"),
        help="sizes that crops are drawn at, relative to --imgsz (default 0.75 2; 1 1: none but its own)",
    )
    group.add_argument(
        "--augment",
        choices=("light", "strong"),
        default="light",
        help="strong: crops under other light, weather, blur and compression too, for streets never seen",
    )
    group.add_argument(
        "--lr", type=number_above(0, 1000), help="peak of the one-cycle schedule (default 0.002, with --qat 0.0002)"
    )
    group.add_argument(
        "--encoder-lr", type=number(0, 1000), help="the encoder's share of --lr (default 0.3 when pretrained, else 1)"
    )
    group.add_argument("--weight-decay", type=number(0, 1000), default=0.02)
    group.add_argument("--class-weights", choices=("balanced", "none"), default="balanced")
    group.add_argument("--ema", type=number(0, 1), default=0.998, help="decay of the weight average; 0: off")
    group.add_argument("--amp", choices=("auto", "no", "bf16", "fp16"), default="auto")
    group.add_argument("--device", choices=("auto", "cpu"), default="auto")
    group.add_argument("--workers", type=whole(0, 1024), default=0, help="loader processes")
    group.add_argument(
        "--val-every", type=whole(1), help="epochs between validations (default: 15 in all; with --epochs 1)"
    )
    group.add_argument("--seed", type=whole(0, (1 << 32) - 1), default=0)


def _add_loss(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("loss")
    group.add_argument(
        "--loss",
        metavar="NAME",
        help="ce, bce, focal, dice, lovasz or a sum such as ce+dice (default: ce, binary: bce)",
    )
    group.add_argument(
        "--boundary-weights",
        type=number(0),
        nargs=2,
        metavar=("W0", "SIGMA"),
        help="U-Net's extra weight between touching objects; SIGMA in pixels of the masks (the paper: 10 5)",
    )
    group.add_argument(
        "--boundary-objects",
        nargs="+",
        metavar="CLASS",
        help="classes whose connected regions are the objects (default: all but the first)",
    )
    group.add_argument(
        "--teacher",
        type=Path,
        metavar="MODEL",
        help="who is imitated (distillation): a checkpoint, an artifact, a network of edgeseg zoo, or anything that "
        "edgeseg export reads",
    )
    group.add_argument(
        "--unlabelled", type=Path, metavar="DIR", help="pictures without masks, which --teacher labels where it is sure"
    )
    group.add_argument(
        "--pseudo-confidence",
        type=number(0, 1),
        default=0.9,
        metavar="P",
        help="how sure it must be; other pixels of --unlabelled teach nothing",
    )
    group.add_argument(
        "--distill-weight", type=number(0), metavar="W", help="the imitation's share of the loss (default 0.5)"
    )
    group.add_argument(
        "--distill-temperature", type=number_above(0), metavar="T", help="softens both networks (default 2)"
    )


def run(args: argparse.Namespace) -> int:
    """Train a network and print what came of it; returns the exit code."""
    need("train", "torch", "accelerate", "matplotlib")
    from edgeseg.api.teachers import read_teacher
    from edgeseg.training.session.session import run_training
    from edgeseg.training.voice import ALOUD

    try:
        done = run_training(read_request(args), ALOUD, read_teacher)
    except Interrupted as stopped:
        complain(f"{stopped.kept} holds the last whole epoch; the same command and --resume go on.")
        raise
    _tell(done)
    return 0


def read_request(args: argparse.Namespace) -> TrainRequest:
    """Read what the flags ask for.

    Raises:
        UserError: ``--imgsz`` with more than two numbers, a time that is none, or flags that contradict each other.
    """
    from edgeseg.training.session.request import TrainRequest

    if args.imgsz and len(args.imgsz) > 2:
        raise UserError(f"--imgsz takes one or two numbers (height width); found {args.imgsz}.")
    options = {name: getattr(args, name) for name in NETWORK_OPTIONS}
    return TrainRequest(
        args.data,
        **{name: getattr(args, name) for name in AS_THEY_ARE},
        resume=args.out / "last.pt" if args.resume == Path() else args.resume,
        options={name: value for name, value in options.items() if value is not None},
        imgsz=(args.imgsz[0], args.imgsz[-1]) if args.imgsz else None,
        mean=tuple(args.mean) if args.mean else None,
        std=tuple(args.std) if args.std else None,
        time_s=None if args.time is None else duration_s(args.time),
        crop=tuple(args.crop) if args.crop else None,
        boundary_weights=None if args.boundary_weights is None else tuple(args.boundary_weights),
        boundary_objects=tuple(args.boundary_objects or ()),
        hold_out=tuple(args.hold_out or ()),
        others={**{name: getattr(args, name) for name in FURTHER}, "scale": tuple(args.scale)},
    )


def _tell(done: Training) -> None:
    """Print the result, and what comes next: the export, or another training where nothing was learned."""
    from edgeseg.training.verdict import suggest

    result, settings = done.result, done.settings
    say(f"best val mIoU {result.miou:.4f} with {result.weights / 1e6:.2f} M weights: {result.best}")
    verdict = result.verdict
    if not verdict.learned:
        say(f"This network has learned nothing: {' and '.join(verdict.why)}.")
        tries = suggest(verdict, result.steps, settings.lr, settings.pretrained, settings.loss, done.spec.task)
        say(f"Try: {tries}")
        return
    if verdict.never_found:
        say(f"It hardly ever finds: {', '.join(verdict.never_found)}.")
    say(f"next: {edgeseg_command('export', result.best, '--format', 'openvino', '--int8', '--data', done.data)}")
