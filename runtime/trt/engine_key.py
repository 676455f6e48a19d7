"""What decides whether an engine can be used again: built for this file, by this TensorRT, on this GPU."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.runtime.trt.build_settings import BuildSettings
from edgeseg.runtime.trt.cuda import Gpu
from edgeseg.runtime.trt.versions import Library, numbers

ANY = "any"
AMPERE_ON = "8.0 or newer"
_SAID = {
    "sm": "compute capability",
    "driver": "CUDA of the driver",
    "onnx": "model.onnx",
    "version": "TensorRT version",
}


@dataclass(frozen=True)
class EngineKey:
    """Two engines with equal keys are interchangeable.

    Attributes:
        library: ``tensorrt`` or ``tensorrt_rtx``.
        version: of it; the major number alone for a version-compatible engine.
        gpu: product name, or :data:`ANY`.
        sm: compute capability, or what covers it.
        driver: major CUDA version of the driver, or :data:`ANY`.
        precision: the artifact's.
        onnx: SHA-256 of ``model.onnx``.
        settings: :class:`BuildSettings` as JSON, with ``frame`` (height, width) where the engine resizes.
    """

    library: str
    version: str
    gpu: str
    sm: str
    driver: str
    precision: str
    onnx: str
    settings: str

    @property
    def digest(self) -> str:
        """Names the engine's folder."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:32]

    def to_dict(self) -> dict[str, str]:
        """Return plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EngineKey:
        """Read what :meth:`to_dict` gave; raises TypeError when a field is missing, unknown or no text."""
        key = cls(**values)
        if not all(isinstance(value, str) for value in key.to_dict().values()):
            raise TypeError("every field of an engine's key is text")
        return key

    def differences(self, other: EngineKey) -> list[str]:
        """List the fields in which ``other`` differs, each with both values, for a message."""
        pairs = zip(self.to_dict().items(), other.to_dict().values(), strict=True)
        return [
            f"{_SAID.get(name, name)} ({_short(theirs)}, here {_short(mine)})"
            for (name, mine), theirs in pairs
            if mine != theirs
        ]


def engine_key(
    artifact: Artifact,
    library: Library,
    gpu: Gpu | None,
    settings: BuildSettings,
    frame: tuple[int, int] | None = None,
) -> EngineKey:
    """Compute the key of the engine that ``artifact`` needs here.

    Args:
        gpu: may be None for a library whose engines serve every GPU.
        frame: height and width of the frames that the engine resizes itself.
    """
    values = settings.to_dict() if frame is None else {**settings.to_dict(), "frame": list(frame)}
    is_bound = library.features.is_for_one_gpu and gpu is not None
    name, sm, driver = (gpu.name, gpu.sm, gpu.driver.split(".")[0]) if is_bound and gpu else (ANY, ANY, ANY)
    if settings.hardware_compatible:
        name, sm = ANY, AMPERE_ON
    version = str(numbers(library.version)[0]) if settings.version_compatible else library.version
    return EngineKey(
        library.name,
        version,
        name,
        sm,
        driver,
        artifact.precision,
        artifact.files[artifact.model_path.name],
        json.dumps(values, sort_keys=True),
    )


def _short(value: str) -> str:
    return f"{value[:12]}..." if len(value) == 64 else value
