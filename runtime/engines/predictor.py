"""From an image to its label map, through an engine: what evaluation, verification and callers use."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import EngineError
from edgeseg.given import checked
from edgeseg.image import UInt8, fit, unfit
from edgeseg.runtime.engines.engine import Engine, EngineOptions, Slot
from edgeseg.runtime.engines.placement import open_told
from edgeseg.runtime.engines.threshold import ApplyThreshold, threshold_for
from edgeseg.runtime.events.event import OnEvent, event_to_stderr
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import Threshold


@checked
def open_predictor(
    artifact: Artifact,
    threshold: Threshold | None = None,
    device: str = "CPU",
    on_event: OnEvent = event_to_stderr,
    precision: str | None = None,
) -> Predictor:
    """Open a predictor that applies the threshold of ``artifact``, or another.

    Args:
        artifact: what runs.
        threshold: in 0..1, see :func:`~edgeseg.runtime.engines.threshold.threshold_for`.
        device: the engine's own name of a device.
        on_event: is told what happens to compiled models, and of a device that the masks were not proven on.
        precision: see :class:`~edgeseg.runtime.engines.engine.EngineOptions`.

    Raises:
        UserError: ``threshold`` is out of range or needs an output that is not there, or no such device.
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    apply_threshold = threshold_for(artifact, threshold)
    return Predictor(
        open_told(artifact, EngineOptions(device, precision=precision, on_event=on_event)), apply_threshold
    )


@dataclass(frozen=True, eq=False)
class Examined:
    """All that a model says about an image, at the image's size.

    Attributes:
        labels: HW uint8, as a run shows them.
        plain: HW uint8, before any threshold.
        confidence: HW uint8, or KHW for a multilabel task; None when the model has no such output.
    """

    labels: UInt8
    plain: UInt8
    confidence: UInt8 | None

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, each counted once."""
        arrays = {id(one): one for one in (self.labels, self.plain, self.confidence) if one is not None}
        return sum(one.nbytes for one in arrays.values())


class Predictor:
    """Segments one image at a time and owns its engine.

    ::

        with open_predictor(artifact) as predict:
            labels = predict(read_image("cells.png"))

    Args:
        engine: closed when the block ends.
        threshold: what is done to each prediction, see :func:`edgeseg.runtime.engines.threshold.threshold_for`;
            without one the graph's own labels stand.
    """

    def __init__(self, engine: Engine, threshold: ApplyThreshold | None = None) -> None:
        self.spec = engine.spec
        self._engine = engine
        self._slot: Slot | None = engine.open_slot()
        self._threshold = threshold or Prediction.copy

    @checked
    def __call__(self, image: UInt8) -> UInt8:
        """Label map, HW uint8 at the image's own size, of an HWC uint8 BGR image.

        Raises:
            DataError: not an HWC uint8 image.
            EngineError: the engine failed, or this is closed.
        """
        labels = self._threshold(self._run(image)).labels
        return unfit(labels, self.spec, (image.shape[0], image.shape[1]))

    @checked
    def examine(self, image: UInt8) -> Examined:
        """Do the same, and give the confidence and the labels before the threshold with it.

        Raises:
            DataError: not an HWC uint8 image.
            EngineError: the engine failed, or this is closed.
        """
        said = self._run(image).copy()
        size = (image.shape[0], image.shape[1])
        plain = unfit(said.labels, self.spec, size)
        is_plain = self._threshold is Prediction.copy
        labels = plain if is_plain else unfit(self._threshold(said).labels, self.spec, size)
        return Examined(labels, plain, self._unfit_confidence(said.confidence, size))

    def _unfit_confidence(self, confidence: UInt8 | None, size: tuple[int, int]) -> UInt8 | None:
        if confidence is None or confidence.ndim == 2:
            return None if confidence is None else unfit(confidence, self.spec, size)
        return np.stack([unfit(plane, self.spec, size) for plane in confidence])

    def _run(self, image: UInt8) -> Prediction:
        """Run the engine; what it says is valid until the next run."""
        slot = self._slot
        if slot is None:
            raise EngineError("This predictor is closed; open it again before using it.")
        fit(image, self.spec, out=slot.input)
        return slot.run()

    def close(self) -> None:
        """Close the engine; a second call does nothing."""
        self._slot = None
        self._engine.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
