"""Flags of ``edgeseg run`` from a TOML file: a key is a flag's name without the dashes.

::

    artifact = "/srv/edgeseg/model"
    source = "rtsp://user:password@camera/stream"
    save = "/var/lib/edgeseg/out.mkv"
    save-every = "10min"
    log-json = true
    alert = ["person in door > 2% for 3s", "car > 30%"]

What stands on the command line comes before what stands in the file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from edgeseg.errors import UserError
from edgeseg.files.input_file import read_text
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.verbs.flags.run import add_arguments, settings_from

_KINDS = {bool: "true or false", str: "text", int: "a number", float: "a number", list: "a list", dict: "a table"}


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read every flag of ``edgeseg run``: from ``words``, else from the file of ``--config``, else its default.

    Raises:
        UserError: the file cannot be read, or holds what is no flag or no value of one.
    """
    given = _parse_given("the command line", words)
    config = _from_file(Path(given["config"])) if "config" in given else {}
    return argparse.Namespace(**{**vars(_parser("the defaults").parse_args([])), **config, **given})


def read_settings(words: Sequence[str]) -> RunSettings:
    """Build a run's settings from its flags and the file of ``--config``.

    Raises:
        UserError: one is missing, or cannot be meant.
    """
    return settings_from(read_arguments(words))


class _Parser(argparse.ArgumentParser):
    """Raises UserError where argparse would print its usage and end the process."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog}: {message}.")


def _parser(where: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=where, add_help=False, allow_abbrev=False)
    add_arguments(parser)
    return parser


def _parse_given(where: str, words: Sequence[str]) -> dict[str, Any]:
    """What the words say, without any default."""
    parser = _parser(where)
    for action in parser._actions:
        action.default = argparse.SUPPRESS if action.option_strings else None
    return {name: value for name, value in vars(parser.parse_args(list(words))).items() if value is not None}


def _flags(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {action.option_strings[0][2:]: action for action in parser._actions if action.option_strings}


def _from_file(path: Path) -> dict[str, Any]:
    flags = _flags(_parser(str(path)))
    words: list[str] = []
    artifact: list[str] = []
    for key, value in _read(path).items():
        if key == "artifact":
            artifact = ["--", str(value)]
        else:
            words += _words(path, flags, key, value)
    return _parse_given(str(path), [*words, *artifact])


def _words(path: Path, flags: dict[str, argparse.Action], key: str, value: object) -> list[str]:
    if key not in flags or key == "config":
        import difflib

        near = difflib.get_close_matches(key, {*flags, "artifact"} - {"config"}, 1)
        hint = f" Did you mean {near[0]}?" if near else " Keys are flags of edgeseg run without their dashes."
        raise UserError(f"{path}: there is no key {key!r}.{hint}")
    if isinstance(value, list) and isinstance(flags[key], argparse._AppendAction):
        return [word for one in value for word in _words(path, flags, key, one)]
    is_switch = flags[key].nargs == 0
    if is_switch != isinstance(value, bool) or not isinstance(value, str | int | float):
        expected = "true or false" if is_switch else "one text or number"
        # Only its kind is said: what is no address cannot be told from a password.
        raise UserError(f"{path}: {key} takes {expected}; found {_KINDS.get(type(value), 'a date or time')}.")
    if is_switch:
        return [f"--{key}"] if value else []
    return [f"--{key}={value}"]


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = read_text(path, UserError)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The configuration {path} is not TOML: {error}.") from None
