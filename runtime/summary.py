"""What a run did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgeseg.runtime.frames.timing import Percentiles


@dataclass(frozen=True)
class Summary:
    """What a run did, all of it measured.

    Attributes:
        frames: results that went to the sinks.
        seconds: from the first read until the last sink had finished.
        stages: ``decode``, ``detect`` (has it changed), ``convert`` (to BGR), ``resize``, ``infer``, ``post``,
            ``latency`` (frame to mask) and one ``sink NAME`` a sink.
        received: frames that the source got, whole, while this ran.
        dropped: live frames that no slot was free for.
        stale: live frames that came, or would have been inferred, too late to be of use.
        sink_dropped: for each sink, results it was too slow for or could not write.
        sink_errors: for each sink that failed, why; its output is not whole.
        skipped: damaged pictures of the source.
        ended_early: the file stopped before its announced end.
        stopped: :meth:`edgeseg.runtime.pipeline.Pipeline.stop` ended the run.
        skipped_unchanged: results whose mask was taken over from an earlier frame, since which nothing had changed.
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
    skipped_unchanged: int = 0

    @property
    def fps(self) -> float:
        """Frames a second over the whole run."""
        return self.frames / self.seconds if self.seconds else 0.0
