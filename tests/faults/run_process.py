"""``edgeseg run`` in a process of its own, as a user or systemd starts it, and what it says while it lives."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import psutil

EDGESEG = (sys.executable, "-m", "edgeseg")


class RunProcess:
    """A running ``edgeseg ... --log-json``; killed with all its children when the block ends.

    Args:
        words: what follows the program.
        program: how edgeseg is started.
        environment: variables beside those of this process.

    Attributes:
        events: all it said so far, oldest first.
    """

    def __init__(self, *words: object, program: tuple[str, ...] = EDGESEG, environment: Mapping[str, str] = {}) -> None:
        self.events: list[dict[str, Any]] = []
        self.stderr = self.stdout = ""
        self._news: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [*program, *map(str, words), "--log-json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )
        self._readers = [threading.Thread(target=work, daemon=True) for work in (self._read_events, self._read_output)]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> RunProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        family = self.family()
        self._process.kill()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join(5)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def family(self) -> list[psutil.Process]:
        """All its living children and theirs."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def worker(self) -> psutil.Process:
        """The process that does the work."""
        return next(child for child in self.family() if "edgeseg.verbs.run" in " ".join(child.cmdline()))

    def wait_for(self, kind: str, timeout_s: float = 30.0, **facts: object) -> dict[str, Any]:
        """The next event of this kind with these facts that was not waited for yet."""
        due_s = time.monotonic() + timeout_s
        while (left_s := due_s - time.monotonic()) > 0:
            try:
                event = self._news.get(timeout=left_s)
            except queue.Empty:
                break
            if event["event"] == kind and all(event.get(name) == value for name, value in facts.items()):
                return event
        raise AssertionError(f"no event {kind} {facts} within {timeout_s} s; said so far:\n{self.stderr}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout_s: float = 30.0) -> int:
        """Its exit code, once it has ended and all it said was read."""
        code = self._process.wait(timeout_s)
        for reader in self._readers:
            reader.join(5)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end: exit code, and the seconds that took."""
        start = time.monotonic()
        self.send(number)
        return self.wait(), time.monotonic() - start

    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events]

    def _read_events(self) -> None:
        for line in self._process.stderr or ():
            self.stderr += line
            try:
                event = {**json.loads(line), "heard_s": time.monotonic()}
            except ValueError:
                continue  # every line is JSON: a test of its own says so
            self.events.append(event)
            self._news.put(event)

    def _read_output(self) -> None:
        for line in self._process.stdout or ():
            self.stdout += line
