"""Importing optional packages, with an error that names the pip line."""

from __future__ import annotations

import importlib
from types import ModuleType

from edgeseg.console.installation import install_line, reinstall_line
from edgeseg.errors import EnvironmentFault, MissingExtra


def require(module: str, extra: str = "") -> ModuleType:
    """Import ``module``, which an extra brings or every installation, and return it.

    Raises:
        MissingExtra: the module, or one it needs, is not installed; the message carries the pip command.
        EnvironmentFault: it is installed but does not load (a missing system library, a wrong build).
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"'{error.name or module}' is needed for this but is not installed. Install it with: {install_line(extra)}"
        ) from None
    except ImportError as error:
        raise EnvironmentFault(
            f"'{module}' is installed but does not load: {error}. Install it again with: {reinstall_line(module)}"
        ) from error
