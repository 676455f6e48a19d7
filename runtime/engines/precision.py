"""In which precision layers in float are computed: what is asked for, what was proven, and what a device can do."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.artifact import REPORTS, Artifact
from edgeseg.errors import UserError
from edgeseg.formats import find_format
from edgeseg.runtime.engines.precision_names import AUTO, FLOATS
from edgeseg.runtime.events.event import Event, OnEvent

RUNS_IN = "runs_in"
"""In ``measured`` of an artifact: the precision that it runs in on each kind of device, ``{"CPU": "bf16"}``."""
MODEL_DIGITS = 16


def device_kind(device: str) -> str:
    """Name the kind of a device, without its number.

    >>> device_kind("GPU.0"), device_kind("cuda:1"), device_kind("CPU")
    ('GPU', 'CUDA', 'CPU')
    """
    return re.split("[.:]", device)[0].upper()


def model_digest(artifact: Artifact) -> str:
    """Compute sixteen hex digits that stand for all files of a model, and not for its reports."""
    files = {name: digest for name, digest in artifact.files.items() if name not in REPORTS}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:MODEL_DIGITS]


def read_proofs(artifact: Artifact) -> list[Mapping[str, Any]]:
    """Read what was proven of these very files elsewhere, or otherwise, than where they were made."""
    proofs = artifact.measured.get("proven")
    found = [one for one in proofs if isinstance(one, Mapping)] if isinstance(proofs, list) else []
    digest = model_digest(artifact) if found else ""
    return [one for one in found if one.get("model") == digest]


def read_preferred(artifact: Artifact, device: str) -> str:
    """Read the precision that an artifact runs in on a device unless another is asked for.

    It is the one that was proven there last, and ``f32``, in which every artifact is proven when it is made, where
    nothing else was.
    """
    kind, record = device_kind(device), artifact.measured.get(RUNS_IN)
    wanted = record.get(kind) if isinstance(record, Mapping) else None
    known = {(one.get("device"), one.get("precision")) for one in read_proofs(artifact)}
    return wanted if wanted in FLOATS and (kind, wanted) in known else FLOATS[0]


def choose_precision(artifact: Artifact, device: str, asked: str | None, on_event: OnEvent) -> str:
    """Choose what an engine is asked for.

    Args:
        artifact: what runs.
        device: the engine's own name of a device.
        asked: one of :data:`~edgeseg.runtime.engines.precision_names.PRECISIONS`; None: the one that the artifact runs
            in, see :func:`read_preferred`.
        on_event: is told when this device cannot compute in the one that was proven.

    Raises:
        UserError: the device cannot compute in what was asked for.
    """
    wanted = asked or read_preferred(artifact, device)
    if wanted == AUTO or (wanted == FLOATS[0] and device_kind(device) == "CPU"):
        return wanted
    able = list_precisions(artifact.format, device)
    if wanted in able:
        return wanted
    title = find_format(artifact.format).title
    if asked is not None:
        raise UserError(
            f"{title} computes in {', '.join(able)} on {device} here; found `precision={asked!r}`. Use one of them, or "
            "leave `precision` out for the one that was proven."
        )
    if read_preferred(artifact, device) != FLOATS[0]:
        message = f"it was proven in {wanted}, which {device} has no instructions for; it is computed in {able[0]}."
        facts = {"device": device, "proven": wanted, "precision": able[0]}
        on_event(Event("precision", artifact.path.name, message, "precision", facts))
    return able[0]


def list_precisions(model_format: str, device: str) -> Sequence[str]:
    """List what layers in float can be computed in on a device, the most precise first; one or more."""
    record = find_format(model_format)
    found: Sequence[str] = record.load("precisions")(device) if record.precisions else ()
    return found or FLOATS[:1]
