"""Warnings of rooms below, each told once while a verb runs."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TextIO


@contextlib.contextmanager
def tell_warnings(wanted: type[Warning], tell: Callable[[str], object]) -> Iterator[None]:
    """Hand each sentence that is warned of to ``tell`` while the context is open, once; other warnings stay Python's.

    >>> with tell_warnings(UserWarning, print):
    ...     for _ in range(2):
    ...         warnings.warn("two pictures are equal", UserWarning)
    two pictures are equal
    """
    told: set[str] = set()
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, wanted):
                usual(message, category, filename, lineno, file, line)
            elif str(message) not in told:
                told.add(str(message))
                tell(str(message))

        warnings.showwarning = show
        warnings.simplefilter("always", wanted)
        yield
