"""Programs that torch saved whole: TorchScript, and ``torch.export``. Both are opened without running Python from them.

``torch.jit.load`` reads a language of its own, of which a few words reach beyond tensors (to write a file, to call
another machine). ``torch.export.load`` unpickles what an archive asks for, evaluates its size expressions as Python,
and calls what its nodes name. So an archive is read as data first, and refused where it asks for more than tensors.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import CheckpointError
from edgeseg.export.checkpoints.weight_file import MAX_BYTES, expect_sound_zip
from edgeseg.files.input_file import check_regular

if TYPE_CHECKING:
    from torch import nn

MAX_TEXT = 64 << 20
WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_BEYOND_TENSORS = re.compile(
    r"\b(?:torch|ops\.aten)\.(?:save|from_file|load)\b|\brpc_(?:a?sync|remote)\b"
    r"|\bops\.(?!aten\b|prim\b|prims\b|torchvision\b|quantized\b)\w+\.\w+"
)
_TARGET = re.compile(
    r"torch\.ops\.(?:aten|prim|prims|torchvision|higher_order)\.(?!from_file\b)\w+(?:\.\w+)?"
    r"|_operator\.(?:getitem|add|sub|mul|truediv|floordiv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|math\.(?:ceil|floor|trunc|sqrt)|torch\.(?:_sym|sym)_\w+"
)
_SYMBOL = re.compile(r"Symbol\('[a-z]+\d+'(?:, \w+=(?:True|False))*\)")
_SIZE_WORDS = frozenset(
    (
        *("Integer", "Rational", "Add", "Mul", "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CeilDiv", "CleanDiv"),
        *("IntTrueDiv", "FloatTrueDiv", "ModularIndexing", "Pow", "PowByNatural", "Abs", "floor", "ceiling", "Where"),
        *("FloorToInt", "CeilToInt", "TruncToInt", "ToFloat", "RoundToInt", "Eq", "Ne", "Lt", "Le", "Gt", "Ge"),
        *("And", "Or", "Not", "True", "False", "int_oo"),
    )
)


def load_torchscript(path: Path) -> nn.Module:
    """Open what ``torch.jit.save`` wrote.

    Raises:
        CheckpointError: missing, damaged or too large, or it would do more than compute.
    """
    torch = require("torch", "export")
    _expect_archive(path)
    for name, text in _texts(path, "/code/", ".py"):
        if found := _BEYOND_TENSORS.search(text):
            raise CheckpointError(
                f"{path} is TorchScript that calls {found[0]} (in {name.partition('/')[2]}), which does more than "
                "compute with tensors, so it was not opened. Save the network alone."
            )
    try:
        with quiet():
            program: nn.Module = torch.jit.load(path, map_location="cpu")
            return program
    except (RuntimeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is TorchScript that this torch cannot open: {_first_line(error)}") from None


def load_exported_program(path: Path) -> nn.Module:
    """Open what ``torch.export.save`` wrote, as a module.

    Raises:
        CheckpointError: missing, damaged or too large, or it would do more than compute.
    """
    torch = require("torch", "export")
    _expect_archive(path)
    _expect_plain_program(path)
    try:
        with quiet(), _weights_only(), path.open("rb") as stream:
            program: nn.Module = torch.export.load(stream).module()
            return program
    except Exception as error:  # torch raises of a damaged or foreign archive whatever comes
        raise CheckpointError(
            f"{path} is a program of torch.export that this torch cannot open: {_first_line(error)}"
        ) from error


def input_size(program: nn.Module) -> tuple[int, ...] | None:
    """Return the shape of the one picture that an exported program takes, where it is fixed."""
    graph = getattr(program, "graph", None)
    shapes = [node.meta["val"].shape for node in graph.nodes if node.op == "placeholder"] if graph is not None else []
    if len(shapes) != 1 or not all(isinstance(side, int) for side in shapes[0]):
        return None
    return tuple(shapes[0])


def _expect_archive(path: Path) -> None:
    check_regular(path, CheckpointError)
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{path} has {path.stat().st_size} bytes; files under 4 GiB are read.")
    expect_sound_zip(path)


def _texts(path: Path, folder: str, ending: str) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if folder in f"/{entry.filename}" and entry.filename.endswith(ending):
                if entry.file_size > MAX_TEXT:
                    raise CheckpointError(f"{path} has {entry.file_size} bytes in {entry.filename}; it is no network.")
                yield entry.filename, archive.read(entry).decode("utf-8", "replace")


def _expect_plain_program(path: Path) -> None:
    """Refuse compiled code, objects of other classes, and nodes and expressions that reach beyond tensors."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if "/aotinductor/" in name or name.endswith((".so", ".dll", ".dylib", ".cubin")):
                raise CheckpointError(
                    f"{path} holds compiled code ({name}), which is not run. Save the program itself."
                )
    for name, text in _texts(path, "/", ".json"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise CheckpointError(f"{path} is damaged: {name} in it is no JSON. Copy it again.") from None
        for key, value in _strings(values):
            if not _is_plain(key, value):
                raise CheckpointError(
                    f"{path} is a program of torch.export that asks for {value[:80]!r} ({key}), which is more than a "
                    "network needs, so it was not opened. Export the network alone."
                )


def _is_plain(key: str, value: str) -> bool:
    if key == "target":
        return _TARGET.fullmatch(value) is not None
    if key == "expr_str":
        plain = _SYMBOL.sub("s0", value)
        words = re.findall(r"[^\W\d]\w*", plain)
        is_size = re.fullmatch(r"(?:[\w\s+\-*/(),<>=!&|~%]|(?<=\d)\.(?=\d))*", plain) is not None
        return is_size and all(word in _SIZE_WORDS or re.fullmatch(r"[a-z]+\d+", word) for word in words)
    return key != "path_name" or re.match(r"(?:weight|tensor)_\d+$", value) is not None


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Every string in JSON values, with the key that it stands under."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        key, one = waiting.pop()
        if isinstance(one, str):
            yield key, one
        elif isinstance(one, dict):
            waiting.extend((str(name), inner) for name, inner in one.items())
        elif isinstance(one, list):
            waiting.extend((key, inner) for inner in one)


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    """Let torch unpickle tensors and plain values alone, whatever its own loader asks for."""
    before = os.environ.get(WEIGHTS_ONLY)
    os.environ[WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[WEIGHTS_ONLY]
        else:
            os.environ[WEIGHTS_ONLY] = before


def _first_line(error: BaseException) -> str:
    return f"{' '.join(str(error).split())[:200]}."
