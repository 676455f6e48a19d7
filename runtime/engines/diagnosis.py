"""What engines need and what of it is here: rows for ``edgeseg doctor``."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from typing import Any

from edgeseg.console.installation import install_line, reinstall_line
from edgeseg.errors import EdgesegError
from edgeseg.formats import BUILT_IN, ModelFormat, broken_formats, package_of, usable_formats
from edgeseg.runtime.engines.openvino_core import shared_core

Row = tuple[str, str | None, str]
"""Name; version and details, or None where it cannot run; what is missing and how to get it."""


def engine_rows() -> list[Row]:
    """Look for every engine: edgeseg's own, those of other packages, and packages that cannot be used."""
    rows = [row for one in usable_formats() for row in _rows(one)]
    return rows + [(name, None, sentence) for name, sentence in broken_formats().items()]


def onnxruntime_rows() -> list[Row]:
    """Look for ONNX Runtime and its providers."""
    return [_row("onnxruntime", "ONNX Runtime", _providers)]


def openvino_rows() -> list[Row]:
    """Look for OpenVINO and its devices."""
    return [_row("openvino", "OpenVINO", lambda _: f"devices {', '.join(shared_core().available_devices) or 'none'}")]


def installed_version(package: str) -> str | None:
    """Read the version of a distribution; None where it is not installed."""
    from importlib import metadata  # slow to import, and seldom asked

    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _rows(model_format: ModelFormat) -> list[Row]:
    try:
        if model_format.findings:
            return list(model_format.load("findings")())
        model_format.load("engine")
        return [(model_format.title, package_of(model_format), "")]
    except EdgesegError as error:
        return [(model_format.title, None, str(error))]
    except Exception as error:  # what another package looks for may fail in any way, and the other rows are wanted
        if model_format.name in BUILT_IN:
            raise
        return [(model_format.title, None, f"{type(error).__name__}: {error}")]


def _row(module: str, title: str, details: Callable[[Any], str]) -> Row:
    """Import an engine, whose extra is called like its module: being installed is not yet working."""
    try:
        loaded = importlib.import_module(module)
        return title, f"{installed_version(module)}, {details(loaded)}", ""
    except ModuleNotFoundError:
        return title, None, install_line(module)
    except (ImportError, OSError, RuntimeError) as error:
        return title, None, f"installed but does not load ({error}); {reinstall_line(module)}"


def _providers(ort: Any) -> str:
    return f"providers {', '.join(name.removesuffix('ExecutionProvider') for name in ort.get_available_providers())}"
