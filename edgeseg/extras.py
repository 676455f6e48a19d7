"""Importing optional packages, with an error that names the pip line."""

from __future__ import annotations

import importlib
from types import ModuleType

from edgeseg.errors import MissingExtra


def require(module: str, extra: str) -> ModuleType:
    """Import ``module`` and return it.

    Raises:
        MissingExtra: the module is not installed; the message carries the pip command.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise
        raise MissingExtra(
            f"'{module}' is needed for this but is not installed. Install it with: pip install \"edgeseg[{extra}]\""
        ) from None
