"""Every number of every verb is checked where it enters. The table is made from the parsers themselves."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

import pytest

from edgeseg import cli
from edgeseg.console.quantities import Number, number, number_above, whole

NO_NUMBERS = (
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1e999",
    "-1e999",
    "٣",
    "１",
    "1_0",
    "0x10",
    "",
    " ",
    "one",
    "9" * 5000,
    "1,5",
)


def number_flags() -> Iterator[tuple[str, argparse.Action]]:
    for verb in cli.VERBS:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"edgeseg.verbs.{verb}").add_arguments(parser)
        for action in parser._actions:
            if isinstance(action.type, Number) or action.type in (int, float):
                yield verb, action


FLAGS = list(number_flags())
IDS = [f"{verb} {action.option_strings[0]}" for verb, action in FLAGS]


def test_the_table_is_not_empty() -> None:
    assert len(FLAGS) > 60
    assert {"run --engine-timeout", "run --timeout", "train --lr", "bench --seconds"} <= set(IDS)


@pytest.mark.parametrize(("verb", "action"), FLAGS, ids=IDS)
class TestEachFlag:
    def test_it_is_read_in_the_one_place(self, verb: str, action: argparse.Action) -> None:
        assert isinstance(action.type, Number), f"use number() or whole() of quantities.py, not {action.type}"

    def test_it_takes_nothing_that_is_no_number(self, verb: str, action: argparse.Action) -> None:
        for text in NO_NUMBERS:
            with pytest.raises(argparse.ArgumentTypeError, match=r"it takes a .*; found"):
                action.type(text)  # type: ignore[operator, misc]

    def test_its_default_is_one_that_it_takes(self, verb: str, action: argparse.Action) -> None:
        values = action.default if isinstance(action.default, list | tuple) else [action.default]
        for value in values:
            assert value is None or action.type(str(value)) == value  # type: ignore[operator, misc]

    def test_no_amount_of_it_is_negative_or_boundless(self, verb: str, action: argparse.Action) -> None:
        assert isinstance(action.type, Number)
        assert action.type.high <= 1e10
        if action.option_strings[0] not in {"--mean"}:
            assert action.type.low >= 0


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1", "1e30"])
def test_a_watchdog_cannot_be_switched_off_by_a_number_that_is_none(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "artifact", "--source", "0", f"--engine-timeout={value}"])
    assert ended.value.code == 2
    assert "--engine-timeout: it takes a number above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reader", "limits"),
    [
        (number(), "a number"),
        (number(0), "a number of at least 0"),
        (number(0, 1), "a number from 0 to 1"),
        (number_above(0), "a number above 0"),
        (number_above(0, 10), "a number above 0 and of at most 10"),
        (whole(1), "a whole number of at least 1"),
        (whole(1, 64), "a whole number from 1 to 64"),
    ],
)
def test_limits_are_said(reader: Number, limits: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        reader("x")
    assert str(refused.value) == f"it takes {limits}; found 'x'"


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("-0.5", -0.5), (".5", 0.5), ("2.", 2), ("1e-3", 1e-3), (" 7 ", 7)]
)
def test_numbers_are_read_as_people_and_programs_write_them(text: str, value: float) -> None:
    assert number()(text) == value


def test_a_whole_number_is_an_int_without_a_fraction() -> None:
    assert isinstance(whole()("12"), int)
    for text in ("1.0", "1e3", "-1"):
        with pytest.raises(argparse.ArgumentTypeError):
            whole()(text)
