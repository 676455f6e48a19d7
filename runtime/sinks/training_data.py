"""Frames with their masks, as pictures that a network can be trained on: what a model is sure of, and void elsewhere.

Where frames and masks go to one folder, that is a data folder: ``images/train``, ``masks/train``, ``classes.txt``, and
a ``data.yaml`` that says what is void. Labels that a network makes itself are known as pseudo-labels (Lee 2013).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import OutputError, UserError
from edgeseg.files.atomic import atomic_file, writing
from edgeseg.image import UInt8, unfit
from edgeseg.mask_png import VOID, mask_png
from edgeseg.multilabel import unpack_planes
from edgeseg.runtime.engines.engine import CONFIDENCE
from edgeseg.runtime.engines.logits import gives_logits_alone
from edgeseg.runtime.events.event import OnEvent, ignore_event
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.mask_folder import MaskFolder
from edgeseg.runtime.sinks.masks import MaskSink
from edgeseg.runtime.sinks.settings import SPLIT, OutputSettings
from edgeseg.spec import MAX_MULTILABEL, ModelSpec

FAST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)


class TrainingDataSink(MaskSink):
    """Masks as :class:`~edgeseg.runtime.sinks.masks.MaskSink` writes them, with their frames and without guesses.

    Args:
        outputs: ``save_masks``, and ``save_frames`` or ``min_confidence``.
        spec: of the model.
        sources: names of the cameras.
        live: see :class:`~edgeseg.runtime.sinks.masks.MaskSink`.
        origin: of the masks.
        on_event: takes ``deleted`` and ``note``.
    """

    def __init__(
        self,
        outputs: OutputSettings,
        spec: ModelSpec,
        sources: Sequence[str] = (),
        live: bool = False,
        origin: str = "",
        on_event: OnEvent = ignore_event,
    ) -> None:
        assert outputs.save_masks is not None
        super().__init__(
            outputs.save_masks, spec, sources, live, outputs.masks_keep_bytes(live), origin=origin, on_event=on_event
        )
        self._frames, self._least = outputs.save_frames, outputs.min_confidence
        self._is_data, self._training_folders = outputs.is_training_data, outputs.training_folders
        self._has_begun = False

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Write the frame and its mask under one name, the frame first."""
        self._expect_open()
        if self._is_data and not self._has_begun:
            write_class_names(self._folder, self._spec, self._least is not None)
        self._has_begun = True
        labels = prediction.labels if self._least is None else mark_unsure(prediction, self._spec, self._least)
        mask = unfit(labels, self._spec, frame.size)
        with writing(self._folder / (frame.name or f"{frame.index:06d}")):
            picture = None if self._frames is None else cv2.imencode(".png", frame.image, FAST_PNG)[1].tobytes()
            self._mask_folder(frame).put(frame.name, frame.index, mask_png(mask, self._palette), picture)

    def _open_folder(self, slug: str) -> MaskFolder:
        frames = self._frames and self._frames / slug
        masks = self._folder / slug
        if self._is_data:
            frames, masks = self._training_folders
        return MaskFolder(masks, self._origin, self._live, self._keep_bytes, self._say, frames)


def mark_unsure(prediction: Prediction, spec: ModelSpec, least: float) -> UInt8:
    """Make void what the model is less sure of than ``least``: labels as they are, and 255 there.

    Of a binary model how sure it is of the label that is shown; of a multilabel one of each class, whether it is shown
    or not.

    Args:
        prediction: with confidence.
        spec: of the model.
        least: confidence, 0..1.

    >>> p = Prediction(np.uint8([[0, 0, 1, 1]]), np.uint8([[5, 120, 140, 250]]))
    >>> mark_unsure(p, ModelSpec("binary", ("background", "person"), 8, 8), 0.8).tolist()
    [[0, 255, 255, 1]]
    """
    labels, confidence = prediction.labels, prediction.confidence
    assert confidence is not None
    limit = np.float32(255 * least)
    certainty = confidence
    if spec.task != "multiclass":
        shown = labels > 0 if spec.task == "binary" else unpack_planes(labels, spec.num_classes) > 0
        certainty = np.where(shown, confidence, 255 - confidence)
    least_sure = certainty.min(axis=0) if certainty.ndim == 3 else certainty
    return np.where(least_sure >= limit, labels, np.uint8(VOID))


def expect_confidence(artifact: Artifact, least: float) -> None:
    """Refuse to tell sure pixels from others where the model does not say how sure it is.

    Raises:
        UserError: it has no confidence output, or no value is left for void.
    """
    spec = artifact.spec
    if spec.task == "multilabel" and spec.num_classes >= MAX_MULTILABEL:
        raise UserError(
            f"A mask of {spec.num_classes} classes that overlap has no value left for void, so `min_confidence` cannot "
            "be marked in it. Leave it out."
        )
    if CONFIDENCE not in artifact.outputs and not gives_logits_alone(artifact):
        raise UserError(
            f"{artifact.path.name} has no confidence output (it has {', '.join(artifact.outputs)}), so "
            f"`min_confidence={least:g}` cannot be told. Export it again with `outputs=('labels', 'confidence')`."
        )


def write_class_names(folder: Path, spec: ModelSpec, has_void: bool) -> None:
    """Write what makes a data folder of one: ``classes.txt``, and a ``data.yaml`` where names are not all there is.

    Args:
        folder: of ``images`` and ``masks``.
        spec: of the model.
        has_void: 255 is void in the masks. Said aloud it is no guess of whoever reads them.

    Raises:
        OutputError: one cannot be written, or says something else than this model.
    """
    texts = {"classes.txt": "".join(f"{name}\n" for name in spec.classes)}
    further: dict[str, object] = {"mask_values": {str(VOID): "ignore"}} if has_void else {}
    if spec.task == "multilabel":
        further = {**further, "task": spec.task}
    if further:
        values = {SPLIT: f"images/{SPLIT}", "names": list(spec.classes), **further}
        texts["data.yaml"] = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    for name, text in texts.items():
        _write_once(folder / name, text, spec)


def _write_once(path: Path, text: str, spec: ModelSpec) -> None:
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace").split() == text.split():
        return
    if path.exists():
        raise OutputError(
            f"{path} is there and says something else than this run, whose classes are {', '.join(spec.classes)}. "
            "Choose another folder."
        )
    with atomic_file(path) as staged:
        staged.write_text(text, encoding="utf-8")
