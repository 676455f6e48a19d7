"""A model that is open: images in, results out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from edgeseg.api.images import Image, Images, list_inputs, load_image
from edgeseg.api.result import Result, flip_channels
from edgeseg.api.stream import Stream, StreamSettings
from edgeseg.artifact import Artifact
from edgeseg.errors import DataError, SourceError, UserError
from edgeseg.image import UInt8, fit, unfit
from edgeseg.runtime.analysis.analyzer import Analyzer
from edgeseg.runtime.analysis.settings import AnalysisSettings, WhenChanged, read_when_changed
from edgeseg.runtime.engines.engine import Engine
from edgeseg.runtime.engines.slot_pool import SlotPool
from edgeseg.runtime.engines.threshold import ApplyThreshold
from edgeseg.runtime.events.event import OnEvent
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.runtime.sources.selection import Selection
from edgeseg.runtime.sources.settings import SourceSettings
from edgeseg.runtime.tiles.grid import make_grid
from edgeseg.runtime.tiles.picture import LoadedPicture
from edgeseg.runtime.tiles.predictor import plan_for
from edgeseg.runtime.tiles.segment import infer_in, segment_whole
from edgeseg.runtime.tiles.tiling import Tile, TilePlan, Tiling, read_tiling
from edgeseg.spec import ModelSpec


class Model:
    """An artifact with its engine, made by :func:`edgeseg.load`; may be called from several threads.

    Attributes:
        artifact: what it was made from.
        slots: how many inferences run at the same time.

    Example:
        >>> model.classes
        ('background', 'cell', 'border')
        >>> model("photo.png").areas()["cell"].pixels > 0
        True
    """

    def __init__(
        self, artifact: Artifact, engine: Engine, threshold: ApplyThreshold, slots: int, on_event: OnEvent
    ) -> None:
        self.artifact, self.slots = artifact, slots
        self._engine, self._threshold, self._on_event = engine, threshold, on_event
        self._pool = SlotPool(engine, slots)
        self._plans: dict[Tiling, TilePlan] = {}

    @property
    def spec(self) -> ModelSpec:
        """What the network takes and gives."""
        return self.artifact.spec

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; the position is the label."""
        return self.spec.classes

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._pool.closed

    def __call__(self, image: Image, *, rgb: bool = False, tile: Tile = False) -> Result:
        """Segment one image.

        Args:
            image: its file, or HWC uint8, BGR as OpenCV reads it.
            rgb: the array is RGB, as Pillow and imageio read it.
            tile: do not resize the image, but cut it into overlapping tiles of the network's size, all slots at work.
                True: with the overlap that the network needs; or that overlap in pixels; or a
                :class:`~edgeseg.runtime.tiles.tiling.Tiling`.

        Raises:
            DataError: no readable image, or not an HWC uint8 array.
            UserError: an overlap larger than half a tile.
            EngineError: the model is closed, or its engine failed.

        Example:
            >>> import numpy as np
            >>> model(np.zeros((90, 120, 3), np.uint8)).labels.shape
            (90, 120)
            >>> model(np.zeros((900, 1200, 3), np.uint8), tile=True).labels.shape
            (900, 1200)
        """
        self._pool.expect_open()
        plan = self.plan_tiles(tile) if tile is not False else None
        given, path = load_image(image)
        rgb = rgb and path is None
        bgr = flip_channels(given, rgb)
        if plan is not None:
            prediction = self._threshold(self._segment_tiles(bgr, plan))
            return Result(prediction.labels, given, self.spec, prediction, rgb, path)
        with self._pool.lend() as slot:
            fit(bgr, self.spec, out=slot.input)
            prediction = self._threshold(slot.run())
        labels = unfit(prediction.labels, self.spec, (bgr.shape[0], bgr.shape[1]))
        return Result(labels, given, self.spec, prediction, rgb, path)

    def plan_tiles(self, tile: Tile = True) -> TilePlan:
        """Choose the tiles that ``tile`` stands for; how far the network sees is measured the first time.

        Args:
            tile: see :meth:`__call__`.

        Returns:
            Their size, overlap and grid, and whether the result is that of the whole picture in one inference.

        Raises:
            UserError: an overlap larger than half a tile, or no overlap at all.

        Example:
            >>> model.plan_tiles(16).overlap >= 16
            True
        """
        self._pool.expect_open()
        tiling = read_tiling(tile) or Tiling()
        if tiling not in self._plans:
            infer = infer_in(self._pool, self.spec)
            self._plans[tiling] = plan_for(tiling, infer, self.spec, self.artifact.path.name)
        return self._plans[tiling]

    def _segment_tiles(self, bgr: UInt8, plan: TilePlan) -> Prediction:
        grid = make_grid(bgr.shape[0], bgr.shape[1], plan)
        return segment_whole(LoadedPicture(bgr), grid, infer_in(self._pool, self.spec), self.slots, self.spec)

    def predict(
        self,
        images: Images,
        *,
        rgb: bool = False,
        tile: Tile = False,
        on_error: Callable[[Image, DataError], object] | None = None,
    ) -> Iterator[Result]:
        """Segment many images, all slots at work, and give the results in the order of the images.

        Images are taken as results are asked for, a few ahead, so that there may be any number of them.

        Args:
            images: a folder, a glob, or any iterable of files and HWC uint8 arrays.
            rgb: arrays are RGB.
            tile: cut them into tiles, see :meth:`__call__`.
            on_error: is told of an image that cannot be read, which is then left out; without it the error is raised.

        Raises:
            DataError: no image there, or one that cannot be read.
            EngineError: the model is closed, or its engine failed.

        Example:
            >>> for result in model.predict("photos"):
            ...     print(result.path.name, result.labels.shape)
            a.png (360, 480)
            b.png (360, 480)
        """
        self._pool.expect_open()
        plan = self.plan_tiles(tile) if tile is not False else None
        segment = partial(self, rgb=rgb, tile=tile)
        # A picture in tiles has work for all slots, so that one more is read ahead and no others.
        return self._in_order(list_inputs(images), segment, 1 if plan else 2 * self.slots, on_error)

    def stream(
        self,
        source: str | Path,
        *,
        every: int = 1,
        max_fps: float | None = None,
        max_frames: int | None = None,
        when_changed: WhenChanged | bool | float | None = None,
        analysis: AnalysisSettings | None = None,
    ) -> Stream:
        """Segment a camera or a file, frame by frame.

        Of a camera it gives the newest frame, and lets go of those that nobody had time for; of a file every frame, in
        order. A camera that is lost is connected to again.

        Args:
            source: what ``edgeseg run`` takes: a camera's number or device, an address (``rtsp://`` and others), a
                ``.streams`` list, a video, an image, a folder or a glob.
            every: one frame of so many.
            max_fps: at most so many frames a second, in the time of the recording or of the camera.
            max_frames: end after so many results.
            when_changed: infer only frames of which so many percent differ from the last one that was inferred (True:
                0.5), and give the others its labels, see :attr:`Result.reused`; or
                :class:`~edgeseg.runtime.analysis.settings.WhenChanged` settings. None: every frame.
            analysis: what is looked for in each mask, :class:`~edgeseg.runtime.analysis.settings.AnalysisSettings`; it
                is in :attr:`Result.analysis`.

        Returns:
            An iterator over :class:`~edgeseg.runtime.frames.frame.Frame` and :class:`Result`. Leaving the loop, or
            closing it, closes the source.

        Raises:
            SourceError: nothing there, nothing readable in it, or it failed.
            UserError: a number that selects nothing.
            EngineError: the model is closed, or its engine failed.

        Example:
            >>> for frame, result in model.stream("street.mp4", max_frames=2):
            ...     print(frame.index, result.labels.shape)
            0 (48, 64)
            1 (48, 64)
        """
        self._pool.expect_open()
        if max_frames is not None and (not isinstance(max_frames, int) or max_frames < 1):
            raise UserError(f"`max_frames` is a whole number from 1 on; found {max_frames!r}.")
        if not isinstance(source, str | Path):
            raise SourceError(f"`source` is a path, an address or a camera's number as text; found {source!r}.")
        if analysis is not None and not isinstance(analysis, AnalysisSettings):
            raise UserError(f"`analysis` is AnalysisSettings; found {analysis!r}.")
        Analyzer(self.spec, analysis or AnalysisSettings())  # what names nothing is said before a camera is opened
        how = (self._engine, self._threshold, self.slots, self._on_event)
        chosen = SourceSettings(str(source), Selection(every, max_fps))
        return Stream(
            StreamSettings(*how, chosen, max_frames, read_when_changed(when_changed), analysis or AnalysisSettings())
        )

    def _in_order(
        self,
        images: Iterator[Image],
        segment: Callable[[Image], Result],
        ahead: int,
        on_error: Callable[[Image, DataError], object] | None,
    ) -> Iterator[Result]:
        """Read and segment several at a time, twice as many as there are slots: reading hides behind inference."""
        waiting: deque[tuple[Image, Future[Result]]] = deque()
        with ThreadPoolExecutor(ahead, "edgeseg-predict") as workers:
            try:
                for image in images:
                    waiting.append((image, workers.submit(segment, image)))
                    if len(waiting) > ahead:
                        yield from _first_of(waiting, on_error)
                while waiting:
                    yield from _first_of(waiting, on_error)
            finally:
                for _, future in waiting:
                    future.cancel()

    def close(self) -> None:
        """Close the engine; a second call does nothing. What the model is asked for later is an EngineError."""
        self._pool.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Model({self.artifact.path.name}{', closed' if self.closed else ''})"


def _first_of(
    waiting: deque[tuple[Image, Future[Result]]], on_error: Callable[[Image, DataError], object] | None
) -> Iterator[Result]:
    """Wait for the oldest result; none when its image cannot be read and somebody wants to know."""
    image, future = waiting.popleft()
    try:
        yield future.result()
    except DataError as error:
        if on_error is None:
            raise
        on_error(image, error)
