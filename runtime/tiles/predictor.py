"""From an image of any size to its label map, tile by tile: what evaluation, verification and programs call."""

from __future__ import annotations

from types import TracebackType

from edgeseg.artifact import Artifact
from edgeseg.image import UInt8, check_image
from edgeseg.runtime.engines.engine import Engine, EngineOptions
from edgeseg.runtime.engines.placement import open_told
from edgeseg.runtime.engines.predictor import Examined
from edgeseg.runtime.engines.slot_pool import SlotPool
from edgeseg.runtime.engines.threshold import ApplyThreshold, threshold_for
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.runtime.tiles.grid import make_grid
from edgeseg.runtime.tiles.picture import LoadedPicture
from edgeseg.runtime.tiles.seams import SeamCount, TileRecord
from edgeseg.runtime.tiles.segment import infer_in, segment_whole
from edgeseg.runtime.tiles.sight import Infer, Sight, measure_sight
from edgeseg.runtime.tiles.tiling import TilePlan, Tiling, plan_tiles
from edgeseg.spec import ModelSpec, Threshold


def plan_for(tiling: Tiling, infer: Infer, spec: ModelSpec, name: str) -> TilePlan:
    """Bring a tiling and a network together: how far it sees is measured.

    Args:
        tiling: what was asked for.
        infer: runs the network.
        spec: of the network.
        name: for messages.

    Raises:
        UserError: the overlap is larger than half a tile.
    """
    size = (spec.height, spec.width)
    plan_tiles(tiling, Sight(None, 1), size, name)  # what is wrong with the tiling is said before anything is measured
    return plan_tiles(tiling, measure_sight(infer, spec), size, name)


class TiledPredictor:
    """Segments pictures of any size at their own scale, and owns its engine.

    ::

        with open_tiled_predictor(artifact, Tiling()) as predict:
            labels = predict(read_image("aerial.png"))

    Args:
        engine: closed when the block ends.
        tiling: how pictures are cut.
        threshold: what is done to each prediction; without one the graph's own labels stand.
        artifact: what messages call it.
        slots: inferences at the same time.

    Attributes:
        plan: the tiling as it fits the network.
        record: the plan, and label changes at the seams and elsewhere, of all pictures so far.
    """

    def __init__(
        self,
        engine: Engine,
        tiling: Tiling,
        threshold: ApplyThreshold | None = None,
        artifact: Artifact | None = None,
        slots: int = 2,
    ) -> None:
        self.spec = engine.spec
        self._threshold, self._slots = threshold or Prediction.copy, slots
        self._pool = SlotPool(engine, slots)
        self._infer = infer_in(self._pool, engine.spec)
        name = "the network" if artifact is None else artifact.path.name
        self.plan = plan_for(tiling, self._infer, engine.spec, name)
        self.record = TileRecord(self.plan, SeamCount())

    def __call__(self, image: UInt8) -> UInt8:
        """Label map, HW uint8 at the image's own size, of an HWC uint8 BGR image.

        Raises:
            DataError: not an HWC uint8 image.
            EngineError: the engine failed, or this is closed.
        """
        return self.examine(image).labels

    def examine(self, image: UInt8) -> Examined:
        """Do the same, and give the confidence and the labels before the threshold with it.

        Raises:
            DataError: not an HWC uint8 image.
            EngineError: the engine failed, or this is closed.
        """
        check_image(image)
        self._pool.expect_open()
        grid = make_grid(image.shape[0], image.shape[1], self.plan)
        said = segment_whole(LoadedPicture(image), grid, self._infer, self._slots, self.spec)
        is_plain = self._threshold is Prediction.copy
        labels = said.labels if is_plain else self._threshold(said).labels
        self.record.seams.count(labels, grid)
        return Examined(labels, said.labels, said.confidence)

    def close(self) -> None:
        """Close the engine; a second call does nothing."""
        self._pool.close()

    def __enter__(self) -> TiledPredictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_tiled_predictor(
    artifact: Artifact,
    tiling: Tiling,
    threshold: Threshold | None = None,
    options: EngineOptions = EngineOptions(slots=2),  # noqa: B008
) -> TiledPredictor:
    """Open a predictor for pictures of any size.

    Args:
        artifact: what runs.
        tiling: how pictures are cut.
        threshold: see :func:`edgeseg.runtime.engines.predictor.open_predictor`.
        options: where, and in how many slots.

    Raises:
        UserError: the overlap is larger than half a tile, or the threshold is out of range.
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    apply = threshold_for(artifact, threshold)
    return TiledPredictor(open_told(artifact, options), tiling, apply, artifact, options.slots)
