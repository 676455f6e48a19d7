"""Results in order to the sinks, and a notice of what fails on the way."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgeseg.runtime.analysis.analyzer import Analyzer
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.handoff import HandoffCounts
from edgeseg.runtime.frames.source_protocol import Source
from edgeseg.runtime.frames.timing import Percentiles, Stage, clock_s
from edgeseg.runtime.sinks.sink import Sink, SinkThread
from edgeseg.runtime.slot_thread import STAGES, Done, Ended
from edgeseg.runtime.summary import Summary

POLL_S = 0.1


@dataclass(frozen=True)
class SinkLost:
    """A sink that takes no more, and why."""

    name: str
    error: Exception


class Collector:
    """Hears every thread of a run, puts results in order, hands them to the sinks, and counts.

    Args:
        live: whether a sink that fails leaves the run going, whatever else there is.
        room: released once for each result.
        on_event: called when an output ends.

    Attributes:
        frames: results that went to the sinks.
        unchanged: those of them whose mask was taken over from an earlier frame.
        sinks: their threads, from :meth:`open_sinks` on.
        analyzer: takes each mask, in order, before the sinks do; None for none.
    """

    def __init__(self, live: bool, room: threading.Semaphore, on_event: OnEvent) -> None:
        self.frames = self.unchanged = 0
        self.sinks: list[SinkThread] = []
        self.analyzer: Analyzer | None = None
        self._live, self._room, self._on_event = live, room, on_event
        self._stages = {name: Stage() for name in (*STAGES, "analyze", "latency")}
        self._last: dict[str, Prediction] = {}
        self._reports: queue.SimpleQueue[Done | Exception | Ended | SinkLost] = queue.SimpleQueue()
        self._waiting: dict[int, Done] = {}
        self._failure: Exception | None = None
        self._sink_errors: dict[str, Exception] = {}

    @property
    def latency(self) -> Percentiles:
        """Frame to mask, of the last frames."""
        return self._stages["latency"].percentiles()

    def open_sinks(self, sinks: Sequence[Sink]) -> None:
        """Start a thread for each sink, which closes it in the end."""
        self.sinks = [self._start_sink(sink) for sink in sinks]

    def report(self, what: Done | Exception | Ended | SinkLost) -> None:
        """Take a result, an error, or the end of a thread; from any thread."""
        self._reports.put(what)

    def collect(
        self, workers: int, tick: Callable[[Exception | None], bool], on_frame: Callable[[], object]
    ) -> Exception | None:
        """Hand results on until all workers have ended, or ``tick`` says that it is time.

        Args:
            workers: how many threads will report their end.
            tick: called at least each :data:`POLL_S` with the first error met; False ends the wait.
            on_frame: called after each result was handed to the sinks.

        Returns:
            The first error met.
        """
        while workers:
            report = self._next_report()
            if isinstance(report, Ended):
                workers -= 1
            elif isinstance(report, SinkLost):
                self._failure = self._failure or self._go_on_without(report)
            elif isinstance(report, Exception):
                self._failure = self._failure or report
            elif report is not None and self._failure is None:
                self._deliver_in_order(report, on_frame)
            if not tick(self._failure):
                break
        return self._failure

    def late_failure(self) -> Exception | None:
        """Return what came after the last result, from closing sinks too; a file's output not whole is an error."""
        while not self._reports.empty():
            report = self._reports.get()
            if isinstance(report, Exception):
                return report
            if isinstance(report, SinkLost):
                self._sink_errors.setdefault(report.name, report.error)
                if self._live:
                    self._on_event(Event("output-ended", report.name, str(report.error), "output"))
        return None if self._live else next(iter(self._sink_errors.values()), None)

    def summarize(self, seconds: float, decode: Stage, counts: HandoffCounts, source: Source, stopped: bool) -> Summary:
        """Say what was done.

        Args:
            seconds: how long it took.
            decode: how long frames took to be read.
            counts: what became of the frames.
            source: where they came from.
            stopped: whether the end was asked for.
        """
        stages = {name: stage.percentiles() for name, stage in {"decode": decode, **self._stages}.items()}
        for name in ("detect", "analyze"):
            if not stages[name].count:
                del stages[name]  # every frame was to be inferred, nothing was looked for
        return Summary(
            frames=self.frames,
            seconds=seconds,
            stages={**stages, **{f"sink {sink.name}": sink.stage.percentiles() for sink in self.sinks}},
            received=counts.received,
            dropped=counts.dropped,
            stale=counts.stale,
            sink_dropped={sink.name: sink.dropped for sink in self.sinks},
            sink_errors={name: str(error) for name, error in self._sink_errors.items()},
            skipped=source.skipped,
            ended_early=source.ended_early,
            stopped=stopped,
            skipped_unchanged=self.unchanged,
        )

    def _start_sink(self, sink: Sink) -> SinkThread:
        return SinkThread(sink, self._live, lambda error: self.report(SinkLost(sink.name, error)), self._on_event)

    def _next_report(self) -> Done | Exception | Ended | SinkLost | None:
        """What a thread reports next; None now and then."""
        try:
            return self._reports.get(timeout=POLL_S)
        except queue.Empty:
            return None

    def _deliver_in_order(self, done: Done, on_frame: Callable[[], object]) -> None:
        self._waiting[done.number] = done
        while (following := self._waiting.pop(self.frames, None)) is not None:
            prediction, latency_s = self._complete(following)
            if self.analyzer is not None:
                prediction, latency_s = self._analyze(self.analyzer, following.frame, prediction, latency_s)
            for sink in self.sinks:
                sink.put(following.frame, prediction, latency_s * 1e3)
            for name, seconds in following.seconds.items():
                self._stages[name].record(seconds)
            self._stages["latency"].record(latency_s)
            self.frames += 1
            self._room.release()
            on_frame()

    def _analyze(
        self, analyzer: Analyzer, frame: Frame, prediction: Prediction, latency_s: float
    ) -> tuple[Prediction, float]:
        """The mask with what is found in it, and how long it took to be there; alarms are said."""
        start = clock_s()
        found = analyzer.analyze(frame, prediction)
        if found is prediction:
            return prediction, latency_s
        for alarm in found.analysis.alarms if found.analysis else ():
            facts = {"source": frame.source, **alarm.to_dict()}
            self._on_event(Event(f"alarm-{alarm.state}", frame.source, str(alarm), facts=facts))
        seconds = clock_s() - start
        self._stages["analyze"].record(seconds)
        return found, latency_s + seconds

    def _complete(self, done: Done) -> tuple[Prediction, float]:
        """The mask of a frame, its own or that of the one before it, and how long it took to be there."""
        source = done.frame.source
        if done.prediction is not None:
            self._last[source] = done.prediction
            return done.prediction, done.ready_s - done.frame.time_s
        self.unchanged += 1
        return replace(self._last[source], reused=True), time.monotonic() - done.frame.time_s

    def _go_on_without(self, lost: SinkLost) -> Exception | None:
        """Its error when it was the last one and the source is a file."""
        self._sink_errors.setdefault(lost.name, lost.error)
        if len(self._sink_errors) == len(self.sinks) and not self._live:
            return lost.error
        self._on_event(Event("output-ended", lost.name, f"{lost.error} The rest goes on.", "output"))
        return None
