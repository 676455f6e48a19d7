"""What is given where a path, an artifact, a spec or a picture is expected: converted, or refused by its name.

A function says what it takes in its annotations::

    @checked
    def open_predictor(artifact: Artifact, conf: float | None = None) -> Predictor: ...

    open_predictor("cells-int8-openvino")   # opened
    open_predictor(3)                       # ArtifactError: it has the argument's name, and what was found

Without this a wrong argument surfaces far below, as an attribute that some string does not have.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from edgeseg.errors import DataError, UserError

_P = ParamSpec("_P")
_T = TypeVar("_T")
_WORD = re.compile(r"(?:(Sequence|list|tuple|Collection|Iterable)\[)?(\w+)(?:, \.\.\.)?\]?")
_LONGEST = 60
CHECKED = {"Path", "UInt8", "Artifact", "ModelSpec"}
"""Words of annotations that are checked; ``str`` and ``None`` may stand beside them, and nothing else."""


@dataclass(frozen=True)
class Kind:
    """Something that functions take.

    Attributes:
        is_one: whether a value is one already.
        convert: makes one of a value; None where it cannot.
        words: what is expected, for the message.
        error: what is raised for anything else.
    """

    is_one: Callable[[Any], bool]
    convert: Callable[[Any], Any]
    words: str
    error: type[UserError] = UserError


def _path(value: Any) -> Path | None:
    return Path(value) if isinstance(value, str) and value.strip() else None


KINDS: dict[str, Kind] = {
    "Path": Kind(lambda value: isinstance(value, Path), _path, "a path"),
    "str": Kind(lambda value: isinstance(value, str) and bool(value.strip()), lambda value: None, ""),
    "UInt8": Kind(
        lambda value: isinstance(value, np.ndarray) and value.dtype == np.uint8,
        lambda value: None,
        "a uint8 array",
        DataError,
    ),
}
"""By the word that annotations have for it; the modules that define other types add them."""


@dataclass(frozen=True)
class _Check:
    """One parameter: where it stands, its name, the words of its annotation, and whether it holds several."""

    place: int
    name: str
    words: tuple[str, ...]
    several: bool

    def take(self, value: Any) -> Any:
        """Give the value as the function wants it.

        Raises:
            UserError: it is nothing of the kind.
        """
        if value is None and "None" in self.words:
            return None
        if not self.several:
            return self._take_one(value)
        if isinstance(value, str | bytes | Path) or not isinstance(value, Iterable):
            raise self._refusal(value, "a list, and not one thing alone")
        if not isinstance(value, Collection) or isinstance(value, np.ndarray):
            return value  # taken one by one, as late as its reader wants
        taken = [self._take_one(each) for each in value]
        return value if all(one is other for one, other in zip(taken, value, strict=True)) else taken

    def _take_one(self, value: Any) -> Any:
        kinds = [KINDS[word] for word in self.words if word in KINDS]
        if any(kind.is_one(value) for kind in kinds):
            return value
        for kind in kinds:
            if (converted := kind.convert(value)) is not None:
                return converted
        raise self._refusal(value, " or ".join(kind.words for kind in kinds if kind.words))

    def _refusal(self, value: Any, expected: str) -> UserError:
        error = next((KINDS[word].error for word in self.words if word in KINDS), UserError)
        return error(f"`{self.name}` is {expected}; found {describe_value(value)}.")


def describe_value(value: Any) -> str:
    """Word what somebody gave: its type, and as much of it as fits; of an array its type and shape."""
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} array of shape {value.shape}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= _LONGEST else text[:_LONGEST] + '...'}"


def checked(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Convert or refuse the arguments whose annotations name one of :data:`KINDS`, before the function runs.

    Example:
        >>> @checked
        ... def count_files(data: Path) -> int:
        ...     return len(list(data.iterdir()))
        >>> count_files(7)
        Traceback (most recent call last):
        ...
        edgeseg.errors.UserError: `data` is a path; found int 7.
    """
    checks = _checks_of(function)

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        given: Any = args
        for check in checks:
            if check.place < len(given):
                value = given[check.place]
                if (taken := check.take(value)) is not value:
                    given = (*given[: check.place], taken, *given[check.place + 1 :])
            elif check.name in kwargs:
                kwargs[check.name] = check.take(kwargs[check.name])
        return function(*given, **kwargs)

    call.checked_names = tuple(check.name for check in checks)  # type: ignore[attr-defined]
    return call


def _checks_of(function: Callable[..., Any]) -> list[_Check]:
    inner = function
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    code = inner.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    found = ((place, name, _read(inner.__annotations__.get(name, ""))) for place, name in enumerate(names))
    keyword_only = 1 << 16
    return [
        _Check(place if place < code.co_argcount else keyword_only, name, *read)
        for place, name, read in found
        if read is not None
    ]


def _read(annotation: object) -> tuple[tuple[str, ...], bool] | None:
    """Words of an annotation, and whether it means several; None where there is nothing to check."""
    parts = [part.strip() for part in str(annotation).split("|")]
    read = [match for part in parts if (match := _WORD.fullmatch(part))]
    words = tuple(match[2] for match in read)
    if len(read) != len(parts) or not CHECKED & set(words) or not set(words) <= CHECKED | {"str", "None"}:
        return None
    return words, any(match[1] for match in read)
