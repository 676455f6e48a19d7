"""What a pickle would import, read from its opcodes; nothing of it is run."""

from __future__ import annotations

import contextlib
import itertools
import pickletools
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

from edgeseg.errors import ArtifactError
from edgeseg.files.input_file import open_regular

MAX_PICKLE, MAX_OPCODES, MAX_ENTRIES = 32 << 20, 2_000_000, 100_000
OWN_MODULES = ("torch", "collections", "numpy", "_codecs", "builtins", "__builtin__")
"""Of what ``torch.save`` writes of tensors and plain values."""


def list_pickled_names(path: Path) -> list[str]:
    """List the classes and functions of others that a file of ``torch.save``, or a pickle, would import.

    Modules of torch's layers count as such: with them the file holds whole networks.
    """
    found: list[str] = []
    for data in _pickles(path):
        found += name_pickle(data)[0]
    return [name for name in dict.fromkeys(found) if is_foreign(name)]


def is_foreign(name: str) -> bool:
    """Tell whether a name in a pickle is more than a tensor or a plain value."""
    module = name.rpartition(".")[0]
    if name.startswith("torch.nn.modules"):
        return True
    if module in ("builtins", "__builtin__"):
        return name.rpartition(".")[2] not in (
            "set",
            "frozenset",
            "bytearray",
            "complex",
            "int",
            "float",
            "list",
            "dict",
        )
    return name.partition(".")[0] not in OWN_MODULES


def holds_modules(names: Iterable[str]) -> bool:
    """Tell whether a pickle that would import these names holds whole networks of torch."""
    return any(name.startswith("torch.nn.modules") for name in names)


def name_pickle(data: bytes) -> tuple[list[str], list[str]]:
    """Return the names of the classes and functions that a pickle would import, and its texts."""
    classes: list[str] = []
    texts: list[str] = []
    with contextlib.suppress(ValueError, LookupError, EOFError, OverflowError, struct.error):
        for opcode, value, _ in itertools.islice(pickletools.genops(data), MAX_OPCODES):
            if opcode.name == "GLOBAL":
                classes.append(str(value).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL":
                classes.append(".".join(texts[-2:]))
            elif isinstance(value, str):
                texts.append(value)
    return list(dict.fromkeys(classes)), texts


def _pickles(path: Path) -> list[bytes]:
    """The pickles in a file: of a zip archive that of each folder, else the first few, one behind the other."""
    with contextlib.suppress(OSError, ArtifactError, zipfile.BadZipFile, ValueError, NotImplementedError):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                entries = [one for one in archive.infolist()[:MAX_ENTRIES] if one.filename.endswith("data.pkl")]
                return [archive.open(one).read(MAX_PICKLE) for one in entries[:4]]
        with open_regular(path, ArtifactError) as stream:
            return _split(stream.read(MAX_PICKLE))
    return []


def _split(data: bytes) -> list[bytes]:
    """Pickles that stand one behind the other, as PyTorch before 1.6 wrote them."""
    found: list[bytes] = []
    while data[:1] == b"\x80" and len(found) < 8:
        end = 0
        with contextlib.suppress(ValueError, LookupError, EOFError, OverflowError, struct.error):
            for opcode, _, place in itertools.islice(pickletools.genops(data), MAX_OPCODES):
                if opcode.name == "STOP":
                    end = (place or 0) + 1
        found.append(data[: end or len(data)])
        data = data[end:] if end else b""
    return found
