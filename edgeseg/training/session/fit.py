"""What the data decides about a training: its spec, its batches, its length, and what must be said of it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from edgeseg.aspect import warn_of_stretch as word_stretch
from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.files.image_files import list_images
from edgeseg.models.registry import model_entry
from edgeseg.spec import MAX_MULTILABEL, ModelSpec
from edgeseg.training import defaults
from edgeseg.training.checkpoint import read_checkpoint
from edgeseg.training.data.boundary_weights import BoundaryWeights
from edgeseg.training.data.hold_out import with_named_held_out, with_val_split
from edgeseg.training.session.request import Network, TrainRequest
from edgeseg.training.settings import Distillation, TrainSettings
from edgeseg.training.start import check_same_classes
from edgeseg.training.voice import ALOUD, Voice

FEW_PICTURES, FEW_STEPS = 10, 300
LOOKED_AT = 50
"""Training pictures, spread over all, whose sizes are looked at before the training."""


def open_data(asked: TrainRequest, voice: Voice = ALOUD) -> Dataset:
    """Open the data, with a part of train held out where it has no val split.

    Raises:
        DataError: no data folder, or no train split.
        UserError: the folder of what is held out is another folder already.
    """
    data = Dataset.open(asked.data, asked.ignore_index, asked.mask_values)
    if asked.hold_out:
        whole, chosen = with_named_held_out(data, asked.out / "data", asked.hold_out)
        voice.note(
            f"scored on {len(whole.pairs('val'))} pictures and trained on {len(whole.pairs('train'))} "
            f"({whole.root} links them): {chosen}"
        )
        return whole
    whole, chosen = with_val_split(data, asked.out / "data")
    if whole.folders["train"][0].resolve() == whole.folders["val"][0].resolve():
        voice.warn(
            f"train and val of {data.root} are the same pictures: the score will say nothing about others. Name "
            "another folder as val, or leave val out."
        )
    if whole is not data:
        held, kept = len(whole.pairs("val")), len(whole.pairs("train"))
        voice.note(
            f"{data.root} has no val split: {held} of {held + kept} pictures are held out to score on, and "
            f"{kept} are trained on ({whole.root} links them): {chosen}"
        )
    return whole


def make_spec(asked: TrainRequest, network: Network, data: Dataset, voice: Voice = ALOUD) -> ModelSpec:
    """Make the contract of the network to be.

    Raises:
        CheckpointError: the data has other classes than ``weights``.
        SpecError: fields that contradict each other.
    """
    if asked.weights:
        return _spec_of_weights(asked.weights, asked.imgsz, data)
    task = asked.task or data.task or ("binary" if len(data.classes) == 2 else "multiclass")
    data.expect_task(task)
    if data.several and len(data.classes) == MAX_MULTILABEL:
        raise UserError(
            f"Training takes at most {MAX_MULTILABEL - 1} classes that may show together: the value 255, all eight of "
            "them, is void there."
        )
    height, width = asked.imgsz or _choose_size(data, voice)
    mean, std = _choose_normalisation(asked, network)
    return ModelSpec(
        task=task,
        classes=data.classes,
        height=height,
        width=width,
        color_order=asked.color_order or "rgb",
        mean=mean,
        std=std,
        resize=asked.resize or "stretch",
        ignore_index=data.ignore_index,
    )


def _spec_of_weights(weights: Path, imgsz: tuple[int, int] | None, data: Dataset) -> ModelSpec:
    """The checkpoint's contract, for this data's void value and for another size where one is given."""
    spec = ModelSpec.from_json(read_checkpoint(weights)["spec"])
    check_same_classes(spec.classes, data.classes, f"{weights} was trained on", "Start")
    data.expect_task(spec.task)
    height, width = imgsz or (spec.height, spec.width)
    return spec.replace(height=height, width=width, ignore_index=data.ignore_index)


def _choose_normalisation(asked: TrainRequest, network: Network) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What is given, or what the network's published weights take."""
    mean, std = model_entry(network.name).normalisation
    if asked.color_order == "gray":
        mean, std = (mean[:1], std[:1]) if network.pretrained else ((0.5,), (0.25,))
    if asked.color_order == "bgr":
        mean, std = mean[::-1], std[::-1]
    return tuple(asked.mean or mean), tuple(asked.std or std)


def _choose_size(data: Dataset, voice: Voice) -> tuple[int, int]:
    """The first training picture's size, brought down as far as the masks allow."""
    size = defaults.choose_input_size(data)
    if size.kept_at_512 is not None:
        voice.note(
            f"network input {size.height}x{size.width}: the masks hold thin or small things, and at `imgsz=512` they "
            f"alone would lose {100 * (1 - size.kept_at_512):.0f} points of mIoU (it would be several times faster)"
        )
    return size.height, size.width


