"""Opening what a user names: regular files only, bounded in size, text as UTF-8 with or without a mark.

A pipe without a writer would wait for ever, a device gives bytes without an end, and opening some devices does
something by itself. So a name is looked at before it is opened, and the opened file once more.
"""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path
from typing import BinaryIO

from edgeseg.errors import DataError, UserError

MAX_TEXT_BYTES = 16 << 20
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def check_regular(path: Path, error: type[UserError] = DataError) -> None:
    """Refuse what is no regular file, without opening it.

    Args:
        path: follows links.
        error: what is raised.

    Raises:
        UserError: of the class ``error``: not there, not accessible, or a pipe, device, socket or folder.
    """
    try:
        _check_mode(path, path.stat().st_mode, error)
    except (OSError, ValueError) as fault:
        raise _refusal(path, fault, error) from None


def open_regular(path: Path, error: type[UserError] = DataError) -> BinaryIO:
    """Open a regular file for reading; a pipe, a device and a socket are refused and never waited for.

    Raises:
        UserError: of the class ``error``, see :func:`check_regular`.
    """
    check_regular(path, error)
    try:
        handle = os.open(path, _FLAGS)
        try:
            _check_mode(path, os.fstat(handle).st_mode, error)
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
    except (OSError, ValueError) as fault:
        raise _refusal(path, fault, error) from None


def read_bytes(path: Path, most_bytes: int, error: type[UserError] = DataError) -> bytes:
    """Read a regular file of at most ``most_bytes``.

    Raises:
        UserError: of the class ``error``, see :func:`check_regular`; or a larger file.
    """
    with open_regular(path, error) as stream:
        try:
            data = stream.read(most_bytes + 1)
        except OSError as fault:
            raise _refusal(path, fault, error) from None
    if len(data) > most_bytes:
        raise error(f"{path} is larger than {most_bytes} bytes, the most that is read. Is it the right file?")
    return data


def read_text(path: Path, error: type[UserError] = DataError, most_bytes: int = MAX_TEXT_BYTES) -> str:
    """Read a text file in UTF-8; a byte order mark at its start, as Windows editors write it, is left out.

    Line ends become ``\\n``.

    Raises:
        UserError: of the class ``error``, see :func:`read_bytes`; or text in another encoding.
    """
    data = read_bytes(path, most_bytes, error)
    advice = "Save it as UTF-8."
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            raise error(f"{path} is text in {name}; UTF-8 is read. {advice}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(f"{path} is not text in UTF-8 (byte {fault.start} is {data[fault.start]:#04x}). {advice}") from None
    if "\0" in text:
        raise error(f"{path} is not text in UTF-8: it holds zero bytes, as UTF-16 does. {advice}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_mode(path: Path, mode: int, error: type[UserError]) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise error(f"{path} is {kind}; only regular files are read. Give a file.")


def _refusal(path: Path, fault: OSError | ValueError, error: type[UserError]) -> UserError:
    if isinstance(fault, FileNotFoundError):
        if path.is_symlink():
            return error(f"{path} is a link to {os.readlink(path)}, and there is no such file.")
        return error(f"There is no file {path}.")
    reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else fault
    return error(f"Cannot read {path}: {reason}.")
