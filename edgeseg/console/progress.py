"""Progress of long steps: a bar where somebody watches, silence elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm

Tick = Callable[[], object]
Progress = Callable[[str, int], AbstractContextManager[Tick]]
"""Called with a description and the expected number of ticks, for a step's ``with`` block."""


OnProgress = Callable[[str, int, int], object]
"""Called with a step's description, how far it is, and where it ends; 0 as the end is not known beforehand."""


@contextlib.contextmanager
def no_progress(description: str, total: int) -> Iterator[Tick]:
    """Say nothing."""
    yield lambda: None


@contextlib.contextmanager
def bar_on_tty(description: str, total: int) -> Iterator[Tick]:
    """Show a bar on standard error when it is a terminal."""
    with _open_bar(description, total) as bar:
        yield bar.update


@contextlib.contextmanager
def show_progress() -> Iterator[OnProgress]:
    """Show the steps of a call on standard error when it is a terminal, a bar each."""
    bars: dict[str, tqdm[NoReturn]] = {}

    def show(description: str, done: int, total: int) -> None:
        bar = bars.get(description)
        if bar is None or done < bar.n:
            _close(bars)
            bar = bars[description] = _open_bar(description, total)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        _close(bars)


def _open_bar(description: str, total: int) -> tqdm[NoReturn]:
    from tqdm import tqdm

    return tqdm(desc=description, total=total, leave=False, disable=not sys.stderr.isatty())


def _close(bars: dict[str, tqdm[NoReturn]]) -> None:
    while bars:
        bars.popitem()[1].close()


def report_to(callback: OnProgress | None) -> Progress:
    """Make a function of a program the progress of long steps; None is told nothing.

    >>> with report_to(print)("look at images", 2) as tick:
    ...     tick()
    look at images 0 2
    look at images 1 2
    """
    if callback is None:
        return no_progress

    @contextlib.contextmanager
    def report(description: str, total: int) -> Iterator[Tick]:
        done = 0

        def tick(count: int = 1) -> None:
            nonlocal done
            done += count
            callback(description, done, total)

        callback(description, 0, total)
        yield tick

    return report
