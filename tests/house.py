"""The packages of the house and their folders, as ``pyproject.toml`` names them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


def read_pyproject() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        return tomllib.load(stream)


def package_folders() -> dict[str, Path]:
    """Every package that is listed, and the folder it is in: its own, or below the nearest package that has one."""
    settings = read_pyproject()["tool"]["setuptools"]
    folders: dict[str, str] = settings["package-dir"]
    found = {}
    for package in settings["packages"]:
        top = max((name for name in folders if f"{package}.".startswith(f"{name}.")), key=len)
        found[package] = ROOT.joinpath(folders[top], *package[len(top) + 1 :].split("."))
    return {name: folder.resolve() for name, folder in found.items()}


def find_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every flag and word of a parser, those of its actions too, as ``edgeseg dataset convert`` has them."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in dict.fromkeys(action.choices.values()):
                yield from find_actions(inner)
