"""The files of a folder that ``save_pretrained`` wrote, read without running anything."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError, CheckpointError
from edgeseg.files.atomic import file_sha256
from edgeseg.files.input_file import read_text

CONFIG = "config.json"
MAX_JSON = 8 << 20


def read_config(path: Path, name: str = CONFIG) -> dict[str, Any]:
    """Read a JSON object of a folder; an empty one where there is none.

    Raises:
        ArtifactError: it is there, and no JSON object.
    """
    file = path / name
    if not file.is_file():
        return {}
    try:
        values = json.loads(read_text(file, ArtifactError, MAX_JSON))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{file} is not JSON: {error}. Save the folder again.") from None
    if not isinstance(values, dict):
        raise ArtifactError(f"{file} holds one JSON object; found {type(values).__name__}. Save the folder again.")
    return values


def weight_files(path: Path) -> list[Path]:
    """List the files with weights of a folder, by name; safetensors alone where there are any."""
    safe = sorted(path.glob("*.safetensors"))
    return safe or sorted(path.glob("*.bin"))


def check_weights_file(path: Path) -> None:
    """Refuse a folder without weights before a library says so in its own words.

    Raises:
        CheckpointError: there are none, or pointers of Git LFS in their place.
    """
    files = weight_files(path)
    if not files:
        raise CheckpointError(
            f"{path} has no weights: model.safetensors (or pytorch_model.bin) is not there. Save the network again "
            f"with net.save_pretrained({str(path)!r})."
        )
    for file in files:
        with file.open("rb") as stream:
            if stream.read(19) == b"version https://git":
                raise CheckpointError(f"{file} is a Git LFS pointer and not the weights. Fetch them with: git lfs pull")


def read_weights(path: Path) -> dict[str, Any]:
    """Read the one file with weights of a folder; what a pickle holds beside tensors is not run.

    Raises:
        CheckpointError: there are several, or it is damaged.
    """
    files = weight_files(path)
    if len(files) != 1:
        raise CheckpointError(
            f"{path} holds {len(files)} files with weights; leave the one that belongs to config.json."
        )
    is_safe = files[0].suffix == ".safetensors"
    package = require("safetensors.torch" if is_safe else "torch", "export")
    try:
        if is_safe:
            values: dict[str, Any] = package.load_file(str(files[0]))
        else:
            values = package.load(files[0], map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{files[0]} cannot be read: {first_line(error)}. Copy it again.") from error
    return values


def folder_digests(path: Path) -> dict[str, str]:
    """Compute the SHA-256 that stands for the weights of a folder, by role."""
    files = weight_files(path)
    if len(files) == 1:
        return {"weights": file_sha256(files[0])}
    digest = hashlib.sha256("".join(f"{file.name} {file_sha256(file)}\n" for file in files).encode())
    return {"weights": digest.hexdigest()}


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, without its last stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(".:")
