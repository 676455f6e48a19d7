"""``edgeseg train``: what its flags mean by default, and with ``--weights``."""

from __future__ import annotations

import argparse
from typing import Any

from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.spec import ModelSpec

MODEL_OPTIONS = ("width", "stem_stride", "upsampling", "depth", "deep_supervision")
OF_THE_NETWORK = ("model", *MODEL_OPTIONS, "pretrained", "task", "color_order", "mean", "std", "resize")
"""What a checkpoint says itself."""

DEFAULTS: dict[str, Any] = {"model": "unet", "color_order": "rgb", "resize": "stretch", "epochs": 60, "lr": 2e-3}
QAT_DEFAULTS: dict[str, Any] = {"epochs": 10, "lr": 2e-4}


def complete(args: argparse.Namespace) -> None:
    """Give every flag that was left out its value, in place.

    Raises:
        UserError: ``--imgsz`` with more than two numbers; a flag beside ``--weights`` that the checkpoint answers.
        CheckpointError: ``--weights`` is no checkpoint.
    """
    if args.imgsz and len(args.imgsz) > 2:
        raise UserError(f"--imgsz takes one or two numbers (height width); found {args.imgsz}.")
    if args.weights:
        _take_network(args)
    for name, value in {**DEFAULTS, **(QAT_DEFAULTS if args.qat else {})}.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def _take_network(args: argparse.Namespace) -> None:
    from edgeseg.training.checkpoint import load_model

    for name in OF_THE_NETWORK:
        if getattr(args, name) is not None:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"--weights {args.weights} says itself what {flag} is; leave {flag} out.")
    architecture = load_model(args.weights).architecture
    args.model, args.pretrained = architecture["name"], False
    for name, value in architecture["options"].items():
        setattr(args, name, value)


def spec_of_weights(args: argparse.Namespace, data: Dataset) -> ModelSpec:
    """The checkpoint's contract, for this data's void value and for ``--imgsz`` where that is given.

    Raises:
        CheckpointError: the data has other classes.
    """
    from edgeseg.training.checkpoint import read_checkpoint
    from edgeseg.training.start import check_same_classes

    spec = ModelSpec.from_json(read_checkpoint(args.weights)["spec"])
    check_same_classes(spec.classes, data.classes, f"{args.weights} was trained on", "Start")
    height, width = (args.imgsz[0], args.imgsz[-1]) if args.imgsz else (spec.height, spec.width)
    return spec.replace(height=height, width=width, ignore_index=data.ignore_index)
