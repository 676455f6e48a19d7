"""A line now and then on how a live run goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgeseg.runtime.events.event import Event, OnEvent

if TYPE_CHECKING:
    from edgeseg.runtime.pipeline import Pipeline


class Status:
    """Says ``running`` with the first result, and ``status`` each ``period_s`` while results come.

    Args:
        pipeline: is asked for its counts and times.
        period_s: between two lines; 0 for none.
        on_event: takes them.
    """

    def __init__(self, pipeline: Pipeline, period_s: float, on_event: OnEvent) -> None:
        self._pipeline, self._period_s, self._on_event = pipeline, period_s, on_event
        self._said_s = 0.0
        self._frames_then = self._unchanged_then = 0

    def tell(self) -> None:
        """Call it after each result."""
        now = time.monotonic()
        if not self._said_s:
            self._said_s = now
            self._on_event(Event("running", "pipeline", "the first masks are there."))
        elif self._period_s and now - self._said_s >= self._period_s:
            self._say(now - self._said_s)
            self._said_s, self._frames_then = now, self._pipeline.frames
            self._unchanged_then = self._pipeline.unchanged

    def _say(self, seconds: float) -> None:
        frames, lost = self._pipeline.frames, self._pipeline.lost
        fps = (frames - self._frames_then) / seconds
        age = self._pipeline.latency
        message = (
            f"{frames} frames, {fps:.1f} a second, {age.p50_ms:.0f} ms old (p99 {age.p99_ms:.0f}), "
            f"dropped {lost['dropped']}, stale {lost['stale']}."
        )
        if unchanged := self._pipeline.unchanged:
            message = f"{message[:-1]}, skipped unchanged {unchanged} ({unchanged - self._unchanged_then} of the last)."
            lost = {**lost, "skipped_unchanged": unchanged}
        facts = {"frames": frames, "fps": round(fps, 2), "age_p50_ms": age.p50_ms, "age_p99_ms": age.p99_ms, **lost}
        self._on_event(Event("status", "pipeline", message, facts=facts))
