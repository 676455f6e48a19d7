"""What a run does, measured while it does it, and its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeseg.runtime.frames.handoff import HandoffCounts
from edgeseg.runtime.frames.timing import Percentiles, Stage
from edgeseg.runtime.sinks.sink import SinkThread
from edgeseg.runtime.slot_thread import Done
from edgeseg.runtime.sources.source import Source


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


class Statistics:
    """Times and failures of a run.

    Attributes:
        frames: results that went to the sinks.
        decode: how long each frame took to be read, of sources that are read.
        sink_errors: what ended a sink, by its name.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.decode = Stage()
        self.sink_errors: dict[str, Exception] = {}
        self._stages = {name: Stage() for name in ("resize", "infer", "post", "latency")}

    @property
    def latency(self) -> Percentiles:
        """Frame to mask, of the last frames."""
        return self._stages["latency"].percentiles()

    def count(self, done: Done) -> None:
        """Take note of a result that went to the sinks."""
        for name, stage in self._stages.items():
            stage.record(getattr(done, f"{name}_s"))
        self.frames += 1

    def summarize(
        self, seconds: float, counts: HandoffCounts, source: Source, sinks: Sequence[SinkThread], stopped: bool
    ) -> Summary:
        """Say what was done.

        Args:
            seconds: how long it took.
            counts: what became of the frames.
            source: where they came from.
            sinks: ended.
            stopped: whether that was asked for.
        """
        stages = {name: stage.percentiles() for name, stage in {"decode": self.decode, **self._stages}.items()}
        return Summary(
            frames=self.frames,
            seconds=seconds,
            stages={**stages, **{f"sink {sink.name}": sink.stage.percentiles() for sink in sinks}},
            received=counts.received,
            dropped=counts.dropped,
            stale=counts.stale,
            sink_dropped={sink.name: sink.dropped for sink in sinks},
            sink_errors={name: str(error) for name, error in self.sink_errors.items()},
            skipped=source.skipped,
            ended_early=source.ended_early,
            stopped=stopped,
        )
