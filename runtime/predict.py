"""From an image to its label map, through an engine: what evaluation, verification and callers use."""

from __future__ import annotations

from types import TracebackType

from edgeseg.image import UInt8, fit, unfit
from edgeseg.runtime.engine import Engine


class Predictor:
    """Segments one image at a time and owns its engine.

    ::

        with Predictor(open_engine(artifact)) as predict:
            labels = predict(read_image("cells.png"))

    Args:
        engine: closed when the block ends.
    """

    def __init__(self, engine: Engine) -> None:
        self.spec = engine.spec
        self._engine = engine
        self._slot = engine.open_slot()

    def __call__(self, image: UInt8) -> UInt8:
        """Label map, HW uint8 at the image's own size, of an HWC uint8 BGR image.

        Raises:
            DataError: not an HWC uint8 image.
            EngineError: the engine failed.
        """
        fit(image, self.spec, out=self._slot.input)
        labels = self._slot.run().labels
        # A mask of the network's own size comes back from unfit as it is: still the slot's memory.
        return unfit(labels, self.spec, (image.shape[0], image.shape[1])).copy()

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
