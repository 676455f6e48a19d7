"""What is said of long work that a call turns out to need: nothing, unless whoever shows it asks for it.

A network of the zoo is fetched and converted where its name is first used, deep below the command that needs it. The
command line installs a function that prints these sentences while a verb runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str, str], object]
"""Called with what a sentence is about, and the sentence."""

_listeners: list[Tell] = []


def tell_step(about: str, sentence: str) -> None:
    """Say a sentence about a step to whoever listens.

    >>> tell_step("people", "fetching it")
    """
    if _listeners:
        _listeners[-1](about, sentence)


@contextmanager
def listen_to_steps(tell: Tell) -> Iterator[None]:
    """Hand the steps of this process, of any thread, to ``tell`` while the context is open.

    >>> with listen_to_steps(print):
    ...     tell_step("people", "fetching it")
    people fetching it
    """
    _listeners.append(tell)
    try:
        yield
    finally:
        _listeners.remove(tell)
