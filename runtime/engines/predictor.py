"""From an image to its label map, through an engine: what evaluation, verification and callers use."""

from __future__ import annotations

from types import TracebackType

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
    artifact: Artifact, threshold: Threshold | None = None, device: str = "CPU", on_event: OnEvent = event_to_stderr
) -> Predictor:
    """Open a predictor that applies the threshold of ``artifact``, or another.

    Args:
        artifact: what runs.
        threshold: in 0..1, see :func:`~edgeseg.runtime.engines.threshold.threshold_for`.
        device: the engine's own name of a device.
        on_event: is told what happens to compiled models, and of a device that the masks were not proven on.

    Raises:
        UserError: ``threshold`` is out of range or needs an output that is not there, or no such device.
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    apply_threshold = threshold_for(artifact, threshold)
    return Predictor(open_told(artifact, EngineOptions(device, on_event=on_event)), apply_threshold)


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
        slot = self._slot
        if slot is None:
            raise EngineError("This predictor is closed; open it again before using it.")
        fit(image, self.spec, out=slot.input)
        labels = self._threshold(slot.run()).labels
        return unfit(labels, self.spec, (image.shape[0], image.shape[1]))

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
