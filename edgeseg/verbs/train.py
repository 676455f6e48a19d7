"""``edgeseg train``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.extras import require
from edgeseg.files import check_writable
from edgeseg.image import read_image
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from edgeseg.training.settings import TrainSettings

LONG_SIDE = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, help="folder with images/, masks/, classes.txt, or a data.yaml")
    parser.add_argument("--out", type=Path, default=Path("runs/train"), help="folder for checkpoints and curves")
    parser.add_argument("--resume", type=Path, nargs="?", const=Path(), help="go on from a last.pt (default: of --out)")
    _add_model(parser)
    _add_schedule(parser)


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("network")
    group.add_argument("--model", default="unet", help="unet or fcn8s")
    group.add_argument("--width", type=float, default=1.0, help="multiplier of the channel counts")
    group.add_argument("--stem-stride", type=int, default=1, help="2: work at half resolution, about 4 times faster")
    group.add_argument("--imgsz", type=int, nargs="+", metavar="N", help="network input: side, or height width")
    group.add_argument("--task", choices=("binary", "multiclass"), help="default: binary for two classes")
    group.add_argument("--color-order", choices=("rgb", "bgr", "gray"), default="rgb")
    group.add_argument("--mean", type=float, nargs="+", help="of values scaled to 0..1; default: ImageNet's")
    group.add_argument("--std", type=float, nargs="+")
    group.add_argument("--resize", choices=("stretch", "letterbox"), default="stretch")
    group.add_argument("--ignore-index", type=int, help="mask value that means void (default 255)")


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("schedule")
    group.add_argument("--epochs", type=int, default=60)
    group.add_argument("--batch", type=int, default=8)
    group.add_argument("--crop", type=int, nargs=2, metavar=("H", "W"), help="training crops; default: --imgsz")
    group.add_argument("--lr", type=float, default=2e-3, help="peak of the one-cycle schedule")
    group.add_argument("--weight-decay", type=float, default=0.02)
    group.add_argument("--class-weights", choices=("balanced", "none"), default="balanced")
    group.add_argument("--ema", type=float, default=0.998, help="decay of the weight average; 0: off")
    group.add_argument("--amp", choices=("auto", "no", "bf16", "fp16"), default="auto")
    group.add_argument("--device", choices=("auto", "cpu"), default="auto")
    group.add_argument("--workers", type=int, default=0, help="loader processes")
    group.add_argument("--val-every", type=int, default=1, help="epochs between validations")
    group.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    for module in ("torch", "accelerate", "matplotlib"):
        require(module, "train")
    from edgeseg.training.loop import train

    check_writable(args.out)
    data = Dataset.open(args.data, args.ignore_index)
    result = train(data, _spec(args, data), _settings(args), _resume_path(args))
    print(f"best val mIoU {result.miou:.4f} with {result.weights / 1e6:.2f} M weights: {result.best}")
    print(f"next: edgeseg export {result.best} --format openvino --int8 --data {args.data}")
    return 0


def _resume_path(args: argparse.Namespace) -> Path | None:
    if args.resume is None:
        return None
    return Path(args.out, "last.pt") if args.resume == Path() else Path(args.resume)


def _settings(args: argparse.Namespace) -> TrainSettings:
    from edgeseg.training.settings import TrainSettings

    same = ("out", "model", "epochs", "batch", "lr", "weight_decay", "class_weights", "ema", "amp", "device")
    values = {name: getattr(args, name) for name in (*same, "workers", "val_every", "seed")}
    options = {"width": args.width, "stem_stride": args.stem_stride}
    return TrainSettings(**values, options=options, crop=tuple(args.crop) if args.crop else None)


def _spec(args: argparse.Namespace, data: Dataset) -> ModelSpec:
    height, width = _input_size(args, data)
    task = args.task or ("binary" if len(data.classes) == 2 else "multiclass")
    gray = args.color_order == "gray"
    mean = args.mean or ((0.5,) if gray else (0.485, 0.456, 0.406))
    std = args.std or ((0.25,) if gray else (0.229, 0.224, 0.225))
    if args.color_order == "bgr" and not args.mean:
        mean, std = mean[::-1], std[::-1]
    return ModelSpec(
        task=task,
        classes=data.classes,
        height=height,
        width=width,
        color_order=args.color_order,
        mean=tuple(mean),
        std=tuple(std),
        resize=args.resize,
        ignore_index=data.ignore_index,
    )


def _input_size(args: argparse.Namespace, data: Dataset) -> tuple[int, int]:
    """--imgsz, or the size of the first training image brought to at most 512 on its long side."""
    if args.imgsz:
        if len(args.imgsz) > 2:
            raise UserError(f"--imgsz takes one or two numbers (height width); found {args.imgsz}.")
        return args.imgsz[0], args.imgsz[-1]
    height, width = read_image(data.pairs("train")[0].image).shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    return max(8, round(height * scale)), max(8, round(width * scale))
