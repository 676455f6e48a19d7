"""``edgeseg train``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.extras import require
from edgeseg.console.quantities import number, number_above, whole
from edgeseg.console.terminal import complain, say
from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.files.atomic import check_writable
from edgeseg.spec import ModelSpec
from edgeseg.verbs.train_start import (
    MODEL_OPTIONS,
    alone_in,
    complete,
    fit_to_data,
    spec_of_weights,
    take_length,
    warn_of_little,
    warn_of_stretch,
)

if TYPE_CHECKING:
    from edgeseg.training.data.boundary_weights import BoundaryWeights
    from edgeseg.training.loop import TrainResult
    from edgeseg.training.settings import Distillation, TrainSettings

EXAMPLES = (
    "edgeseg train --data DIR",
    "edgeseg train --data DIR --time 30min --out runs/half-an-hour",
    "edgeseg train --data DIR --weights runs/train/best.pt --qat --out runs/qat",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("start")
    group.add_argument(
        "--data", required=True, metavar="DIR", help="folder with images/, masks/, classes.txt, or a data.yaml"
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
    group.add_argument("--task", choices=("binary", "multiclass"), help="default: binary for two classes")
    group.add_argument("--color-order", choices=("rgb", "bgr", "gray"), help="default: rgb")
    group.add_argument("--mean", type=number(), nargs="+", help="of values scaled to 0..1; default: the model's")
    group.add_argument("--std", type=number_above(0), nargs="+")
    group.add_argument("--resize", choices=("stretch", "letterbox"), help="default: stretch")
    group.add_argument("--ignore-index", type=whole(0, 255), help="mask value that means void (default 255)")


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
    group.add_argument("--teacher", type=Path, metavar="CKPT", help="a larger checkpoint to imitate (distillation)")
    group.add_argument(
        "--distill-weight", type=number(0), metavar="W", help="the imitation's share of the loss (default 0.5)"
    )
    group.add_argument(
        "--distill-temperature", type=number_above(0), metavar="T", help="softens both networks (default 2)"
    )


def run(args: argparse.Namespace) -> int:
    for module in ("torch", "accelerate", "matplotlib"):
        require(module, "train")
    from edgeseg.files.output_paths import check_apart

    check_apart([args.out / "last.pt", args.out / "best.pt"], [path for path in (args.weights, args.teacher) if path])
    complete(args)
    settings = _settings(args)
    check_writable(args.out)
    with alone_in(args.out):
        return _train(args, settings)


def _train(args: argparse.Namespace, settings: TrainSettings) -> int:
    from edgeseg.training.loop import train

    given = Dataset.open(args.data, args.ignore_index)
    data = _with_val_split(given, args.out)
    spec, resume = _spec(args, data), _resume_path(args)
    settings = fit_to_data(args, settings, data, spec)
    settings = dataclasses.replace(settings, boundary=_boundary(args, data), distill=_distillation(args))
    if args.time and resume:
        settings = take_length(settings, resume)
    warn_of_little(settings, data)
    warn_of_stretch(data, spec)
    try:
        result = train(data, spec, settings, resume)
    except KeyboardInterrupt:
        if Path(args.out, "last.pt").is_file():
            complain(f"{args.out} holds the last whole epoch; the same command and --resume go on.")
        raise
    _tell(result, args.data if data is given else data.root, settings, spec)
    return 0


def _tell(result: TrainResult, data: str | Path, settings: TrainSettings, spec: ModelSpec) -> None:
    """The result, and what comes next: the export, or another training where nothing was learned."""
    from edgeseg.training.verdict import suggest

    say(f"best val mIoU {result.miou:.4f} with {result.weights / 1e6:.2f} M weights: {result.best}")
    verdict = result.verdict
    if not verdict.learned:
        say(f"This network has learned nothing: {' and '.join(verdict.why)}.")
        tries = suggest(verdict, result.steps, settings.lr, settings.pretrained, settings.loss, spec.task)
        say(f"Try: {tries}")
        return
    if verdict.never_found:
        say(f"It hardly ever finds: {', '.join(verdict.never_found)}.")
    say(f"next: {edgeseg_command('export', result.best, '--format', 'openvino', '--int8', '--data', data)}")


def _with_val_split(data: Dataset, out: Path) -> Dataset:
    """The data, with a part of train held out where it has no val split, and said."""
    from edgeseg.training.data.hold_out import with_val_split

    whole = with_val_split(data, out / "data")
    if whole is not data:
        held, kept = len(whole.pairs("val")), len(whole.pairs("train"))
        complain(
            f"{data.root} has no val split: {held} of {held + kept} pictures are held out to score on, every fifth by "
            f"name, and {kept} are trained on ({whole.root} links them). Frames of one clip then stand on both sides "
            "and flatter the score; make a split of your own where that matters."
        )
    return whole


def _resume_path(args: argparse.Namespace) -> Path | None:
    if args.resume is None:
        return None
    return Path(args.out, "last.pt") if args.resume == Path() else Path(args.resume)


def _settings(args: argparse.Namespace) -> TrainSettings:
    from edgeseg.models.registry import full_options
    from edgeseg.training.settings import TrainSettings

    same = ("out", "model", "qat", "lr", "encoder_lr", "weight_decay", "class_weights", "ema", "amp", "loss", "device")
    values = {name: getattr(args, name) for name in (*same, "workers", "seed")}
    lengths = ("epochs", "batch", "val_every")
    values |= {name: getattr(args, name) for name in lengths if getattr(args, name) is not None}
    given = {name: getattr(args, name) for name in MODEL_OPTIONS if getattr(args, name) is not None}
    return TrainSettings(
        **values,
        options=full_options(args.model, given),
        start_from=args.weights,
        pretrained=_load_pretrained(args),
        scale=tuple(args.scale),
    )


def _load_pretrained(args: argparse.Namespace) -> bool:
    from edgeseg.models.registry import model_entry

    if args.pretrained is not None:
        return bool(args.pretrained)
    return model_entry(args.model).pretrained is not None


def _boundary(args: argparse.Namespace, data: Dataset) -> BoundaryWeights | None:
    from edgeseg.training.data.boundary_weights import BoundaryWeights

    if args.boundary_weights is None:
        if args.boundary_objects:
            raise UserError("--boundary-objects says what --boundary-weights keep apart; give both.")
        return None
    for name in args.boundary_objects or ():
        if name not in data.classes:
            raise UserError(f"--boundary-objects: there is no class {name!r}; classes are {', '.join(data.classes)}.")
    objects = tuple(data.classes.index(name) for name in args.boundary_objects or data.classes[1:])
    w0, sigma = args.boundary_weights
    return BoundaryWeights(w0, sigma, objects)


def _distillation(args: argparse.Namespace) -> Distillation | None:
    from edgeseg.training.settings import Distillation

    given = {"weight": args.distill_weight, "temperature": args.distill_temperature}
    given = {name: value for name, value in given.items() if value is not None}
    if args.teacher is None:
        if given:
            raise UserError(f"--distill-{next(iter(given))} belongs to --teacher, which is missing.")
        return None
    return Distillation(args.teacher, **given)


def _spec(args: argparse.Namespace, data: Dataset) -> ModelSpec:
    if args.weights:
        return spec_of_weights(args, data)
    height, width = _input_size(args, data)
    task = args.task or ("binary" if len(data.classes) == 2 else "multiclass")
    mean, std = _normalisation(args)
    return ModelSpec(
        task=task,
        classes=data.classes,
        height=height,
        width=width,
        color_order=args.color_order,
        mean=mean,
        std=std,
        resize=args.resize,
        ignore_index=data.ignore_index,
    )


def _normalisation(args: argparse.Namespace) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """--mean and --std, or what the network's published weights take."""
    from edgeseg.models.registry import model_entry

    mean, std = model_entry(args.model).normalisation
    if args.color_order == "gray":
        mean, std = (mean[:1], std[:1]) if _load_pretrained(args) else ((0.5,), (0.25,))
    if args.color_order == "bgr":
        mean, std = mean[::-1], std[::-1]
    return tuple(args.mean or mean), tuple(args.std or std)


def _input_size(args: argparse.Namespace, data: Dataset) -> tuple[int, int]:
    """--imgsz, or the first training picture's size, brought down as far as the masks allow."""
    from edgeseg.training.defaults import choose_input_size

    if args.imgsz:
        return args.imgsz[0], args.imgsz[-1]
    size = choose_input_size(data)
    if size.kept_at_512 is not None:
        complain(
            f"network input {size.height}x{size.width}: the masks hold thin or small things, and at --imgsz 512 they "
            f"alone would lose {100 * (1 - size.kept_at_512):.0f} points of mIoU (it would be several times faster)"
        )
    return size.height, size.width
