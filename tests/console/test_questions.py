"""Questions over a real pseudo-terminal: defaults, nonsense, the end of the input."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edgeseg.console.questions import MOST_TRIES, Asker, can_ask
from edgeseg.errors import UserError

pty = pytest.importorskip("pty", reason="a pseudo-terminal is POSIX's")


@contextmanager
def terminal(typed: bytes) -> Iterator[tuple[Asker, int]]:
    """An asker at a terminal at which somebody has typed ahead, and the other side of it."""
    person, line = pty.openpty()
    os.write(person, typed)
    with os.fdopen(line, "r", encoding="utf-8", closefd=False) as answers, os.fdopen(line, "w") as screen:
        try:
            yield Asker(answers, screen), person
        finally:
            screen.flush()
    os.close(person)


def seen(person: int) -> str:
    found = b""
    while select.select([person], [], [], 0.2)[0]:
        found += os.read(person, 1 << 16)
    return found.decode()


def read_whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"A whole number; found {text!r}.")
    return int(text)


def test_an_answer_is_read_and_an_empty_one_is_the_default() -> None:
    with terminal(b"12\n\n") as (asker, person):
        assert asker.ask("How many", read_whole, "7") == 12
        assert asker.ask("How many", read_whole, "7") == 7
        assert "How many [7]: " in seen(person)


def test_nonsense_is_asked_again_and_not_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal(b"many\n\n9\n") as (asker, _):
        assert asker.ask("How many", read_whole) == 9
        assert "A whole number; found 'many'." in capsys.readouterr().err
    with terminal(b"x\n" * 20) as (asker, _), pytest.raises(UserError, match="None of 5 answers"):
        asker.ask("How many", read_whole)
    assert MOST_TRIES == 5


def test_the_end_of_the_input_is_no_answer() -> None:
    with terminal(b"\x04") as (asker, _), pytest.raises(UserError, match="were not answered"):
        asker.ask("How many", read_whole, "7")


def test_one_of_several_is_chosen_by_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal(b"3\n0\n2\n\n") as (asker, person):
        assert asker.choose("Which", ["red", "gr\x1b[31meen"]) == 1
        assert asker.choose("Which", ["red", "green"], 1) == 1
        assert "2  gr\\u001b[31meen" in seen(person)
    assert capsys.readouterr().err.count("from 1 to 2") == 2


def test_nobody_is_asked_who_is_not_there() -> None:
    assert not can_ask()
