"""Source to slots to sinks, every stage in threads of its own.

::

    source --> [inbox] --> slot 1..N --> put in order --> [queue] --> sink 1..M
    (1 thread)             (N threads)   (the caller)                 (M threads)

Files: every frame, in order, and whoever is too fast waits. Live: the inbox holds one frame a camera
and the newest wins; what is lost is counted. At most ``2 * slots + 2`` frames are between inbox and sinks.
An error in any thread ends everything and is raised to the caller.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgeseg.image import fit
from edgeseg.runtime.engine import Engine, Slot
from edgeseg.runtime.frame import Frame, Prediction
from edgeseg.runtime.handoff import Handoff
from edgeseg.runtime.sinks import Sink, SinkThread
from edgeseg.runtime.sources import Source
from edgeseg.runtime.threshold import Threshold
from edgeseg.runtime.timing import Percentiles, Stage, clock_s

_POLL_S = 0.1
_READER_TIMEOUT_S = 1.0
_FRESH_S = 2.0
"""A live frame that has waited longer than this, because the engine hung, is never inferred."""


@dataclass(frozen=True)
class Summary:
    """What a run did, all of it measured.

    Attributes:
        frames: results that went to the sinks.
        seconds: from the first read until the last sink had finished.
        stages: ``decode``, ``resize``, ``infer``, ``post``, ``latency`` (frame to mask) and one ``sink NAME`` a sink.
        received: frames that the source got, whole, while this ran.
        dropped: live frames that no slot was free for.
        stale: live frames that came, or would have been inferred, too late to be of use.
        sink_dropped: for each sink, results it was too slow for.
        skipped: damaged pictures of the source.
        ended_early: the file stopped before its announced end.
        stopped: :meth:`Pipeline.stop` ended the run.
    """

    frames: int
    seconds: float
    stages: Mapping[str, Percentiles]
    received: int
    dropped: int
    stale: int
    sink_dropped: Mapping[str, int]
    skipped: int
    ended_early: bool
    stopped: bool

    @property
    def fps(self) -> float:
        """Frames a second over the whole run."""
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class _Done:
    number: int
    frame: Frame
    prediction: Prediction
    resize_s: float
    infer_s: float
    post_s: float
    latency_s: float


class _Ended:
    """A worker has no more to do."""


_News = _Done | Exception | _Ended


class Pipeline:
    """Runs a source through an engine into sinks, once.

    Args:
        engine: gives the slots.
        source: open; the caller closes it.
        slots: how many inferences run at the same time.
        threshold: from :func:`edgeseg.runtime.threshold.thresholding`.
        max_frames: stop after this many results.
    """

    def __init__(
        self,
        engine: Engine,
        source: Source,
        slots: int = 2,
        threshold: Threshold = Prediction.copy,
        max_frames: int | None = None,
    ) -> None:
        self._spec = engine.spec
        self._slots = [engine.open_slot() for _ in range(slots)]
        self._source = source
        self._threshold = threshold
        self._inbox: Handoff[Frame] = Handoff(
            1 if source.live else slots + 1, source.live, max_frames, lane=lambda frame: frame.source, fresh=_is_fresh
        )
        self._room = threading.Semaphore(2 * slots + 2)
        self._news: queue.SimpleQueue[_News] = queue.SimpleQueue()
        self._stages = {name: Stage() for name in ("decode", "resize", "infer", "post", "latency")}
        self._frames = self._read_frames = 0
        self._stopping = False

    def stop(self) -> None:
        """End soon: finish what is being inferred, write it, close the sinks. Safe in a signal handler."""
        self._stopping = True

    def run(self, sinks: Sequence[Sink] = (), on_frame: Callable[[], object] = lambda: None) -> Summary:
        """Run until the source ends, :meth:`stop`, or an error.

        Args:
            sinks: not yet written to; this closes them.
            on_frame: called in this thread after each result was handed to the sinks.

        Raises:
            EdgesegError: what the source, the engine or a sink raised, after the sinks were closed.
        """
        start = clock_s()
        threads = [SinkThread(sink, self._source.live, self._news.put) for sink in sinks]
        reader = threading.Thread(target=self._read, name="edgeseg-source", daemon=True)
        workers = [
            threading.Thread(target=self._work, args=(slot,), name="edgeseg-slot", daemon=True) for slot in self._slots
        ]
        for thread in (reader, *workers):
            thread.start()
        try:
            failure = self._collect(threads, on_frame)
        finally:
            self._end_early()
            for sink_thread in threads:
                sink_thread.finish()
        seconds = clock_s() - start
        reader.join(_READER_TIMEOUT_S)
        if failure := failure or self._late_failure():
            raise failure
        return self._summary(seconds, threads)

    def _read(self) -> None:
        try:
            frames = iter(self._source)
            while True:
                start = clock_s()
                frame = next(frames, None)
                if frame is None:
                    break
                self._stages["decode"].record(clock_s() - start)
                self._read_frames += 1
                if not self._inbox.put(frame):
                    break
        except Exception as error:
            self._news.put(error)
        self._inbox.close()

    def _work(self, slot: Slot) -> None:
        try:
            while self._room.acquire() and (taken := self._inbox.take()) is not None:
                self._news.put(self._infer(slot, *taken))
        except Exception as error:
            self._news.put(error)
        self._news.put(_Ended())

    def _infer(self, slot: Slot, number: int, frame: Frame) -> _Done:
        start = clock_s()
        fit(frame.image, self._spec, out=slot.input)
        resized = clock_s()
        raw = slot.run()
        inferred = clock_s()
        prediction = self._threshold(raw)
        end = clock_s()
        latency_s = time.monotonic() - frame.time_s
        return _Done(number, frame, prediction, resized - start, inferred - resized, end - inferred, latency_s)

    def _collect(self, sinks: Sequence[SinkThread], on_frame: Callable[[], object]) -> Exception | None:
        """Put results in order and hand them on until all workers have ended; the first error met."""
        waiting: dict[int, _Done] = {}
        failure: Exception | None = None
        working = len(self._slots)
        while working:
            news = self._next_news()
            if self._stopping:
                self._inbox.abort()
            if isinstance(news, _Ended):
                working -= 1
            elif isinstance(news, Exception):
                failure = failure or news
                self._end_early()
            elif news is not None and failure is None:
                waiting[news.number] = news
                while (done := waiting.pop(self._frames, None)) is not None:
                    self._deliver(done, sinks)
                    on_frame()
        return failure

    def _next_news(self) -> _News | None:
        """What a thread reports next; None now and then, so that :meth:`stop` is noticed."""
        try:
            return self._news.get(timeout=_POLL_S)
        except queue.Empty:
            return None

    def _deliver(self, done: _Done, sinks: Sequence[SinkThread]) -> None:
        for sink in sinks:
            sink.put(done.frame, done.prediction, done.latency_s * 1e3)
        for name in ("resize", "infer", "post", "latency"):
            self._stages[name].record(getattr(done, f"{name}_s"))
        self._frames += 1
        self._room.release()

    def _end_early(self) -> None:
        """Let every thread that waits for a frame or for room go."""
        self._source.stop()
        self._inbox.abort()
        self._room.release(len(self._slots))

    def _late_failure(self) -> Exception | None:
        """An error from closing a sink, after the last result."""
        while not self._news.empty():
            if isinstance(news := self._news.get(), Exception):
                return news
        return None

    def _summary(self, seconds: float, sinks: Sequence[SinkThread]) -> Summary:
        stages = {name: stage.percentiles() for name, stage in self._stages.items()}
        return Summary(
            frames=self._frames,
            seconds=seconds,
            stages={**stages, **{f"sink {sink.name}": sink.stage.percentiles() for sink in sinks}},
            received=self._read_frames + self._source.dropped + self._source.stale,
            dropped=self._inbox.dropped + self._source.dropped,
            stale=self._inbox.stale + self._source.stale,
            sink_dropped={sink.name: sink.dropped for sink in sinks},
            skipped=self._source.skipped,
            ended_early=self._source.ended_early,
            stopped=self._stopping,
        )


def _is_fresh(frame: Frame) -> bool:
    return time.monotonic() - frame.time_s < _FRESH_S
