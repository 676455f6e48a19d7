"""A model that is open: images in, results out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from edgeseg.api.images import Image, Images, list_inputs, load_image
from edgeseg.api.result import Result, flip_channels
from edgeseg.api.slots import SlotPool
from edgeseg.api.stream import Stream, StreamSettings
from edgeseg.artifact import Artifact
from edgeseg.errors import DataError, SourceError, UserError
from edgeseg.image import fit, unfit
from edgeseg.runtime.analysis.changes import WhenChanged, read_when_changed
from edgeseg.runtime.engines.engine import Engine
from edgeseg.runtime.engines.threshold import ApplyThreshold
from edgeseg.runtime.events.event import OnEvent
from edgeseg.runtime.sources.selection import Selection
from edgeseg.runtime.sources.settings import SourceSettings
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

    def __call__(self, image: Image, *, rgb: bool = False) -> Result:
        """Segment one image.

        Args:
            image: its file, or HWC uint8, BGR as OpenCV reads it.
            rgb: the array is RGB, as Pillow and imageio read it.

        Raises:
            DataError: no readable image, or not an HWC uint8 array.
            EngineError: the model is closed, or its engine failed.

        Example:
            >>> import numpy as np
            >>> model(np.zeros((90, 120, 3), np.uint8)).labels.shape
            (90, 120)
        """
        self._pool.expect_open()
        given, path = load_image(image)
        rgb = rgb and path is None
        bgr = flip_channels(given, rgb)
        with self._pool.lend() as slot:
            fit(bgr, self.spec, out=slot.input)
            prediction = self._threshold(slot.run())
        labels = unfit(prediction.labels, self.spec, (bgr.shape[0], bgr.shape[1]))
        return Result(labels, given, self.spec, prediction, rgb, path)

    def predict(
        self, images: Images, *, rgb: bool = False, on_error: Callable[[Image, DataError], object] | None = None
    ) -> Iterator[Result]:
        """Segment many images, all slots at work, and give the results in the order of the images.

        Images are taken as results are asked for, a few ahead, so that there may be any number of them.

        Args:
            images: a folder, a glob, or any iterable of files and HWC uint8 arrays.
            rgb: arrays are RGB.
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
        return self._in_order(list_inputs(images), rgb, on_error)

    def stream(
        self,
        source: str | Path,
        *,
        every: int = 1,
        max_fps: float | None = None,
        max_frames: int | None = None,
        when_changed: WhenChanged | bool | float | None = None,
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
                :class:`~edgeseg.runtime.analysis.changes.WhenChanged` settings. None: every frame.

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
        how = (self._engine, self._threshold, self.slots, self._on_event)
        chosen = SourceSettings(str(source), Selection(every, max_fps))
        return Stream(StreamSettings(*how, chosen, max_frames, read_when_changed(when_changed)))

    def _in_order(
        self, images: Iterator[Image], rgb: bool, on_error: Callable[[Image, DataError], object] | None
    ) -> Iterator[Result]:
        """Read and segment twice as many at a time as there are slots: reading hides behind inference."""
        waiting: deque[tuple[Image, Future[Result]]] = deque()
        with ThreadPoolExecutor(2 * self.slots, "edgeseg-predict") as workers:
            try:
                for image in images:
                    waiting.append((image, workers.submit(self, image, rgb=rgb)))
                    if len(waiting) > 2 * self.slots:
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
