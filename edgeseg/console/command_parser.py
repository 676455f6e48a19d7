"""The parser of ``edgeseg`` and of each verb: what a mistyped flag is told, and what the help shows."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from typing import Any


class CommandParser(argparse.ArgumentParser):
    """Names the nearest flag to one that there is not, and says every flag's default."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter, "allow_abbrev": False, **given})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but name an unknown flag first: a missing one may be the same, mistyped."""
        if "_ARGCOMPLETE" in os.environ:  # a shell asks how this line may go on: it is not whole
            return super().parse_known_args(args, namespace)
        if args is not None and self._subparsers is None:
            self._check_flags(args)
        found, beyond = super().parse_known_args(args, namespace)
        if beyond and self._subparsers is None:
            hint = "".join(
                f" What to run on goes with its flag: {action.option_strings[0]} {shlex.quote(beyond[0])}"
                for action in self._actions
                if action.dest == "source"
            )
            self.error(f"there is no place for {' '.join(map(shlex.quote, beyond))}.{hint}")
        return found, beyond

    def _check_flags(self, words: Sequence[str]) -> None:
        for word in words:
            if word == "--":
                return
            flag = word.partition("=")[0]
            if flag.startswith("--") and " " not in flag and flag not in self._option_string_actions:
                self.error(f"there is no flag {flag}.{did_you_mean(flag, self._option_string_actions)}")


def did_you_mean(word: str, known: Sequence[str] | dict[str, Any]) -> str:
    """Return a sentence with the known word nearest to ``word``, or nothing.

    >>> did_you_mean("exprt", ["export", "run"])
    ' Did you mean export?'
    >>> did_you_mean("fly", ["export", "run"])
    ''
    """
    begun = [name for name in known if name.startswith(word)]
    import difflib

    near = begun if len(begun) == 1 else difflib.get_close_matches(word, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""


def examples_text(examples: Sequence[str]) -> str:
    """Word the epilog of a verb's help."""
    return "\n".join(["examples:", *(f"  {line}" for line in examples)])


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Ends the help of every flag with its default, where its text does not say one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        if not action.option_strings or action.nargs == argparse.PARSER or action.default == argparse.SUPPRESS:
            return action.help
        return text if "default" in text else f"{text} ({_default_text(action)})".strip()


def _default_text(action: argparse.Action) -> str:
    if action.required:
        return "required"
    if action.nargs == 0:
        return "default: on" if action.default else "default: off"
    if action.default is None or action.default == "":
        return "default: none"
    if isinstance(action.default, list | tuple):
        return "default: " + " ".join(map(str, action.default)).replace("%", "%%")
    return "default: %(default)s"
