"""The tree drawn in the docstring is the tree of classes."""

from __future__ import annotations

import inspect
import re

import pytest

from edgeseg import errors
from edgeseg.errors import EdgesegError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, EdgesegError)]


def drawn() -> dict[str, str | None]:
    """Parent of each name in the docstring's tree, by indentation."""
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in str(errors.__doc__).splitlines():
        if match := re.match(r"^(    [ │├└─]*)([A-Z]\w+)", line):
            column = len(match.group(1))
            path = [(c, n) for c, n in path if c < column]
            parents[match.group(2)] = path[-1][1] if path else None
            path.append((column, match.group(2)))
    return parents


def test_the_drawn_tree_is_the_class_tree() -> None:
    actual = {c.__name__: c.__base__.__name__ if c is not EdgesegError else None for c in CLASSES if c.__base__}
    assert drawn() == actual


def test_the_drawn_exit_codes_hold() -> None:
    codes = dict(re.findall(r"(\w+) +exit (\d):", str(errors.__doc__)))
    assert codes == {"GateFailed": "1", "NoVerdict": "4", "UserError": "2", "EnvironmentFault": "3"}
    for name, code in codes.items():
        assert getattr(errors, name).exit_code == int(code)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_inherits_its_branch_exit_code(kind: type[EdgesegError]) -> None:
    branch = next((b for b in kind.__mro__ if b.__name__ in ("GateFailed", "UserError", "EnvironmentFault")), kind)
    assert kind.exit_code == getattr(branch, "exit_code")  # noqa: B009
