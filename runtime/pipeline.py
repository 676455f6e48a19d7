"""Source to slots to sinks, every stage in threads of its own.

::

    source --> [inbox] --> slot 1..N --> put in order --> [queue] --> sink 1..M
    (1 thread)             (N threads)   (the caller)                 (M threads)

Files: every frame, in order, and whoever is too fast waits. Live: the inbox holds one frame a camera
and the newest wins; what is lost is counted. At most ``2 * slots + 2`` frames are between inbox and sinks.
An error of the source or of a slot ends everything and is raised to the caller. A sink that fails ends alone:
the others and the inference go on, unless nobody is left to work for.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgeseg.errors import EngineError
from edgeseg.image import fit
from edgeseg.runtime.engines.engine import Engine, Slot
from edgeseg.runtime.engines.threshold import ApplyThreshold
from edgeseg.runtime.events.event import Event, OnEvent, event_to_stderr
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.handoff import Handoff
from edgeseg.runtime.frames.timing import Percentiles, Stage, clock_s
from edgeseg.runtime.sinks.sink import Sink, SinkThread
from edgeseg.runtime.sources.source import Source

_POLL_S = 0.1
_READER_TIMEOUT_S = 0.5
_STOP_S = 0.8
"""How long, after :meth:`Pipeline.stop`, to wait for what is being inferred, and then at least for the sinks."""
_SINKS_STOP_S = 1.4
"""How long after it they have in all cases: what no inference needs of the time is theirs, for a slow disk."""
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
        sink_dropped: for each sink, results it was too slow for or could not write.
        sink_errors: for each sink that failed, why; its output is not whole.
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
    sink_errors: Mapping[str, str]
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


@dataclass(frozen=True)
class _SinkLost:
    name: str
    error: Exception


_News = _Done | Exception | _Ended | _SinkLost


class Pipeline:
    """Runs a source through an engine into sinks, once.

    Args:
        engine: gives the slots.
        source: open; the caller closes it.
        slots: how many inferences run at the same time.
        threshold: from :func:`edgeseg.runtime.engines.threshold.threshold_for`.
        max_frames: stop after this many results.
        on_event: called when an output stops or goes on.

    Attributes:
        stuck: after :meth:`run`, whether an inference or a sink has not returned although it was time to stop.
            Only the end of the process ends those.
    """

    def __init__(
        self,
        engine: Engine,
        source: Source,
        slots: int = 2,
        threshold: ApplyThreshold = Prediction.copy,
        max_frames: int | None = None,
        on_event: OnEvent = event_to_stderr,
    ) -> None:
        self.stuck = self._has_run = False
        self._on_event = on_event
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
        self._began_s: list[float | None] = [None] * slots
        self._sink_errors: dict[str, Exception] = {}
        self._frames = self._read_frames = 0
        self._stopping, self._stop_s = False, -math.inf

    @property
    def frames(self) -> int:
        """Results so far."""
        return self._frames

    @property
    def busy_s(self) -> float:
        """How long the oldest inference in flight has been running; 0 when none is. From any thread."""
        began = [began_s for began_s in self._began_s if began_s is not None]
        return time.monotonic() - min(began) if began else 0.0

    @property
    def idle(self) -> bool:
        """Whether every frame that was taken has become a result, and none waits. From any thread."""
        return self._inbox.taken == self._frames and not self._inbox.waiting

    @property
    def latency(self) -> Percentiles:
        """Frame to mask, of the last frames."""
        return self._stages["latency"].percentiles()

    @property
    def lost(self) -> dict[str, int]:
        """Frames ``received`` so far, and those of them, or beside them, that never became masks."""
        return {
            "received": self._read_frames + self._source.dropped + self._source.stale,
            "dropped": self._inbox.dropped + self._source.dropped,
            "stale": self._inbox.stale + self._source.stale,
            "skipped": self._source.skipped,
        }

    @property
    def stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopping

    def stop(self) -> None:
        """End soon: finish what is being inferred, write it, close the sinks. Safe in a signal handler."""
        self._stop_s = time.monotonic()
        self._stopping = True

    def run(self, sinks: Sequence[Sink] = (), on_frame: Callable[[], object] = lambda: None) -> Summary:
        """Run until the source ends, :meth:`stop`, or an error.

        Args:
            sinks: not yet written to; this closes them.
            on_frame: called in this thread after each result was handed to the sinks.

        Raises:
            EngineError: it has run before.
            EdgesegError: what the source, the engine or a sink raised, after the sinks were closed.
        """
        if self._has_run:
            raise EngineError("This pipeline has run, and a pipeline runs once; make another one.")
        self._has_run = True
        start = clock_s()
        threads = [self._sink_thread(sink) for sink in sinks]
        reader = threading.Thread(target=self._read, name="edgeseg-source", daemon=True)
        for thread in (reader, *self._slot_threads()):
            thread.start()
        failure: Exception | None = None
        try:
            failure = self._collect(threads, on_frame)
        finally:
            self._end_early()
            self._finish(threads, in_haste=failure is not None and self._source.live)
        seconds = clock_s() - start
        reader.join(_READER_TIMEOUT_S)
        if failure := failure or self._late_failure():
            raise failure
        return self._summary(seconds, threads)

    def _sink_thread(self, sink: Sink) -> SinkThread:
        def failed(error: Exception) -> None:
            self._news.put(_SinkLost(sink.name, error))

        return SinkThread(sink, self._source.live, failed, self._on_event)

    def _slot_threads(self) -> list[threading.Thread]:
        return [
            threading.Thread(target=self._work, args=(place, slot), name="edgeseg-slot", daemon=True)
            for place, slot in enumerate(self._slots)
        ]

    def _finish(self, sinks: Sequence[SinkThread], in_haste: bool) -> None:
        """Let the sinks write what is waiting; one that hangs is left behind when it is time to stop.

        It is, too, when a camera's run has failed: it must not keep another from being started.
        """
        for sink in sinks:
            sink.close()
        due_s = max(time.monotonic() + _STOP_S, self._stop_s + _SINKS_STOP_S)
        for sink in sinks:
            while not sink.join(_POLL_S):
                if (self._stopping or in_haste) and time.monotonic() > due_s:
                    self.stuck = True
                    break

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

    def _work(self, place: int, slot: Slot) -> None:
        try:
            while self._room.acquire() and (taken := self._inbox.take()) is not None:
                self._began_s[place] = time.monotonic()
                self._news.put(self._infer(slot, *taken))
                self._began_s[place] = None
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
        working, due_s = len(self._slots), float("inf")
        while working and not self.stuck:
            news = self._next_news()
            if self._stopping:
                due_s = min(due_s, time.monotonic() + _STOP_S)
                self._inbox.abort()
            if isinstance(news, _Ended):
                working -= 1
            elif isinstance(news, _SinkLost):
                failure = failure or self._without_sink(news, len(sinks))
            elif isinstance(news, Exception):
                failure = failure or news
            elif news is not None and failure is None:
                waiting[news.number] = news
                while (done := waiting.pop(self._frames, None)) is not None:
                    self._deliver(done, sinks)
                    on_frame()
            if failure is not None:
                self._end_early()
            self.stuck = time.monotonic() > due_s
        return failure

    def _without_sink(self, lost: _SinkLost, sinks: int) -> Exception | None:
        """Go on without it; its error when it was the last one and the source is a file."""
        self._sink_errors.setdefault(lost.name, lost.error)
        if len(self._sink_errors) == sinks and not self._source.live:
            return lost.error
        self._on_event(Event("output-ended", lost.name, f"{lost.error} The rest goes on.", "output"))
        return None

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
        """What came after the last result, from closing sinks too; a file's output that is not whole is an error."""
        while not self._news.empty():
            news = self._news.get()
            if isinstance(news, Exception):
                return news
            if isinstance(news, _SinkLost):
                self._sink_errors.setdefault(news.name, news.error)
                if self._source.live:
                    self._on_event(Event("output-ended", news.name, str(news.error), "output"))
        return None if self._source.live else next(iter(self._sink_errors.values()), None)

    def _summary(self, seconds: float, sinks: Sequence[SinkThread]) -> Summary:
        stages = {name: stage.percentiles() for name, stage in self._stages.items()}
        return Summary(
            frames=self._frames,
            seconds=seconds,
            stages={**stages, **{f"sink {sink.name}": sink.stage.percentiles() for sink in sinks}},
            **self.lost,
            sink_dropped={sink.name: sink.dropped for sink in sinks},
            sink_errors={name: str(error) for name, error in self._sink_errors.items()},
            ended_early=self._source.ended_early,
            stopped=self._stopping,
        )


def _is_fresh(frame: Frame) -> bool:
    return time.monotonic() - frame.time_s < _FRESH_S
