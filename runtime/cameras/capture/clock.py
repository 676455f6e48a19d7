"""When was this picture taken? From presentation time and arrival time to the monotonic clock."""

from __future__ import annotations

MAX_LATE_S = 1.0
"""A picture that arrives later than this after its neighbours did is stale."""

_DRIFT = 0.05
_SLACK_S = 0.1
_IDLE_SHARE = 0.2
_PLAUSIBLE_RISE = 0.8


class CaptureClock:
    """Tells how late each picture of a live stream is.

    ``arrival - presentation`` is constant for a punctual stream; its smallest value is taken as
    "in time", and what exceeds it is lateness: what was held back while the network or the camera
    stood still, or a backlog of a decoder that does not keep up.

    Two things look like lateness and are not. Clocks of cheap cameras run fast or slow, some count
    25 pictures a second while they send 15: the smallest value is forgotten at 5 % of real time, and at
    once where the reader had to wait for the picture and the stream's time moved on by a fifth of that.
    And presentation time may jump back; no picture can become late faster than time goes by.
    """

    def __init__(self) -> None:
        self._base: float | None = None
        self._arrived_s = 0.0
        self._offset = 0.0

    def lateness_s(self, arrived_s: float, presented_s: float | None, idle_s: float = 0.0) -> float:
        """Compute the seconds by which the picture is later than it could be, at least 0.

        Args:
            arrived_s: monotonic clock.
            presented_s: the stream's own time; None counts as punctual.
            idle_s: how long of the time since the last picture the reader waited for data.
        """
        if presented_s is None:
            return 0.0
        offset = arrived_s - presented_s
        if self._base is None:
            self._base = offset
        else:
            rise, waited = offset - self._offset, max(0.0, arrived_s - self._arrived_s)
            self._base = min(offset, self._base + self._forget(rise, waited, idle_s))
        self._arrived_s, self._offset = arrived_s, offset
        return offset - self._base

    def _forget(self, rise: float, waited: float, idle_s: float) -> float:
        """By how much the smallest value may grow with this picture."""
        if rise > waited + _SLACK_S:
            return float("inf")
        if idle_s >= _IDLE_SHARE * waited and rise <= _PLAUSIBLE_RISE * waited:
            return max(rise, waited * _DRIFT)
        return waited * _DRIFT
