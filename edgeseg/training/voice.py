"""How a training speaks: to people on the command line, or to the program that called it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edgeseg.console.progress import OnProgress
from edgeseg.console.terminal import complain, say
from edgeseg.errors import DataWarning

_LOG = logging.getLogger("edgeseg")
_LOG.addHandler(logging.NullHandler())


def _warn_person(sentence: str) -> None:
    complain(f"warning: {sentence}")


@dataclass(frozen=True)
class Voice:
    """Where the sentences of a training go.

    Attributes:
        say: results of its steps.
        note: what it chose itself.
        warn: what a person should change, or know before trusting the score.
        on_progress: told of every item of a long step; None: bars on a terminal, lines in a log.
    """

    say: Callable[[str], object] = say
    note: Callable[[str], object] = complain
    warn: Callable[[str], object] = _warn_person
    on_progress: OnProgress | None = field(default=None)

    def watch(self, items: Iterable[Any], title: str, total: int) -> Iterator[Any]:
        """Pass ``items`` on and tell :attr:`on_progress` of each."""
        for done, item in enumerate(items, 1):
            yield item
            if self.on_progress is not None:
                self.on_progress(title, done, total)


ALOUD = Voice()
"""Speaks to people."""


def speak_to_program(on_progress: OnProgress | None) -> Voice:
    """Print nothing: the logger ``edgeseg`` hears what is said, and warnings are Python's.

    Args:
        on_progress: called with a description, a count and its end.
    """
    return Voice(_LOG.info, _LOG.info, _warn_program, on_progress or _ignore)


def _warn_program(sentence: str) -> None:
    warnings.warn(sentence, DataWarning, stacklevel=2)


def _ignore(title: str, done: int, total: int) -> None:
    pass
