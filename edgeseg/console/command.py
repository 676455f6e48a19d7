"""How a message words an ``edgeseg`` command, so that it runs in the shell that it is read in."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

NAME = "edgeseg"


def edgeseg_command(*words: str | Path) -> str:
    """Word a command of this edgeseg for the shell at hand.

    It begins with ``edgeseg`` only where that starts this installation; else with the path of its script, as
    ``.venv/bin/edgeseg``, or with its Python where there is no script.

    Args:
        words: the verb, its flags and their values; what a shell would change is quoted.
    """
    return " ".join([_program(), *(quote_word(str(word)) for word in words)])


def quote_word(word: str, windows: bool = os.name == "nt") -> str:
    """Quote what a shell would change: that of POSIX, or the two of Windows, which know double quotes only.

    >>> quote_word("a b", windows=False), quote_word("a b", windows=True)
    ("'a b'", '"a b"')
    """
    return subprocess.list2cmdline([word]) if windows else shlex.quote(word)


def _program() -> str:
    script = _script()
    if script is None:
        return f"{_from_here(Path(sys.executable))} -m {NAME}"
    on_path = shutil.which(NAME)
    if on_path is not None and os.path.samefile(on_path, script):
        return NAME
    return _from_here(script)


def _script() -> Path | None:
    """The script of this installation: the one that runs, else the one that was installed beside this Python."""
    begun = Path(sys.argv[0])
    places = (begun.parent, Path(sysconfig.get_path("scripts")), Path(sys.executable).parent)
    names = (begun.name,) if begun.stem == NAME else ()
    found = (folder / name for folder in places for name in (*names, NAME) if folder != begun.parent or names)
    return next((path for path in found if path.is_file()), None)


def _from_here(path: Path) -> str:
    """The path as a shell takes it: relative where it lies under the working directory."""
    whole = Path(os.path.abspath(path))
    try:
        inside = whole.relative_to(Path.cwd())
    except (ValueError, OSError):
        return quote_word(str(whole))
    return quote_word(str(inside) if len(inside.parts) > 1 else f".{os.sep}{inside}")
