"""How an engine is to be built: chosen at export, kept in the artifact, obeyed on every device."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError, UserError

FILE = "tensorrt.json"
"""In an artifact beside ``model.onnx``: these settings, and under ``float32`` what a half file keeps in float32."""
LEVELS = range(6)

COMPATIBILITY_COST = {
    "version_compatible": "a version-compatible engine carries its own runtime (tens of MB more), runs native code out "
    "of the engine file, and may be slower",
    "hardware_compatible": "an engine for Ampere and newer may not use what only this GPU has: expect it to be slower; "
    "not for Jetson and not with DLA",
}


@dataclass(frozen=True)
class BuildSettings:
    """What the builder is told.

    Attributes:
        workspace_mb: most scratch memory a layer may take, in MB; None leaves all of the device's.
        dla: DLA core (Jetson Xavier and Orin), or None for the GPU; what the DLA cannot do runs on the GPU.
        level: builder optimisation level 0 to 5, or None for TensorRT's own (3).
        version_compatible: the engine loads in later versions of the same major TensorRT.
        hardware_compatible: the engine runs on all GPUs from Ampere on.

    Raises:
        UserError: a value out of range, or two that exclude each other.
    """

    workspace_mb: int | None = None
    dla: int | None = None
    level: int | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("workspace_mb", self.workspace_mb, 1, 1 << 20),
            ("dla", self.dla, 0, 7),
            ("level", self.level, LEVELS.start, LEVELS.stop - 1),
        ):
            if value is not None and not (type(value) is int and low <= value <= high):
                raise UserError(f"`{name}` must be a whole number from {low} to {high}; found {value!r}.")
        if self.dla is not None and self.hardware_compatible:
            raise UserError("`hardware_compatible` engines use no DLA. Leave out one of the two.")

    @property
    def costs(self) -> list[str]:
        """A sentence for every wish that makes the engine larger or slower."""
        return [cost for name, cost in COMPATIBILITY_COST.items() if getattr(self, name)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dataclasses.asdict(self)


def read_settings(artifact: Artifact) -> BuildSettings:
    """Read what an artifact asks for; the defaults when it says nothing.

    Raises:
        ArtifactError: its settings make no sense.
    """
    known = {field.name for field in dataclasses.fields(BuildSettings)}
    values = {key: value for key, value in _values(artifact).items() if key in known}
    try:
        return BuildSettings(**values)
    except UserError as error:
        raise _unusable(artifact, error) from None


def is_half(artifact: Artifact) -> bool:
    """Tell whether what is not INT8 is float16 in the file itself."""
    return _values(artifact).get("half") is True


def _values(artifact: Artifact) -> Mapping[str, Any]:
    if FILE not in artifact.files:
        return {}
    try:
        values = json.loads((artifact.path / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(artifact, error) from None
    if not isinstance(values, dict):
        raise _unusable(artifact, TypeError(f"it holds a {type(values).__name__} instead of an object"))
    return values


def _unusable(artifact: Artifact, error: Exception) -> ArtifactError:
    return ArtifactError(f"{artifact.path / FILE} is unusable: {str(error).rstrip('.')}. Export the model again.")
