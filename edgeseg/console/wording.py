"""How messages name settings: as Python does, unless whoever prints them says otherwise.

Below the verbs a message names a setting in backquotes, as a program gives it: ```max_drop```, ```format='onnx'```.
The command line installs a function that turns these names into its flags while a verb runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_installed: list[Callable[[str], str]] = []


def reword(message: str) -> str:
    """Return a message in the words of whoever prints it.

    >>> reword("Use `max_drop`.")
    'Use `max_drop`.'
    """
    return _installed[-1](message) if _installed and "`" in message else message


def reword_values(value: Any) -> Any:
    """Return plain values, as JSON has them, with every text in them reworded.

    >>> reword_values({"notes": ["Use `max_drop`."], "images": 8})
    {'notes': ['Use `max_drop`.'], 'images': 8}
    """
    if isinstance(value, str):
        return reword(value)
    if isinstance(value, Mapping):
        return {key: reword_values(each) for key, each in value.items()}
    return [reword_values(each) for each in value] if isinstance(value, list | tuple) else value


@contextmanager
def wording(words: Callable[[str], str]) -> Iterator[None]:
    """Reword every message of this process, of any thread, while the context is open."""
    _installed.append(words)
    try:
        yield
    finally:
        _installed.remove(words)
