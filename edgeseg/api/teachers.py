"""A teacher of any form becomes one that training can ask: a checkpoint of the student's input, or an artifact."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.export_model import export_model
from edgeseg.artifact import MANIFEST
from edgeseg.errors import CheckpointError, UnsaidError
from edgeseg.files.model_name import ZOO_PREFIX, read_model
from edgeseg.formats import ONNX
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from edgeseg.training.voice import Voice

OUTPUTS = ("labels", "confidence")


def read_teacher(teacher: Path, student: ModelSpec, folder: Path, voice: Voice) -> Path:
    """Return a checkpoint or an artifact that says what ``teacher`` says, exported into ``folder`` where need be.

    A checkpoint of edgeseg with the student's input, an artifact and a network of the zoo stay what they are. Anything
    else that export reads (ONNX, TorchScript, somebody else's checkpoint, a call that builds a network) is exported and
    proven first. Where it does not say how its pictures are prepared, it is given them as the student is.

    Args:
        teacher: a path, a name of the zoo, or words such as ``package.module:build()``.
        student: the contract of the network that is trained.
        folder: for the artifact; one that an earlier run left there is taken as it is.
        voice: hears what was assumed.

    Raises:
        SpecError, CheckpointError, ArtifactError, UserError: as :func:`~edgeseg.api.export_model.export_model`.
    """
    if _is_ready(teacher, student):
        return teacher
    name = f"teacher-{hashlib.sha256(_facts(teacher)).hexdigest()[:8]}"
    exported = folder / f"{name}-fp32-{ONNX.name}"
    if (exported / MANIFEST).is_file():
        return exported
    try:
        artifact = export_model(str(teacher), format=ONNX.name, outputs=OUTPUTS, out=folder, name=name)
    except UnsaidError as error:
        voice.note(
            f"the teacher {teacher} does not say its {' and '.join(error.missing) or 'contract'}: taken as this "
            "training's own. Where that is wrong, export it with what is right and give the artifact."
        )
        artifact = export_model(
            str(teacher),
            task=student.task,
            classes=student.classes,
            imgsz=None if _says_size(error) else (student.height, student.width),
            color_order=student.color_order,
            mean=student.mean,
            std=student.std,
            format=ONNX.name,
            outputs=OUTPUTS,
            out=folder,
            name=name,
        )
    return artifact.path


def _facts(teacher: Path) -> bytes:
    """What tells one teacher from another: a file's bytes, or the words."""
    return teacher.read_bytes() if teacher.is_file() else str(teacher).encode()


def _is_ready(teacher: Path, student: ModelSpec) -> bool:
    """Whether training reads it as it is; a teacher of other classes too, which it refuses by name."""
    from edgeseg.training.checkpoint import read_checkpoint
    from edgeseg.training.distill import CHECKPOINT_SUFFIXES, MUST_AGREE

    named = read_model(str(teacher))
    if not isinstance(named, Path):
        return False
    if str(named).startswith(ZOO_PREFIX) or (len(named.parts) == 1 and not named.suffix and not named.exists()):
        return True
    if (named / MANIFEST).is_file() or (named.parent / MANIFEST).is_file():
        return True
    if named.suffix not in CHECKPOINT_SUFFIXES or named.is_dir():
        return not named.exists()
    try:
        spec = ModelSpec.from_json(read_checkpoint(named)["spec"])
    except (CheckpointError, KeyError):
        return not named.exists()
    same = all(getattr(spec, name) == getattr(student, name) for name in MUST_AGREE)
    return same or (spec.task, spec.classes) != (student.task, student.classes)


def _says_size(error: UnsaidError) -> bool:
    return len(error.input_size) == 3 and None not in error.input_size
