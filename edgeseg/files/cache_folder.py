"""Where edgeseg keeps what it can make again, and how: private to this user, each file whole or absent.

``$XDG_CACHE_HOME/edgeseg/openvino`` and ``.../tensorrt`` hold compiled models. Those are native code, so folders are
0700 and files 0600, and what somebody else could have put there is not used: a folder that is a link, belongs to
another or lies where others may rename it, and a file that is a link, belongs to another or that others may write to. A
folder of ours that stood open is closed, and of what it holds by then only our own files are read. Nothing else in
edgeseg decides this.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edgeseg.errors import EnvironmentFault
from edgeseg.files.atomic import atomic_file

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ADVICE = (
    "Compiled models are native code and are kept only where nobody else can write: set XDG_CACHE_HOME to a folder of "
    "your own."
)


def cache_folder(name: str = "") -> Path:
    """Say where the cache of ``name`` is, or with no name the folder that holds all of them; it need not exist."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"  # the standard ignores relative ones
    return base / "edgeseg" / name


def private_folder(folder: Path) -> None:
    """Make a folder of mode 0700, or check that it is one; folders above it that are missing get that mode, too.

    Raises:
        EnvironmentFault: it belongs to somebody else, is a link, or lies where others may put another in its place.
        OSError: it cannot be made.
    """
    folder = Path(os.path.abspath(folder))
    for missing in reversed([one for one in (folder, *folder.parents) if not os.path.lexists(one)]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_symlink() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "no folder", str(folder))
    if not is_private(folder):
        raise EnvironmentFault(f"{folder} belongs to another user or is a link. {_ADVICE}")
    if (above := find_open_parent(folder)) is not None:
        raise EnvironmentFault(
            f"Others may write in {above} and so put a folder of theirs in the place of {folder}. {_ADVICE}"
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


def find_open_parent(folder: Path) -> Path | None:
    """Find a folder above ``folder`` in which somebody else may rename what lies there; None where there is none.

    Others are all but this user and the system. A folder such as ``/tmp``, in which each may rename only what is his
    own, is no danger, nor is one that is writable for a group in which this user is alone. Links on the way are
    looked at as they stand and where they lead.
    """
    if not hasattr(os, "getuid"):
        return None
    trusted = {os.getuid(), 0, os.stat("/").st_uid}  # in a user namespace the system has another number
    above = {*folder.resolve().parents, *_walk_links(folder.parent)}
    return next((one for one in sorted(above) if _is_open(one.lstat(), trusted)), None)


def _walk_links(path: Path, left: int = 40) -> Iterator[Path]:
    """Each folder and link from ``path`` up, and those on the way to where a link leads."""
    for one in (path, *path.parents):
        yield one
        if left and one.is_symlink():
            yield from _walk_links(Path(os.path.abspath(one.parent / os.readlink(one))), left - 1)


def _is_open(status: os.stat_result, trusted: set[int]) -> bool:
    if status.st_uid not in trusted:
        return True
    if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX:
        return False
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_own_group(status.st_gid)


def _is_root_group(group: int) -> bool:
    return group == 0


def _is_own_group(group: int) -> bool:
    """Whether a group is root's, or has this user's name and no other member, as many systems give each user one."""
    if _is_root_group(group):
        return True
    try:
        import grp
        import pwd
    except ImportError:  # a system without groups that asks nobody for this
        return False
    try:
        found, name = grp.getgrgid(group), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
    return found.gr_name == name and set(found.gr_mem) <= {name}


def read_private(path: Path) -> bytes:
    """Read a file that this user alone could have written.

    Raises:
        OSError: it cannot be read; or it is a link, belongs to another user, or others may write to it.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        is_own = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & _OTHERS_WRITE)
        if not (stat.S_ISREG(status.st_mode) and is_own):
            raise PermissionError(errno.EPERM, "somebody else could have written it", str(path))
        return stream.read()


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 whole or not at all.

    Raises:
        OutputError: it cannot be written; nothing of it is left.
    """
    with atomic_file(path, 0o600) as staged:
        staged.write_bytes(data)
