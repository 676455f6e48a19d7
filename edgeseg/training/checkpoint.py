"""Checkpoints: a network with its spec in one file, never executed on loading.

A checkpoint is a dictionary of plain values and tensors that ``torch.load(weights_only=True)``
takes: ``format, version, model {name, options}, spec, state, training`` and, in ``last.pt``,
``resume`` with everything needed to go on.
"""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgeseg.errors import CheckpointError, SpecError, UserError
from edgeseg.files.atomic import atomic_file, file_sha256
from edgeseg.files.foreign_kind import describe_foreign
from edgeseg.files.input_file import check_regular
from edgeseg.given import checked
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec

FORMAT = "edgeseg-checkpoint"
VERSION = 1

# What torch's unpickler was seen to raise on damaged and foreign files.
_UNPICKLING_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    OSError,
)


@dataclass(frozen=True)
class LoadedModel:
    """A network read from a checkpoint.

    Attributes:
        model: in eval mode, float32; normalised NCHW input to NCHW logits.
        spec: its contract.
        name: file name without its ending.
        digest: SHA-256 of the file.
        architecture: model name and options.
        training: how it was trained, and its scores.
    """

    model: nn.Module
    spec: ModelSpec
    name: str
    digest: str
    architecture: Mapping[str, Any]
    training: Mapping[str, Any]


@checked
def save_checkpoint(
    path: Path,
    architecture: Mapping[str, Any],
    spec: ModelSpec,
    state: Mapping[str, torch.Tensor],
    training: Mapping[str, Any],
    resume: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        path: the file.
        architecture: ``{"name": ..., "options": {...}}`` for the registry.
        spec: the contract of the network.
        state: its weights.
        training: plain values about how it came to be.
        resume: optimiser, scheduler and counters, to resume from.

    Raises:
        OutputError: the file cannot be written.
    """
    values = {
        "format": FORMAT,
        "version": VERSION,
        "model": dict(architecture),
        "spec": spec.to_json(),
        "state": {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()},
        "training": dict(training),
    }
    if resume is not None:
        values["resume"] = dict(resume)
    # Through memory: torch's own file writer hides the reason when the disk is full.
    buffer = io.BytesIO()
    torch.save(values, buffer)
    with atomic_file(path) as staged:
        staged.write_bytes(buffer.getbuffer())


@checked
def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the dictionary in a checkpoint file and check its format.

    Raises:
        CheckpointError: missing, no checkpoint, a pickle that would run code, or a newer version.
    """
    if not path.exists():
        raise CheckpointError(f"There is no checkpoint {path}.")
    check_regular(path, CheckpointError)
    _check_sums(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            values = torch.load(path, map_location="cpu", weights_only=True)
    except _UNPICKLING_ERRORS:
        raise CheckpointError(describe_foreign(path)) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(describe_foreign(path))
    if not isinstance(values.get("version"), int) or values["version"] > VERSION:
        raise CheckpointError(
            f"{path} has checkpoint version {values.get('version')}; this edgeseg reads up to {VERSION}. "
            "Upgrade edgeseg."
        )
    return values


def _check_sums(path: Path) -> None:
    """torch.load reads past damaged bytes; the zip file around the tensors has a CRC for each."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError):
        return  # not a zip file at all: torch.load says what it is
    if damaged:
        raise CheckpointError(f"{path} is damaged: the checksum of {damaged} in it fails. Copy it again.")


def _check_classes(model: nn.Module, state: Mapping[str, torch.Tensor], spec: ModelSpec) -> None:
    """A head of another size is said in classes, not in tensor shapes."""
    for name, wanted in model.state_dict().items():
        found = state.get(name, wanted)
        if found.shape != wanted.shape and wanted.shape[0] == spec.logit_channels:
            raise UserError(
                f"{name} gives {found.shape[0]} logits a pixel, and its spec says {wanted.shape[0]} "
                f"for the {spec.num_classes} classes {', '.join(spec.classes)}"
            )


@checked
def load_model(path: Path | str) -> LoadedModel:
    """Load the network of a checkpoint for inference.

    Raises:
        CheckpointError: see :func:`read_checkpoint`; or weights that do not fit the network.
    """
    path = Path(path)
    values = read_checkpoint(path)
    try:
        spec = ModelSpec.from_json(values["spec"])
        model = build_model(values["model"]["name"], spec, values["model"]["options"])
        _check_classes(model, values["state"], spec)
        model.load_state_dict(values["state"])
    except (KeyError, TypeError, RuntimeError, SpecError, UserError) as error:
        raise CheckpointError(f"{path} does not hold the network it names: {error}") from None
    return LoadedModel(model.eval(), spec, path.stem, file_sha256(path), values["model"], values["training"])
