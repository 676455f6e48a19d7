"""Where networks of the zoo are kept: a folder each in the private cache, named by what was made there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeseg.artifact import FORMAT_VERSION, Artifact, artifact_dir
from edgeseg.errors import EdgesegError, OutputError, TamperedError
from edgeseg.files.atomic import file_sha256, output_error
from edgeseg.files.cache_folder import cache_folder, private_folder, write_private
from edgeseg.files.lock import lock
from edgeseg.runtime.system.cache_contents import ZOO
from edgeseg.zoo.entry import Shipped, Wheel, ZooEntry

RECIPE = 1
"""Grows when what is made of the same weights changes."""
_ADVICE = "Set XDG_CACHE_HOME to a folder of your own that can be written."


def entry_folder(entry: ZooEntry) -> Path:
    """Say where a network is kept; it need not exist."""
    source, spec = entry.source, entry.spec
    digests = source.digests[:1] if isinstance(source, Wheel) else (source.sha256,) if source else ()
    made = [RECIPE, FORMAT_VERSION, entry.name, digests, spec and spec.to_dict(), entry.proof]
    key = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder(ZOO) / key


def find_whole(entry: ZooEntry, model_format: str) -> Path | None:
    """Find the artifact of a network that was made before, every byte of it as it was written.

    Raises:
        TamperedError: it is there and damaged.
        EnvironmentFault: somebody else could have put it there.
    """
    path = artifact_dir(entry_folder(entry), entry.name, "fp32", model_format)
    if not path.is_dir():
        return None
    with contextlib.suppress(OSError):  # a cache that cannot be written is read
        private_folder(path.parent)
    try:
        return Artifact.open(path).path
    except EdgesegError as error:
        raise TamperedError(f"What was kept of the network {entry.name!r} is damaged: {error}") from error


def forget(entry: ZooEntry) -> None:
    """Remove the artifacts of a network, and leave its weights."""
    for path in entry_folder(entry).glob(f"{entry.name}-*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def holding(entry: ZooEntry, waiting: Callable[[], object]) -> Iterator[Path]:
    """Keep every other process off the folder of a network, and give it; it is made where it is missing.

    Args:
        entry: the network.
        waiting: called once, where another process has it.

    Raises:
        EnvironmentFault: the cache belongs to somebody else.
        OutputError: it cannot be written, or the disk is full.
    """
    folder = entry_folder(entry)
    try:
        private_folder(folder)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise explain_no_room(entry, output_error(folder, error)) from error
    try:
        if not lock(handle):
            waiting()
            lock(handle, wait=True)
        yield folder
    finally:
        os.close(handle)


def keep_weights(entry: ZooEntry, data: bytes) -> Path:
    """Write weights that were fetched into the folder of their network, whole or not at all.

    Raises:
        OutputError: it cannot be written, or the disk is full.
    """
    path = _weights_path(entry)
    try:
        write_private(path, data)
    except OutputError as error:
        raise explain_no_room(entry, error) from error
    return path


def find_weights(entry: ZooEntry) -> Path | None:
    """Find the file of weights that a network is made of, where it is here: kept, shipped, or in this checkout."""
    source = entry.source
    if isinstance(source, Shipped):
        package = Path(__file__).resolve().parent.parent
        path = (package.parent if source.in_checkout else package) / source.path
        return path if path.is_file() and file_sha256(path) == source.sha256 else None
    if not isinstance(source, Wheel):
        return None
    path = _weights_path(entry)
    if path.is_symlink() or not path.is_file():
        return None
    return path if file_sha256(path) in source.digests else None


def _weights_path(entry: ZooEntry) -> Path:
    assert isinstance(entry.source, Wheel)
    return entry_folder(entry) / Path(entry.source.member).name


def explain_no_room(entry: ZooEntry, error: OutputError) -> OutputError:
    """Word an error of the cache for whoever asked for a network and not for a file."""
    told = str(error)
    for way_out in ("Choose another output folder.", "Choose another output path."):
        told = told.replace(way_out, _ADVICE)
    return OutputError(f"The network {entry.name!r} cannot be kept. {told}")
