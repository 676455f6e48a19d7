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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from edgeseg.errors import EngineError
from edgeseg.runtime.analysis.analyzer import Analyzer
from edgeseg.runtime.analysis.settings import WhenChanged
from edgeseg.runtime.collector import POLL_S, Collector
from edgeseg.runtime.engines.engine import Engine
from edgeseg.runtime.engines.threshold import ApplyThreshold
from edgeseg.runtime.events.event import OnEvent, event_to_stderr
from edgeseg.runtime.frame_gate import FrameGate
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.handoff import Handoff
from edgeseg.runtime.frames.source_protocol import Feeds, Source
from edgeseg.runtime.frames.timing import Percentiles, Stage, clock_s
from edgeseg.runtime.sinks.sink import Sink, SinkThread
from edgeseg.runtime.slot_thread import SlotThread
from edgeseg.runtime.summary import Summary

_READER_TIMEOUT_S = 0.5
_STOP_S = 0.8
"""How long, after :meth:`Pipeline.stop`, to wait for what is being inferred, and then at least for the sinks."""
_SINKS_STOP_S = 1.4
"""How long after it they have in all cases: what no inference needs of the time is theirs, for a slow disk."""
_FRESH_S = 2.0
"""A live frame that has waited longer than this, because the engine hung, is never inferred."""


class Pipeline:
    """Runs a source through an engine into sinks, once.

    Args:
        engine: gives the slots.
        source: open; the caller closes it.
        slots: how many inferences run at the same time.
        threshold: from :func:`edgeseg.runtime.engines.threshold.threshold_for`.
        max_frames: stop after this many results.
        on_event: called when an output stops or goes on.
        when_changed: infer only frames that differ from the last one that was inferred; the others get its mask.

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
        when_changed: WhenChanged | None = None,
    ) -> None:
        self.stuck = self._has_run = False
        self._source = source
        self._inbox: Handoff[Frame] = Handoff(
            1 if source.live else slots + 1, source.live, max_frames, lane=lambda frame: frame.source, fresh=_is_fresh
        )
        self._room = threading.Semaphore(2 * slots + 2)
        self._collector = Collector(source.live, self._room, on_event)
        self._decode = Stage()
        gate = FrameGate(self._inbox, when_changed)
        self._slots = [
            SlotThread(engine.open_slot(), engine.spec, threshold, gate, self._room, self._collector.report)
            for _ in range(slots)
        ]
        self._stopping, self._stop_s, self._stuck_s = False, -math.inf, math.inf

    @property
    def frames(self) -> int:
        """Results so far."""
        return self._collector.frames

    @property
    def unchanged(self) -> int:
        """Results so far whose mask was taken over from an earlier frame."""
        return self._collector.unchanged

    @property
    def busy_s(self) -> float:
        """How long the oldest inference in flight has been running; 0 when none is. From any thread."""
        began = [began_s for slot in self._slots if (began_s := slot.began_s) is not None]
        return time.monotonic() - min(began) if began else 0.0

    @property
    def idle(self) -> bool:
        """Whether every frame that was taken has become a result, and none waits. From any thread."""
        return self._inbox.taken == self.frames and not self._inbox.waiting

    @property
    def latency(self) -> Percentiles:
        """Frame to mask, of the last frames."""
        return self._collector.latency

    @property
    def lost(self) -> dict[str, int]:
        """Frames ``received`` so far, and those of them, or beside them, that never became masks."""
        return {**asdict(self._inbox.counts), "skipped": self._source.skipped}

    @property
    def stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopping

    def stop(self) -> None:
        """End soon: finish what is being inferred, write it, close the sinks. Safe in a signal handler."""
        self._stop_s = time.monotonic()
        self._stopping = True

    def run(
        self,
        sinks: Sequence[Sink] = (),
        on_frame: Callable[[], object] = lambda: None,
        analyzer: Analyzer | None = None,
    ) -> Summary:
        """Run until the source ends, :meth:`stop`, or an error.

        Args:
            sinks: not yet written to; this closes them.
            on_frame: called in this thread after each result was handed to the sinks.
            analyzer: takes each mask before the sinks do, in order and in this thread; None for none.

        Raises:
            EngineError: it has run before.
            EdgesegError: what the source, the engine or a sink raised, after the sinks were closed.
        """
        if self._has_run:
            raise EngineError("This pipeline has run, and a pipeline runs once; make another one.")
        self._has_run = True
        start = clock_s()
        collector = self._collector
        collector.analyzer = analyzer
        collector.open_sinks(sinks)
        reader = threading.Thread(target=self._read, name="edgeseg-source", daemon=True)
        reader.start()
        for slot in self._slots:
            slot.start()
        failure: Exception | None = None
        try:
            failure = collector.collect(len(self._slots), self._goes_on, on_frame)
        finally:
            self._end_early()
            self._finish(collector.sinks, in_haste=failure is not None and self._source.live)
        seconds = clock_s() - start
        reader.join(_READER_TIMEOUT_S)
        if failure := failure or collector.late_failure():
            raise failure
        return collector.summarize(seconds, self._decode, self._inbox.counts, self._source, self._stopping)

    def _goes_on(self, failure: Exception | None) -> bool:
        """Let everybody go after a failure, or when asked to stop; False when it is time not to wait for them."""
        if self._stopping:
            self._stuck_s = min(self._stuck_s, time.monotonic() + _STOP_S)
            self._inbox.abort()
        if failure is not None:
            self._end_early()
        self.stuck = time.monotonic() > self._stuck_s
        return not self.stuck

    def _finish(self, sinks: Sequence[SinkThread], in_haste: bool) -> None:
        """Let the sinks write what is waiting; one that hangs is left behind when it is time to stop.

        It is, too, when a camera's run has failed: it must not keep another from being started.
        """
        for sink in sinks:
            sink.close()
        due_s = max(time.monotonic() + _STOP_S, self._stop_s + _SINKS_STOP_S)
        for sink in sinks:
            while not sink.join(POLL_S):
                if (self._stopping or in_haste) and time.monotonic() > due_s:
                    self.stuck = True
                    break

    def _read(self) -> None:
        try:
            if isinstance(self._source, Feeds):
                self._source.feed(self._inbox)
            else:
                self._take_frames(iter(self._source))
        except Exception as error:
            self._collector.report(error)
        self._inbox.close()

    def _take_frames(self, frames: Iterator[Frame]) -> None:
        while True:
            start = clock_s()
            frame = next(frames, None)
            if frame is None:
                break
            self._decode.record(clock_s() - start)
            if not self._inbox.put(frame):
                break

    def _end_early(self) -> None:
        """Let every thread that waits for a frame or for room go."""
        self._source.stop()
        self._inbox.abort()
        self._room.release(len(self._slots))


def _is_fresh(frame: Frame) -> bool:
    return time.monotonic() - frame.time_s < _FRESH_S
