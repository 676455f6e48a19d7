"""One form of a model as a comparison sees it: something that answers images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from edgeseg.image import UInt8
from edgeseg.pixel_digest import pixel_digest
from edgeseg.runtime.engines.predictor import Examined
from edgeseg.runtime.tiles.seams import TileRecord

Predict = Callable[[UInt8], UInt8]
"""HWC uint8 BGR image to HW uint8 labels of the image's size."""
Examine = Callable[[UInt8], Examined]
"""HWC uint8 BGR image to labels and confidence of the image's size."""


@dataclass(frozen=True)
class Stage:
    """One form of the model: torch, ONNX, OpenVINO fp32, INT8.

    Attributes:
        name: what tables call it.
        predict: gives the labels that a run shows, with the threshold applied.
        examine: gives the same with the confidence behind it; None for what has none.
        tiles: of pictures that are cut into tiles, which, and whether their seams show; else None.
    """

    name: str
    predict: Predict
    examine: Examine | None = None
    tiles: TileRecord | None = None

    def answer(self, image: UInt8) -> Examined:
        """Say all there is to say about an image."""
        if self.examine is not None:
            return self.examine(image)
        labels = self.predict(image)
        return Examined(labels, labels, None)


def remember_answers(stage: Stage, limit_bytes: int = 1 << 29) -> Stage:
    """Answer an image that a stage has seen from memory, so that a search runs the float model once.

    Args:
        stage: gives the answers.
        limit_bytes: of answers that are kept; images beyond it are predicted every time.

    >>> import numpy as np
    >>> seen = []
    >>> stage = remember_answers(Stage("fp32", lambda image: seen.append(image) or image[..., 0]))
    >>> image = np.zeros((2, 3, 3), np.uint8)
    >>> stage.predict(image).shape, stage.answer(image).labels.shape, len(seen)
    ((2, 3), (2, 3), 1)
    """
    answers: dict[str, Examined] = {}

    def recall(image: UInt8) -> Examined:
        key = pixel_digest(image)
        if key in answers:
            return answers[key]
        found = stage.answer(image)
        if found.nbytes * (len(answers) + 1) <= limit_bytes:
            answers[key] = found
        return found

    return Stage(stage.name, lambda image: recall(image).labels, recall)


def answer_digest(found: Examined) -> str:
    """Digest all that a stage says of an image, to sixteen hex digits.

    >>> import numpy as np
    >>> labels = np.zeros((2, 3), np.uint8)
    >>> answer_digest(Examined(labels, labels, None)) == answer_digest(Examined(labels + 1, labels, None))
    False
    """
    parts = [found.labels, found.plain, *(() if found.confidence is None else (found.confidence,))]
    return hashlib.sha256("".join(map(pixel_digest, parts)).encode()).hexdigest()[:16]