def fit_to_data(asked: TrainRequest, settings: TrainSettings, data: Dataset, spec: ModelSpec) -> TrainSettings:
    """Give the batch, crop, length and weights that fit the data where nothing else was asked for.

    Raises:
        UserError: classes that are not there, or settings that go with others.
        CheckpointError: ``resume`` is no checkpoint.
    """
    pictures = len(data.pairs("train"))
    if asked.unlabelled is not None:
        pictures += len(list_images(asked.unlabelled))
    batch = asked.batch or defaults.choose_batch(pictures)
    crop = asked.crop or defaults.choose_crop(spec.height, spec.width)
    epochs = asked.epochs
    if epochs is None:
        together = batch * count_processes()
        steps = asked.steps or defaults.choose_steps(pictures, together, asked.qat)
        epochs = defaults.choose_epochs(steps, pictures, together)
    val_every = asked.val_every or (1 if asked.epochs else defaults.choose_val_every(epochs))
    settings = dataclasses.replace(settings, batch=batch, crop=crop, epochs=epochs, val_every=val_every)
    boundary, distill = _choose_boundary(asked, data), _choose_distillation(asked)
    settings = dataclasses.replace(settings, boundary=boundary, distill=distill, unlabelled=asked.unlabelled)
    settings = dataclasses.replace(settings, sparse=asked.epochs is None, budget_s=asked.time_s)
    return _take_length(settings, asked.resume) if asked.time_s and asked.resume else settings


def _take_length(settings: TrainSettings, resume: Path) -> TrainSettings:
    """With the length that a run for a time was found to have when it began."""
    state = read_checkpoint(resume).get("resume") or {}
    epochs = state.get("identity", {}).get("epochs", settings.epochs)
    return dataclasses.replace(settings, epochs=epochs, val_every=defaults.choose_val_every(epochs))


def _choose_boundary(asked: TrainRequest, data: Dataset) -> BoundaryWeights | None:
    if asked.boundary_weights is None:
        if asked.boundary_objects:
            raise UserError("`boundary_objects` says what `boundary_weights` keep apart; give both.")
        return None
    for name in asked.boundary_objects:
        if name not in data.classes:
            raise UserError(f"`boundary_objects`: there is no class {name!r}; classes are {', '.join(data.classes)}.")
    objects = tuple(data.classes.index(name) for name in asked.boundary_objects or data.classes[1:])
    return BoundaryWeights(*asked.boundary_weights, objects)


def _choose_distillation(asked: TrainRequest) -> Distillation | None:
    both = {"weight": asked.distill_weight, "temperature": asked.distill_temperature}
    given = {name: value for name, value in both.items() if value is not None}
    if asked.teacher is None:
        if given:
            name = f"distill_{next(iter(given))}"
            raise UserError(f"`{name}` belongs to `teacher`, which is missing.")
        return None
    return Distillation(asked.teacher, **given)


def warn_of_little(settings: TrainSettings, data: Dataset, voice: Voice = ALOUD) -> None:
    """Say when there are few pictures, or few steps, to learn from."""
    pictures = len(data.pairs("train"))
    if pictures < FEW_PICTURES:
        voice.warn(
            f"{pictures} training pictures are few: the score will say little about other pictures. Label more, or "
            "begin with a network that knows pictures (`weights=CKPT`, or lite-unet with its pretrained weights)."
        )
    steps = settings.epochs * (pictures // (settings.batch * count_processes()))
    if steps < FEW_STEPS and not (settings.qat or settings.start_from or settings.budget_s):
        voice.warn(
            f"{steps} steps are few, a network seldom learns in less than {FEW_STEPS}. Leave `epochs`, `steps` and "
            "`batch` out, or give `steps=1000`."
        )


def warn_of_stretch(data: Dataset, spec: ModelSpec, voice: Voice = ALOUD) -> None:
    """Say when pictures lose their proportions, and which pictures of the folder are not read at all."""
    pairs = data.pairs("train")
    looked_at = [pairs[index] for index in range(0, len(pairs), -(-len(pairs) // LOOKED_AT))]
    sizes = [(pair.image.name, data.read(pair)[1].shape) for pair in looked_at]
    advice = "Train with `resize='letterbox'` to keep their proportions, or crop them alike."
    texts = [word_stretch([(name, (size[0], size[1])) for name, size in sizes], spec, "training", advice)]
    for text in [*texts, *(data.left_out(split) for split in data.folders)]:
        if text:
            voice.warn(text)


def count_processes() -> int:
    """Count the processes that take a step together, as a launcher tells each of them."""
    return max(1, int(os.environ.get("WORLD_SIZE", "1")))
