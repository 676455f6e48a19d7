"""Progress of long steps: a bar where somebody watches, silence elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from tqdm import tqdm

Tick = Callable[[], object]
Progress = Callable[[str, int], AbstractContextManager[Tick]]
"""Called with a description and the expected number of ticks, for a step's ``with`` block."""


@contextlib.contextmanager
def no_progress(description: str, total: int) -> Iterator[Tick]:
    """Say nothing."""
    yield lambda: None


@contextlib.contextmanager
def bar_on_tty(description: str, total: int) -> Iterator[Tick]:
    """Show a bar on standard error when it is a terminal."""
    with tqdm(desc=description, total=total, leave=False, disable=not sys.stderr.isatty()) as bar:
        yield bar.update
