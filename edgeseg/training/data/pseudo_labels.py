"""Pictures without masks get those of a teacher where it is sure: pseudo-labels (Lee 2013, ICML workshop WREPL).

What a teacher is less sure of than the cut is void, so that it teaches nothing. The pictures come into the training
split like any others, are cropped and changed like them, and never into the split that is scored on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from edgeseg.dataset import Dataset
from edgeseg.errors import DataError, UserError
from edgeseg.files.image_files import list_images
from edgeseg.image import UInt8, fit, normalise, read_image, unfit
from edgeseg.spec import ModelSpec
from edgeseg.training.losses.losses import VOID

Ask = Callable[[Tensor], Tensor]
Watch = Callable[[Iterable[Path], str], Iterator[Path]]


@dataclass(frozen=True)
class PseudoLabels:
    """Pictures with the masks that a teacher gave them.

    Attributes:
        data: a data folder with the split train alone.
        kept: share (0..1) of the pixels that have a label.
    """

    data: Dataset
    kept: float


def label_pictures(pictures: Path, ask: Ask, spec: ModelSpec, least: float, out: Path, watch: Watch) -> PseudoLabels:
    """Write masks of a folder's pictures into the data folder ``out``, which links the pictures.

    Args:
        pictures: a folder of images, without masks.
        ask: the teacher: normalised (N, C, H, W) pictures to logits (N, K, H, W).
        spec: of the student: classes, size, preprocessing.
        least: probability (0..1) under which a pixel is void.
        out: replaced where it is there already.
        watch: passes the pictures on and shows how far it is.

    Raises:
        UserError: a multilabel task, whose masks have no value for void in one class alone.
        DataError: no pictures, two of the same name, or the teacher is sure of nothing in them.
    """
    if spec.task == "multilabel":
        raise UserError("`unlabelled` does not go with several classes a pixel: a mask cannot leave one of them open.")
    images = list_images(pictures)
    if len({image.stem for image in images}) < len(images):
        raise DataError(f"Pictures in {pictures} have the same name and different endings; rename one of each.")
    out.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for kind in ("images", "masks"):
            (staged / kind / "train").mkdir(parents=True)
        (staged / "classes.txt").write_text("\n".join(spec.classes) + "\n", encoding="utf-8")
        shares = [_label(image, ask, spec, least, staged) for image in watch(images, "labelling pictures")]
        if not any(shares):
            raise DataError(
                f"The teacher is nowhere as sure as {least:g} in the pictures of {pictures}. Lower "
                "`pseudo_confidence`, or see whether they are of its kind."
            )
        shutil.rmtree(out, ignore_errors=True)
        os.replace(staged, out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return PseudoLabels(Dataset.open(out, VOID), float(np.mean(shares)))


def _label(path: Path, ask: Ask, spec: ModelSpec, least: float, folder: Path) -> float:
    """Write one picture's mask and its link; the share of the pixels that have a label."""
    image = read_image(path)
    tensor = torch.from_numpy(normalise(fit(image, spec), spec))[None]
    with torch.no_grad():
        labels = sure_labels(ask(tensor).float(), least)[0].numpy().astype(np.uint8)
    mask = unfit(labels, spec, (image.shape[0], image.shape[1]))
    (folder / "images" / "train" / path.name).symlink_to(path.resolve())
    _write(folder / "masks" / "train" / f"{path.stem}.png", mask)
    return float((mask != VOID).mean())


def sure_labels(logits: Tensor, least: float) -> Tensor:
    """Find the class of each pixel, void (255) where its probability is under ``least``: (N, K, H, W) to (N, H, W).

    >>> sure_labels(torch.tensor([[4.0, 0.1], [0.0, 0.0]]).reshape(1, 2, 1, 2), 0.9).flatten().tolist()
    [0, 255]
    """
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    probability, labels = logits.softmax(1).max(1)
    return torch.where(probability >= least, labels, VOID)


def _write(path: Path, mask: UInt8) -> None:
    done, data = cv2.imencode(".png", mask)
    assert done
    path.write_bytes(data.tobytes())
