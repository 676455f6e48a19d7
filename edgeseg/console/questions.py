"""Questions on a terminal: each is bounded, offers a default, and is asked again where the answer is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TextIO, TypeVar

from edgeseg.console.terminal import complain, say_lines, visible
from edgeseg.errors import UserError

_T = TypeVar("_T")
MOST_TRIES = 5
_LONGEST_ANSWER = 4096


def can_ask() -> bool:
    """Tell whether somebody sits at a terminal who could answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


class Asker:
    """Asks on standard error, so that what is printed stays clean, and reads answers from standard input.

    Args:
        answers: where a line is read for each question; None: standard input.
        screen: where questions are written; None: standard error.
    """

    def __init__(self, answers: TextIO | None = None, screen: TextIO | None = None) -> None:
        self._answers, self._screen = answers or sys.stdin, screen or sys.stderr

    def say(self, text: str) -> None:
        """Write lines that are no question."""
        say_lines(text, file=self._screen)

    def ask(self, question: str, read: Callable[[str], _T], default: str | None = None) -> _T:
        """Ask until ``read`` takes the answer, at most :data:`MOST_TRIES` times.

        Args:
            question: without a question mark or colon.
            read: gives the value of an answer, or raises UserError or ValueError with a sentence.
            default: the answer that an empty line stands for; None: there is none.

        Raises:
            UserError: the end of the input, or no answer that could be taken.
        """
        shown = "" if default is None else f" [{visible(default)}]"
        for _ in range(MOST_TRIES):
            say_lines(f"{visible(question)}{shown}: ", end="", file=self._screen)
            try:
                return read(self._read_line(default))
            except (UserError, ValueError) as error:
                if isinstance(error, _EndedError):
                    raise
                complain(f"  {error}")
        raise UserError(f"None of {MOST_TRIES} answers could be taken. Give what is asked for as flags.")

    def choose(self, question: str, options: Sequence[str], default: int = 0) -> int:
        """Let one of several be chosen by its number; returns its position.

        Raises:
            UserError: see :meth:`ask`.
        """
        self.say("\n".join(f"  {number}  {visible(option)}" for number, option in enumerate(options, 1)))

        def read(answer: str) -> int:
            if not answer.isdecimal() or not 1 <= int(answer) <= len(options):
                raise ValueError(f"That is a number from 1 to {len(options)}; found {answer[:40]!r}.")
            return int(answer) - 1

        return self.ask(question, read, str(default + 1))

    def _read_line(self, default: str | None) -> str:
        line = self._answers.readline(_LONGEST_ANSWER)
        if not line:
            self.say("")
            raise _EndedError("The questions were not answered, and nothing was made. Give what is asked for as flags.")
        answer = line.strip()
        if not answer and default is None:
            raise ValueError("An answer is needed here.")
        return answer or str(default)


class _EndedError(UserError):
    """There will be no more answers."""
