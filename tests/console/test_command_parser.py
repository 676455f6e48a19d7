"""What ``--help`` says of each verb, and what a mistyped verb or flag is told."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex

import pytest

from edgeseg.cli import VERBS, build_parser, main

verbs = pytest.mark.parametrize("verb", VERBS)


def parser_of(verb: str) -> argparse.ArgumentParser:
    (action,) = (a for a in build_parser(verb)._actions if isinstance(a, argparse._SubParsersAction))
    parser: argparse.ArgumentParser = action.choices[verb]
    return parser


@verbs
def test_help_ends_with_examples_that_parse(verb: str) -> None:
    examples = importlib.import_module(f"edgeseg.verbs.{verb}").EXAMPLES
    assert len(examples) >= 2
    told = parser_of(verb).format_help()
    for example in examples:
        program, *words = shlex.split(example)
        assert program == "edgeseg"
        assert build_parser(words[0]).parse_args(words).verb == words[0]  # of the zoo, what runs a network of it, too
        assert example in told


@verbs
def test_each_flag_stands_in_a_named_group(verb: str) -> None:
    parser = parser_of(verb)
    nameless = [flag for action in parser._optionals._group_actions for flag in action.option_strings]
    assert sorted(nameless) == ["--help", "-h"]
    assert all(group.title for group in parser._action_groups)


@verbs
def test_each_flag_says_its_default(verb: str) -> None:
    parser = parser_of(verb)
    formatter = parser._get_formatter()
    for action in (a for a in parser._actions if a.option_strings and "--help" not in a.option_strings):
        text = formatter._expand_help(action)
        assert re.search(r"default|\(required\)", text), action.option_strings
        assert len(re.findall(r"default:", text)) <= 2, text
        if action.default is not None and action.nargs is None and not action.required:
            assert str(action.default) in text, (action.option_strings, text)


@pytest.mark.parametrize(
    ("line", "usage", "sentence"),
    [
        ("exprt best.pt", "usage: edgeseg [-h]", "there is no verb 'exprt'. Did you mean export?"),
        ("exprt run", "usage: edgeseg [-h]", "there is no verb 'exprt'. Did you mean export?"),
        ("fly", "usage: edgeseg [-h]", "there is no verb 'fly'. The verbs: train, "),
        ("run model --sorce 0", "usage: edgeseg run", "there is no flag --sorce. Did you mean --source?"),
        ("run model --sorce=0", "usage: edgeseg run", "there is no flag --sorce. Did you mean --source?"),
        ("run model --save-mask x", "usage: edgeseg run", "Did you mean --save-masks?"),
        ("evaluate model --dta d", "usage: edgeseg evaluate", "there is no flag --dta. Did you mean --data?"),
        ("bench model --sec 3", "usage: edgeseg bench", "Did you mean --seconds?"),
        ("doctor --zzz", "usage: edgeseg doctor", "there is no flag --zzz.\n"),
    ],
)
def test_a_mistyped_word_is_told_the_nearest_and_the_right_usage(
    line: str, usage: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(line.split())
    told = capsys.readouterr().err
    assert left.value.code == 2
    assert told.startswith(usage)
    assert sentence in told


def test_values_that_look_like_flags_are_left_alone() -> None:
    args = build_parser("run").parse_args(["run", "--source=--odd--", "--", "--artifact"])
    assert (args.source, str(args.artifact)) == ("--odd--", "--artifact")


def test_an_unknown_flag_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "model", "--sorce=rtsp://user:hush-hush@camera/s", "--rtsp://user:hush-hush@camera/s"])
    assert "hush" not in capsys.readouterr().err
