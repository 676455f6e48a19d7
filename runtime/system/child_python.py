"""How a Python process of ours is started: it takes code from the installation and from nowhere else.

``python -m`` and ``python -c`` put the working directory first among the places that modules come from, so that a
``queue.py`` in a folder of pictures would be executed. ``PYTHONPATH`` is respected, because whoever sets it means it;
an empty entry in it, which would name the working directory and mostly comes of ``$PYTHONPATH:/more``, is not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

# Python 3.10 has no -P. What comes after -c imports nothing before the working directory is out of reach.
_WITHOUT_CWD = "import sys; sys.path[:1] == [''] and sys.path.pop(0); "
_RUN_MODULE = (
    f"{_WITHOUT_CWD}del sys.argv[0]; from runpy import run_module; "
    "run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *arguments: str) -> list[str]:
    """Word a command that runs ``module`` of the installation, whatever lies in the working directory."""
    if sys.version_info >= (3, 11):
        return [*_interpreter(), "-P", "-m", module, *arguments]
    return [*_interpreter(), "-c", _RUN_MODULE, module, *arguments]


def code_command(code: str) -> list[str]:
    """Word a command that executes ``code``, whose imports find nothing in the working directory."""
    if sys.version_info >= (3, 11):
        return [*_interpreter(), "-P", "-c", code]
    return [*_interpreter(), "-c", _WITHOUT_CWD + code]


def child_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Copy this process's environment for a child, without a search path that names the working directory.

    The Python processes of the child itself (3.11 and up) leave it out too.
    """
    environment = {**os.environ, "PYTHONSAFEPATH": "1", **(more or {})}
    if "PYTHONPATH" in environment:
        entries = [entry for entry in environment.pop("PYTHONPATH").split(os.pathsep) if entry]
        if entries:
            environment["PYTHONPATH"] = os.pathsep.join(entries)
    return environment


def leave_working_directory() -> None:
    """Take the working directory off this process's search path where ``python -m`` put it, and off that of the
    Python processes that libraries start."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    if not getattr(sys.flags, "safe_path", False) and sys.path[:1] in ([""], [os.getcwd()]):
        del sys.path[0]


def _interpreter() -> list[str]:
    """This interpreter, as isolated as it was started."""
    flags = {"-I": sys.flags.isolated, "-E": sys.flags.ignore_environment, "-s": sys.flags.no_user_site}
    given = [flag for flag, is_given in flags.items() if is_given]
    return [sys.executable, *(["-I"] if "-I" in given else given)]
