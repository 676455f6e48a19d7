"""Tiles through the slots of an engine, and the picture's labels out, band by band from the top."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from edgeseg.image import UInt8, fit
from edgeseg.mask_png import VOID
from edgeseg.runtime.engines.slot_pool import SlotPool
from edgeseg.runtime.engines.threshold import ApplyThreshold
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.runtime.tiles.grid import Grid, Span
from edgeseg.runtime.tiles.picture import Bool, MirroredRows, Picture, Rows, mirror
from edgeseg.runtime.tiles.sight import Infer
from edgeseg.spec import ModelSpec


@dataclass(eq=False)
class Band:
    """Rows of a picture that are decided by one row of tiles.

    Attributes:
        top: the first of them.
        image: HWC uint8 BGR.
        valid: HW bool, False where the file has no data; None: data everywhere.
        labels: HW uint8; 255, or no class of a multilabel model, where there is no data.
        confidence: HW uint8, KHW of a multilabel model; None where the model gives none.
        skipped: tiles that were not inferred, as there is no data in them.
    """

    top: int
    image: UInt8
    valid: Bool | None
    labels: UInt8
    confidence: UInt8 | None = None
    skipped: int = 0
    _waiting: list[Future[None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        """Wait for its tiles; raises what one of them raised."""
        for future in self._waiting:
            future.result()


def infer_in(pool: SlotPool, spec: ModelSpec, threshold: ApplyThreshold = Prediction.copy) -> Infer:
    """Make a function that infers a tile in whichever slot is free; from any thread.

    Args:
        pool: lends slots.
        spec: of the network.
        threshold: makes the prediction that is given out.
    """

    def infer(tile: UInt8) -> Prediction:
        with pool.lend() as slot:
            fit(tile, spec, out=slot.input)
            return threshold(slot.run())

    return infer


def void_label(spec: ModelSpec) -> int:
    """Choose what pixels without data hold: 255, which is no class; of a multilabel model, no class at all."""
    return 0 if spec.task == "multilabel" else VOID


def segment_bands(
    picture: Picture,
    grid: Grid,
    infer: Infer,
    slots: int,
    spec: ModelSpec,
    on_tile: Callable[[], object] = lambda: None,
) -> Iterator[Band]:
    """Segment a picture and give its bands from the top.

    Rows are read once and held for as long as tiles need them: two bands are on their way at a time, so that memory
    grows with the width of the picture and not with its height. While one band is inferred the next is read.

    Args:
        picture: is read from the top.
        grid: of its tiles.
        infer: runs the network; called from ``slots`` threads.
        slots: how many.
        spec: of the network.
        on_tile: called once a tile, from any of these threads.

    Raises:
        DataError: rows cannot be read.
        EngineError: the engine failed.
    """
    source, waiting = MirroredRows(picture), deque[Band]()
    with ThreadPoolExecutor(slots, "edgeseg-tile") as workers:
        try:
            for rows in grid.rows:
                strip = source.take(rows.start, grid.plan.tile[0])
                band = _start(strip, rows, spec)
                for columns in grid.columns:
                    _submit(workers, band, strip, (rows, columns), infer, (grid.plan.tile[1], on_tile))
                waiting.append(band)
                if len(waiting) > 1:
                    yield _finish(waiting.popleft())
            while waiting:
                yield _finish(waiting.popleft())
        finally:
            for band in waiting:
                for future in band._waiting:
                    future.cancel()


def segment_whole(
    picture: Picture,
    grid: Grid,
    infer: Infer,
    slots: int,
    spec: ModelSpec,
    on_tile: Callable[[], object] = lambda: None,
) -> Prediction:
    """Segment a picture and give all of its labels and confidence at once, at its own size.

    Args: see :func:`segment_bands`.

    Raises:
        DataError: rows cannot be read.
        EngineError: the engine failed.
    """
    bands = list(segment_bands(picture, grid, infer, slots, spec, on_tile))
    labels = np.concatenate([band.labels for band in bands])
    planes = [band.confidence for band in bands if band.confidence is not None]
    return Prediction(labels, np.concatenate(planes, axis=-2) if planes else None)


def _start(strip: Rows, rows: Span, spec: ModelSpec) -> Band:
    kept = np.s_[rows.begin - rows.start : rows.end - rows.start]
    image = strip.image[kept]
    valid = None if strip.valid is None else strip.valid[kept]
    return Band(rows.begin, image, valid, np.full(image.shape[:2], void_label(spec), np.uint8))


def _submit(
    workers: ThreadPoolExecutor,
    band: Band,
    strip: Rows,
    place: tuple[Span, Span],
    infer: Infer,
    how: tuple[int, Callable[[], object]],
) -> None:
    rows, columns = place
    width, on_tile = how
    if band.valid is not None and not band.valid[:, columns.begin : columns.end].any():
        band.skipped += 1
        on_tile()
        return

    def work() -> None:
        found = infer(_cut(strip.image, columns.start, width))
        _place(band, found, rows, columns)
        on_tile()

    band._waiting.append(workers.submit(work))


def _cut(image: UInt8, start: int, width: int) -> UInt8:
    if start >= 0 and start + width <= image.shape[1]:
        return image[:, start : start + width]
    return np.take(image, mirror(np.arange(start, start + width), image.shape[1]), axis=1)


def _place(band: Band, found: Prediction, rows: Span, columns: Span) -> None:
    part = np.s_[
        ...,
        rows.begin - rows.start : rows.end - rows.start,
        columns.begin - columns.start : columns.end - columns.start,
    ]
    where = np.s_[..., columns.begin : columns.end]
    valid = None if band.valid is None else band.valid[where]
    _write(band.labels[where], found.labels[part], valid)
    if found.confidence is not None:
        _write(_confidence(band, found.confidence)[where], found.confidence[part], valid)


def _write(target: UInt8, values: UInt8, valid: Bool | None) -> None:
    if valid is None:
        target[...] = values
    else:
        np.copyto(target, values, where=valid)


def _confidence(band: Band, found: UInt8) -> UInt8:
    with band._lock:
        if band.confidence is None:
            band.confidence = np.zeros((*found.shape[:-2], *band.labels.shape), np.uint8)
        return band.confidence


def _finish(band: Band) -> Band:
    band.wait()
    return band
