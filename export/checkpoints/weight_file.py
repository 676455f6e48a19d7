"""Files of weights from anywhere: opened without running any code that is in them.

PyTorch's files are pickles. They are read by ``torch.load(weights_only=True)``, which builds tensors and plain values
and refuses everything else; what many frameworks put beside the weights and is plain data in all but name (numpy's
numbers, ``argparse.Namespace``, paths) is let through as well.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
import types
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import CheckpointError
from edgeseg.files.foreign_kind import describe_foreign, is_torchscript
from edgeseg.files.input_file import check_regular
from edgeseg.files.pickle_names import holds_modules, list_pickled_names

MAX_BYTES = 4 << 30
_PLAIN: tuple[Any, ...] = (
    argparse.Namespace,
    types.SimpleNamespace,
    datetime.datetime,
    datetime.timedelta,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PosixPath,
    np.dtype,
    np.ndarray,
)


def read_weight_file(path: Path) -> Any:
    """Read a file of weights: what ``torch.save`` wrote of tensors and plain values, or safetensors.

    Returns:
        What was saved: a state dict, or a dictionary with one somewhere inside.

    Raises:
        CheckpointError: missing, damaged, too large, no such file, or a pickle that asks for classes of its own.
    """
    if not path.exists():
        raise CheckpointError(f"There is no file of weights {path}.")
    check_regular(path, CheckpointError)
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{path} has {path.stat().st_size} bytes; files of weights under 4 GiB are read.")
    return _read_safetensors(path) if _is_safetensors(path) else _read_pickle(path)


def expect_sound_zip(path: Path) -> None:
    """Refuse a zip file that is damaged, or that unpacks to more than is read.

    Raises:
        CheckpointError: of either.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise CheckpointError(f"{path} unpacks to more than 4 GiB. Is it the right file?")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError):
        return  # no zip file at all: who reads it says what it is
    if damaged:
        raise CheckpointError(f"{path} is damaged: the checksum of {damaged} in it fails. Copy it again.")


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(9)
    return path.suffix == ".safetensors" or (head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100 << 20)


def _read_safetensors(path: Path) -> Any:
    require("torch", "export")
    safetensors = require("safetensors", "export")
    load_file: Callable[..., Any] = require("safetensors.torch", "export").load_file
    try:
        return load_file(path, device="cpu")
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is no whole file of safetensors: {error}. Copy it again.") from None


def _read_pickle(path: Path) -> Any:
    torch = require("torch", "export")
    expect_sound_zip(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_safe_globals()):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises of a damaged or foreign file whatever comes
        raise CheckpointError(_refusal(path)) from error


def _safe_globals() -> list[Any]:
    found: list[Any] = [*_PLAIN, *{type(np.dtype(code)) for code in "?bBhHiIlLqQefdSUV"}]
    multiarray: Any = np.zeros(1).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    for name in ("numpy.core.multiarray", "numpy._core.multiarray"):
        found += [(multiarray, f"{name}._reconstruct"), (scalar, f"{name}.scalar")]
    for name in ("pathlib", "pathlib._local"):  # Python 3.13 moved them
        found += [(one, f"{name}.{one.__name__}") for one in _PLAIN if one.__module__.startswith("pathlib")]
    return found


def _refusal(path: Path) -> str:
    """What is in a file that cannot be read, and how to save it well."""
    known = {f"{one.__module__}.{one.__name__}" for one in _PLAIN}
    wanted = [name for name in list_pickled_names(path) if name not in known]
    if not wanted or is_torchscript(path):
        return describe_foreign(path)
    shown = [name for name in wanted if not name.startswith("torch.")] or wanted
    more = f" and {len(wanted) - 3} more" if len(wanted) > 3 else ""
    loaded = f"torch.load({str(path)!r}, weights_only=False)"
    weights = f"{loaded}.state_dict()" if holds_modules(wanted) else f"{loaded}['state_dict']"
    return (
        f"{path} asks for {', '.join(shown[:3])}{more}: opening it would run their code, so it was not opened. Where "
        f"that code is, and if you trust the file, save its weights alone: torch.save({weights}, 'weights.pth'); then "
        "give `weights='weights.pth'`."
    )
