"""One live camera, kept alive: a thread that connects, notices a loss, and connects again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from edgeseg.errors import SourceError
from edgeseg.runtime.cameras.address import Address
from edgeseg.runtime.cameras.capture.ring import Picture
from edgeseg.runtime.cameras.capture.stream_fault import PERMANENT
from edgeseg.runtime.cameras.capture_process import CaptureProcess, Limits
from edgeseg.runtime.cameras.connection import COUNTS, Connection, End
from edgeseg.runtime.cameras.port_watch import PortWatch
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.events.redact import scrub
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.frames.handoff import FrameTaker
from edgeseg.runtime.system.backoff import LONGEST_S, backoff_s

_TRY_SLACK_S = 10.0
_SELDOM_FPS = 1 / 3600


class Camera(threading.Thread):
    """Gives the frames of one address until it is closed or cannot go on.

    Args:
        address: what to open.
        limits: of each connection.
        taker: is given each frame, in this thread, and told of those that were lost before; must not block.
        on_event: called in this thread.
        ended: called once, with an error or None, when no more frames will come.
        longest_wait_s: between two attempts.

    Attributes:
        connections: how many gave a picture.
        size: (height, width) of the newest picture.
        fps: as announced by the stream, or by the one before it.
        ended: no more frames will come.
    """

    def __init__(
        self,
        address: Address,
        limits: Limits,
        taker: FrameTaker,
        on_event: OnEvent,
        ended: Callable[[SourceError | None], object],
        longest_wait_s: float = LONGEST_S,
    ) -> None:
        super().__init__(name=f"edgeseg-camera-{address.name}", daemon=True)
        self.connections = 0
        self.size: tuple[int, int] | None = None
        self._address, self._limits = address, limits
        self._taker, self._on_event, self._ended = taker, on_event, ended
        self._longest_wait_s = longest_wait_s
        self._closing = threading.Event()
        self._process: CaptureProcess | None = None
        # In one place, because other threads read the sum of both while one follows the other.
        self._counted: tuple[dict[str, int], Connection | None] = (dict.fromkeys(COUNTS, 0), None)
        self._fps_before: float | None = None
        self._attempt = 0
        self._working = self.ended = False
        self._last_picture_s = 0.0
        self._tried_s = time.monotonic()
        tries_s = limits.start_timeout_s + limits.open_timeout_s + limits.timeout_s
        self._longest_try_s = tries_s + longest_wait_s + _TRY_SLACK_S

    @property
    def source(self) -> str:
        """What its frames and events call it."""
        return self._address.name

    @property
    def pid(self) -> int | None:
        """The capture process of the moment."""
        process = self._process
        return process.pid if process is not None else None

    @property
    def is_away(self) -> bool:
        """Whether it is known to be lost, and is being tried again or has failed for good. From any thread.

        A thread that has not begun another attempt for longer than one takes is not trusted.
        """
        return not self._working and (self.ended or time.monotonic() - self._tried_s < self._longest_try_s)

    @property
    def rests(self) -> bool:
        """Whether no picture is due: it said a moment ago that it has no new one, or is asked for one seldom only.

        From any thread.
        """
        connection, now_s = self._counted[1], time.monotonic()
        if connection is None or not self._working:
            return False
        is_unchanged = now_s - connection.unchanged_s < self._limits.timeout_s
        return is_unchanged or now_s - self._last_picture_s < 1 / max(self.fps or 1.0, _SELDOM_FPS)

    @property
    def fps(self) -> float | None:
        """Frames a second that the connection tells, or the one before it told; None while none has."""
        connection = self._counted[1]
        return (connection.fps if connection else None) or self._fps_before

    @property
    def counts(self) -> dict[str, int]:
        """Pictures over all connections: ``received`` whole, used or not, and ``damaged``."""
        before, connection = self._counted
        now = connection.counts if connection else dict.fromkeys(COUNTS, 0)
        return {name: before[name] + now[name] for name in COUNTS}

    def close(self) -> None:
        """Give no more frames; the thread ends within a second."""
        self._closing.set()

    def run(self) -> None:
        """Keep the camera alive until it is closed, gives up, or ends; the thread's work."""
        error: SourceError | None = None
        try:
            error = self._keep_alive()
        except Exception as unexpected:
            error = SourceError(f"{self._address.name}: {self._clean(str(unexpected))}")
        finally:
            self._end_process()
            self._working, self.ended = False, True
            self._ended(error)

    def _keep_alive(self) -> SourceError | None:
        """Connect again and again. The error that makes this pointless, or None at a proper end."""
        while not self._closing.is_set():
            end = self._connect()
            if self._closing.is_set():
                break
            if end.reason == "finished":
                self._say("ended", f"{end.message}.", end.reason)
                break
            if end.reason in PERMANENT and not self.connections:
                return self._give_up(end)
            self._say_lost(end)
            self._working = False
            self._end_process()
            with contextlib.suppress(OSError):  # said when it fails again
                self._start_process()  # gets ready while we wait
            self._wait()
        return None

    def _start_process(self) -> CaptureProcess:
        if self._process is None:
            self._process = CaptureProcess(self._address, self._limits)
        return self._process

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _connect(self) -> End:
        self._working, self._tried_s = False, time.monotonic()
        try:
            process = self._start_process()
        except OSError as error:
            return End("no process", f"no capture process can be started ({error.strerror})")
        connection = Connection(process, self._limits, self._pass_on, self._taker.lose, self._closing.is_set)
        self._fps_before = self.fps
        self._counted = (self.counts, connection)
        end = connection.run()
        return End(end.reason, self._clean(end.message))

    def _pass_on(self, picture: Picture, captured_s: float, presented_s: float | None, number: int) -> None:
        if not self._working:
            self._say_working(picture)
        self.size = (picture.shape[0], picture.shape[1])
        self._last_picture_s = time.monotonic()
        index = self._counted[0]["received"] + number
        self._taker.put(Frame(picture, index, captured_s, self._address.name, pts_s=presented_s))

    def _say_working(self, picture: Picture) -> None:
        self._working, self._attempt = True, 0
        self.connections += 1
        what = f"{picture.shape[1]}x{picture.shape[0]}"
        if self.connections == 1:
            self._say("connected", f"connected, {what}.")
        else:
            outage_s = time.monotonic() - self._last_picture_s
            self._say("recovered", f"back after {outage_s:.1f} s, {what}.", outage_s=round(outage_s, 3))

    def _say_lost(self, end: End) -> None:
        if self._working:
            self._say("lost", f"lost: {end.message}.", end.reason)
        elif not self._attempt:
            self._say("lost", f"not reached: {end.message}.", end.reason)
        self._reason = end.reason

    def _give_up(self, end: End) -> SourceError:
        message = f"{end.message}. Waiting will not fix this: check the address and run again."
        self._say("failed", message, end.reason)
        return SourceError(f"{self._address.name}: {message}")

    def _wait(self) -> None:
        """Until the next attempt is due, or a camera that was silent answers: then it is back from a reboot."""
        wait_s = backoff_s(self._attempt, self._longest_wait_s)
        self._attempt += 1
        self._say("reconnecting", f"connecting again in {wait_s:.1f} s.", self._reason, wait_s=round(wait_s, 3))
        due_s = time.monotonic() + wait_s
        watch = PortWatch(self._address, self._closing)
        while (left_s := due_s - time.monotonic()) > 0 and not self._closing.is_set():
            if watch.wait_until_open(left_s):
                return

    def _say(self, kind: str, message: str, reason: str = "", **facts: object) -> None:
        self._on_event(Event(kind, self._address.name, message, reason, {"attempt": self._attempt, **facts}))

    def _clean(self, text: str) -> str:
        return scrub(text, self._address.target)
