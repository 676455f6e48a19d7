"""Ask for what a call cannot do without before any work: the sentence about it comes first and not at the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgeseg.console.extras import require
from edgeseg.formats import find_format

CHECKPOINTS = (".pt", ".pth")


def need(extra: str, *modules: str) -> None:
    """Import each module.

    Raises:
        MissingExtra: one is not installed; ``extra`` brings all of them.
    """
    for module in modules:
        require(module, extra)


def need_to_export(model: str | Path | None, model_format: str, int8: bool) -> None:
    """Import what leads from a checkpoint, a module (None) or a model of any other kind to artifacts of a format.

    Raises:
        MissingExtra: it is not installed.
    """
    need("export", "onnx", "onnxruntime", *find_format(model_format).export_needs)
    if model is None:
        need("export", "torch", "onnxscript")
    else:
        from edgeseg.export.source.model_kinds import needs_of

        need("export", *needs_of(model))
    if int8:
        need_to_calibrate(model_format)


def need_to_calibrate(model_format: str) -> None:
    """Import what quantises for the engine of a format.

    Raises:
        MissingExtra: it is not installed.
    """
    need("export", *find_format(model_format).int8_needs, "matplotlib")


def need_to_compare(models: Iterable[Path]) -> None:
    """Import what puts models of any form side by side, beside their engines.

    Raises:
        MissingExtra: it is not installed.
    """
    need("export", "onnx", *("torch" for model in models if is_checkpoint(model)))


def is_checkpoint(path: Path) -> bool:
    """Tell whether a path is taken for a checkpoint, by its name."""
    return path.suffix in CHECKPOINTS and not path.is_dir()
