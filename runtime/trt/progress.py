"""A bar while TensorRT builds, and a way to stop it: Ctrl-C reaches a build only through here."""

from __future__ import annotations

import sys
from typing import Any


def progress_monitor(module: Any, title: str) -> Any:
    """Make an ``IProgressMonitor`` that counts the outer phases; None before TensorRT 10, which has none.

    Its ``interrupted`` tells that the user stopped the build; ``close()`` ends the bar.
    """
    if not hasattr(module, "IProgressMonitor"):
        return None

    from tqdm import tqdm

    class Monitor(module.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            module.IProgressMonitor.__init__(self)
            self.interrupted = False
            self._steps: dict[str, int] = {}
            self._outer: set[str] = set()
            self._bar = tqdm(desc=title, leave=False, disable=not sys.stderr.isatty())

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            self._steps[name] = steps
            if not parent:
                self._outer.add(name)
                self._bar.total = (self._bar.total or 0) + steps

        def step_complete(self, name: str, step: int) -> bool:
            """False stops the build; TensorRT swallows exceptions that are raised in here."""
            try:
                if name in self._outer:
                    self._bar.update(1)
                else:
                    self._bar.set_postfix_str(f"{name} {step + 1}/{self._steps.get(name, '?')}")
            except KeyboardInterrupt:
                self.interrupted = True
            return not self.interrupted

        def phase_finish(self, name: str) -> None:
            self._bar.refresh()

        def close(self) -> None:
            self._bar.close()

    return Monitor()
