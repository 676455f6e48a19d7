"""What happens while edgeseg runs, as facts that can be printed or logged.

A camera::

    connected --> lost --> reconnecting --> recovered --> lost ...
        `-----------------------`--> failed      (will not be tried again)

A recording: ``recording``, ``recorded``, ``deleted``, ``recording-stopped``, ``recording-resumed``. The process:
``running``, ``worker-lost``, ``restarting``, ``reloaded``, ``gave-up``, ``stopped``, ``status``, ``damaged``.
A rule: ``alarm-raised``, ``alarm-cleared``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgeseg.console.terminal import complain


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: one word a program can wait for.
        source: what it happened to: a camera's name, a file, or a part of edgeseg; without credentials.
        message: a sentence, without credentials.
        reason: one word a program can act on (``timeout``, ``refused``, ``unauthorized``, ``hung``...), or empty.
        facts: numbers and names that belong to it: ``wait_s``, ``outage_s``, ``attempt``, ``bytes``...
        time_s: monotonic clock.
    """

    kind: str
    source: str
    message: str
    reason: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    time_s: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        return f"{self.source}: {self.message}"


OnEvent = Callable[[Event], object]


def event_to_stderr(event: Event) -> None:
    """Write the event as a line on standard error."""
    complain(f"edgeseg: {event}")


def ignore_event(_: Event) -> None:
    """Do nothing, for whoever does not ask what happens."""
