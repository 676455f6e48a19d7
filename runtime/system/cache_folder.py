"""Where edgeseg keeps what it can make again, and how: private to this user, each file whole or absent.

``$XDG_CACHE_HOME/edgeseg/openvino`` and ``.../tensorrt`` hold compiled models. Those are native code, so folders are
0700 and files 0600, and a folder that somebody else could write in is not used.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edgeseg.errors import EnvironmentFault
from edgeseg.files.atomic import atomic_file


def cache_folder(name: str = "") -> Path:
    """Say where the cache of ``name`` is, or with no name the folder that holds all of them; it need not exist."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"  # the standard ignores relative ones
    return base / "edgeseg" / name


def private_folder(folder: Path) -> None:
    """Make a folder of mode 0700, or check that it is one.

    Raises:
        EnvironmentFault: it belongs to somebody else, or is a link.
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_private(folder):
        raise EnvironmentFault(
            f"{folder} belongs to another user or is a link. Compiled models are native code and are kept only where "
            "nobody else can write: set XDG_CACHE_HOME to a folder of your own."
        )


def is_private(folder: Path) -> bool:
    """Tell whether only this user can write in an existing folder; its mode is set to 0700 where it is ours."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    if status.st_uid != os.getuid():
        return False
    if stat.S_IMODE(status.st_mode) != 0o700:
        folder.chmod(0o700)
    return True


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 whole or not at all.

    Raises:
        OutputError: it cannot be written; nothing of it is left.
    """
    with atomic_file(path, 0o600) as staged:
        staged.write_bytes(data)
