"""Keeps a worker alive: the process that a person, or systemd, starts and that never does the work itself.

::

    start --> worker runs --> ended well, or by a mistake of the user: so does the supervisor
                |   ^
      crashed, hung |  wait 0.5 to 30 s, until the budget of restarts is spent: exit code 3
                v   |
              restart

It imports no engine and decodes nothing, so that what kills workers does not reach it. SIGTERM and SIGINT end
everything within three seconds, whatever state the worker is in; SIGHUP replaces the worker after the
configuration was read again and found good.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from edgeseg.errors import EngineError, UserError
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.service.heartbeat import Progress
from edgeseg.runtime.service.systemd import Systemd
from edgeseg.runtime.service.worker_process import WorkerProcess
from edgeseg.runtime.system.backoff import backoff_s
from edgeseg.runtime.system.line_child import ended_by

FAILED = EngineError.exit_code
MISTAKE = UserError.exit_code
WINDOW_S = 600.0
_STOP_S = 2.3
_POLL_S = 0.1


@dataclass(frozen=True)
class Plan:
    """What a worker is to do and how long it may be trusted.

    Attributes:
        job: one line for the worker.
        engine_timeout_s: an inference that takes longer hangs.
        restarts: how many in :data:`WINDOW_S` before giving up.
    """

    job: str
    engine_timeout_s: float = 10.0
    restarts: int = 5


class Supervisor:
    """Runs workers one after the other until one ends well, all hope is gone, or a signal comes.

    Args:
        command: starts a worker; see :class:`WorkerProcess`.
        plan: for the first worker.
        on_event: called with what happens.
        reread: gives the plan after SIGHUP; raises UserError when the new configuration is wrong.
        systemd: is told of progress.
    """

    def __init__(
        self,
        command: Sequence[str],
        plan: Plan,
        on_event: OnEvent,
        reread: Callable[[], Plan] | None = None,
        systemd: Systemd | None = None,
    ) -> None:
        self._command, self._plan = command, plan
        self._on_event, self._reread = on_event, reread
        self._systemd = systemd or Systemd()
        self._restarts: deque[float] = deque()
        self._in_a_row = 0
        self._has_run = False
        self._stop_asked = self._reload_asked = self._reloading = False

    def run(self) -> int:
        """Supervise until the end, and return the exit code for the shell. Call it from the main thread."""
        with self._signals():
            while (code := self._one_worker()) is None:
                pass
        return code

    def _one_worker(self) -> int | None:
        """Start one and see it to its end. The exit code when no other is to follow."""
        worker = WorkerProcess(self._command, self._plan.job, self._plan.engine_timeout_s)
        hung = self._watch(worker)
        if self._stop_asked:
            self._systemd.stopping()
            return self._stop(worker)
        if self._reloading:
            self._reloading = False
            self._stop(worker)
            return None
        code = worker.close()
        if not hung and self._is_final(code, worker):
            return code
        return self._restart(hung or f"it ended by {ended_by(code)}", "hung" if hung else "crashed")

    def _watch(self, worker: WorkerProcess) -> str:
        """Until the worker ended, or a signal asks for its end; or why it counts as hung, and it is killed."""
        before = Progress()
        while worker.hear(_POLL_S) and not self._stop_asked:
            self._tell_systemd(worker.progress, before)
            before = worker.progress
            if self._reload_asked and self._read_again():
                return ""
            if why := worker.overdue:
                worker.kill()
                return why
        return ""

    def _tell_systemd(self, now: Progress, before: Progress) -> None:
        if now.frames != before.frames:
            self._systemd.progress()
            self._has_run, self._in_a_row = True, 0
        elif now is not before and now.goes_on_from(before):
            self._systemd.alive()

    def _is_final(self, code: int, worker: WorkerProcess) -> bool:
        """Whether another worker would do no better: it ended well, or the user or this machine has to be mended."""
        return code == 0 or (code in (MISTAKE, FAILED) and not self._has_run)

    def _restart(self, why: str, reason: str) -> int | None:
        """Wait for the next attempt; the exit code when there is to be none."""
        now = time.monotonic()
        while self._restarts and now - self._restarts[0] > WINDOW_S:
            self._restarts.popleft()
        facts = {"restarts": len(self._restarts), "budget": self._plan.restarts}
        self._say("worker-lost", f"the worker is lost: {why}.", reason)
        if len(self._restarts) >= self._plan.restarts:
            message = f"giving up after {len(self._restarts)} restarts in {WINDOW_S:g} s."
            self._say("gave-up", message, reason, **facts)
            return FAILED
        wait_s = backoff_s(self._in_a_row)
        self._say("restarting", f"starting another in {wait_s:.1f} s.", reason, wait_s=round(wait_s, 3), **facts)
        self._restarts.append(now)
        self._in_a_row += 1
        self._wait(wait_s)
        return 0 if self._stop_asked else None

    def _wait(self, seconds: float) -> None:
        due_s = time.monotonic() + seconds
        while time.monotonic() < due_s and not self._stop_asked:
            self._systemd.alive()
            time.sleep(_POLL_S)

    def _stop(self, worker: WorkerProcess) -> int:
        """End the worker as a user would, then by force; 0 when it finished its files."""
        worker.ask_to_stop()
        due_s = time.monotonic() + _STOP_S
        while worker.hear(_POLL_S):
            if time.monotonic() > due_s:
                worker.kill()
                worker.close()
                self._say("killed", "the worker did not end when asked to and was killed.", "hung")
                return FAILED
        return 0 if (code := worker.close()) == -signal.SIGTERM else abs(code)

    def _read_again(self) -> bool:
        """Whether the configuration was read again; a wrong one is said, and the old one goes on."""
        self._reload_asked = False
        if self._reread is None:
            self._say(
                "reload-refused", "SIGHUP reads a configuration again, and there is none (`config`).", "no config"
            )
            return False
        try:
            self._plan = self._reread()
        except UserError as error:
            self._say("reload-refused", f"the old configuration stays: {error}", "mistake")
            return False
        self._say("reloaded", "the configuration was read again; a new worker starts.")
        self._systemd.reloading()
        self._reloading = True
        return True

    def _say(self, kind: str, message: str, reason: str = "", **facts: object) -> None:
        self._systemd.status(redact(message))
        self._on_event(Event(kind, "supervisor", message, reason, facts))

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end, SIGHUP reads again; each only leaves a note for the loop."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stop_asked = True

        def reload(_number: int, _frame: FrameType | None) -> None:
            self._reload_asked = True

        handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
