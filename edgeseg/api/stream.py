"""Results of a camera or a file, one by one, out of the pipeline that ``edgeseg run`` uses."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Generator
from dataclasses import dataclass

from edgeseg.api.result import Result
from edgeseg.image import unfit
from edgeseg.runtime.analysis.analyzer import Analyzer
from edgeseg.runtime.analysis.settings import AnalysisSettings, WhenChanged
from edgeseg.runtime.engines.engine import Engine, Slot
from edgeseg.runtime.engines.threshold import ApplyThreshold
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.handoff import Handoff
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.selected import open_selected
from edgeseg.runtime.sources.settings import SourceSettings
from edgeseg.runtime.summary import Summary
from edgeseg.spec import ModelSpec


@dataclass(frozen=True)
class StreamSettings:
    """What a stream runs with: a model's own settings, and how much of the source is wanted."""

    engine: Engine
    threshold: ApplyThreshold
    slots: int
    on_event: OnEvent
    source: SourceSettings
    max_frames: int | None
    when_changed: WhenChanged | None = None
    analysis: AnalysisSettings = dataclasses.field(default_factory=AnalysisSettings)


class Stream:
    """An iterator over frames and their results, made by :meth:`edgeseg.api.model.Model.stream`.

    The source is opened with the first frame that is asked for, and closed with the loop, with :meth:`close`, or with
    the end of a ``with`` block.

    Example:
        >>> with model.stream("street.mp4") as frames:
        ...     frame, result = next(frames)
        >>> frame.index, result.labels.shape
        (0, (48, 64))
    """

    def __init__(self, settings: StreamSettings) -> None:
        self._summaries: list[Summary] = []
        self._results = _run(settings, self._summaries)

    @property
    def summary(self) -> Summary | None:
        """Frames, times and losses, once the stream has ended; ``sink_dropped`` counts results nobody took in time."""
        return next(iter(self._summaries), None)

    def close(self) -> None:
        """End the stream and close its source; a second call does nothing, and there are no more frames."""
        self._results.close()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> tuple[Frame, Result]:
        return next(self._results)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Mailbox:
    """The sink at the end of the pipeline: of a camera it holds the newest result, of a file all in turn."""

    name = "stream"

    def __init__(self, live: bool) -> None:
        self.newest_only = live
        self.results: Handoff[tuple[Frame, Prediction]] = Handoff(1, live, lane=lambda item: item[0].source)

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        self.results.put((frame, prediction))

    def close(self) -> None:
        self.results.close()


class _OwnSlots:
    """Slots of a stream, which end with it while the engine goes on."""

    def __init__(self, engine: Engine) -> None:
        self.spec, self._engine = engine.spec, engine
        self._slots: list[Slot] = []

    def open_slot(self) -> Slot:
        self._slots.append(self._engine.open_slot())
        return self._slots[-1]

    def close(self) -> None:
        while self._slots:
            self._slots.pop().close()


def _run(settings: StreamSettings, summaries: list[Summary]) -> Generator[tuple[Frame, Result], None, None]:
    """Run the pipeline in a thread of its own and give what comes out of it."""

    def report(sentence: str) -> None:
        settings.on_event(Event("damaged", settings.source.source, sentence))

    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_selected(settings.source, report, settings.on_event))
        slots = _OwnSlots(settings.engine)
        analyzer = Analyzer(slots.spec, settings.analysis)
        how = (settings.threshold, settings.max_frames, settings.on_event, settings.when_changed)
        pipeline = Pipeline(slots, source, settings.slots, *how)
        mailbox = _Mailbox(source.live)
        failures: list[Exception] = []
        thread = threading.Thread(
            target=_work, args=(pipeline, mailbox, analyzer, summaries, failures), name="edgeseg-stream", daemon=True
        )
        thread.start()
        try:
            while (taken := mailbox.results.take()) is not None:
                frame, prediction = taken[1]
                yield frame, _make_result(frame, prediction, slots.spec)
            thread.join()
        finally:
            if thread.is_alive():
                pipeline.stop()
                mailbox.results.abort()
                thread.join()
            if not pipeline.stuck:
                slots.close()
        if failures:
            raise failures[0]


def _work(
    pipeline: Pipeline, mailbox: _Mailbox, analyzer: Analyzer, summaries: list[Summary], failures: list[Exception]
) -> None:
    try:
        summary = pipeline.run([mailbox], analyzer=analyzer)
        late = {mailbox.name: summary.sink_dropped.get(mailbox.name, 0) + mailbox.results.dropped}
        summaries.append(dataclasses.replace(summary, sink_dropped=late))
    except Exception as error:
        failures.append(error)
    finally:
        mailbox.close()


def _make_result(frame: Frame, prediction: Prediction, spec: ModelSpec) -> Result:
    labels = unfit(prediction.labels, spec, frame.size)
    return Result(labels, frame.image, spec, prediction)
