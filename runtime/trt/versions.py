"""Which TensorRT is here, and how its version wants to be spoken to.

Everything that differs between versions is a row of :data:`FEATURES`; no other module asks for a version.
TensorRT for RTX (module ``tensorrt_rtx``) speaks like TensorRT 11 and has a row of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeseg.errors import EnvironmentFault, MissingExtra
from edgeseg.runtime.trt.install import install_advice

TENSORRT, RTX = "tensorrt", "tensorrt_rtx"
OLDEST = (8, 6)


@dataclass(frozen=True)
class VersionFeatures:
    """What a range of versions understands; names are those of the library's own enumerations.

    Attributes:
        network_flags: ``NetworkDefinitionCreationFlag`` names for a new network.
        max_opset: the newest ONNX opset that its parser takes.
        precision_flags: ``BuilderFlag`` names by precision, where types are no part of the graph.
        float_layers: ``LayerType`` names that are held in float32 by :data:`OBEY`, where a flag frees the builder.
        has_timing_cache: whether timings are measured and can be kept.
        has_compatibility: whether an engine can be asked to serve other versions or GPUs.
        is_for_one_gpu: whether an engine serves only the GPU it was built on.
    """

    network_flags: tuple[str, ...]
    max_opset: int
    precision_flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    float_layers: tuple[str, ...] = ()
    has_timing_cache: bool = True
    has_compatibility: bool = True
    is_for_one_gpu: bool = True


OBEY = "OBEY_PRECISION_CONSTRAINTS"
_WEAK = {"fp16": ("FP16", OBEY), "int8": ("INT8", "FP16", OBEY)}
_STRONG = ("STRONGLY_TYPED",)

FEATURES: Mapping[tuple[int, ...], VersionFeatures] = {
    (8, 6): VersionFeatures(("EXPLICIT_BATCH",), 17, _WEAK, ("SOFTMAX", "TOPK", "REDUCE", "RESIZE")),
    (9, 1): VersionFeatures(("EXPLICIT_BATCH", *_STRONG), 17),
    (10,): VersionFeatures(_STRONG, 20),
    (10, 13): VersionFeatures(_STRONG, 24),
    (11,): VersionFeatures(_STRONG, 24),
}
"""By the first version that a row holds for."""
RTX_FEATURES = VersionFeatures(_STRONG, 24, has_timing_cache=False, has_compatibility=False, is_for_one_gpu=False)


@dataclass(frozen=True)
class Library:
    """An imported TensorRT.

    Attributes:
        module: ``tensorrt`` or ``tensorrt_rtx`` itself.
        name: which of the two.
        version: as the library gives it.
        features: how it is spoken to.
    """

    module: Any
    name: str
    version: str
    features: VersionFeatures

    @property
    def title(self) -> str:
        """The library's name and version for messages."""
        return f"{'TensorRT' if self.name == TENSORRT else 'TensorRT-RTX'} {self.version}"


def find_library(name: str | None = None) -> Library:
    """Import TensorRT.

    Args:
        name: :data:`TENSORRT` or :data:`RTX`; None takes the first of them that is installed.

    Raises:
        MissingExtra: it is not installed; the message says how to install it on this machine.
        EnvironmentFault: it does not load, or is older than 8.6.
    """
    for candidate in (TENSORRT, RTX) if name is None else (name,):
        try:
            return load_library(importlib.import_module(candidate), candidate)
        except ModuleNotFoundError as error:
            if error.name != candidate:
                raise _broken(candidate, error) from error
        except (ImportError, OSError, RuntimeError) as error:
            raise _broken(candidate, error) from error
    wanted = "TensorRT-RTX" if name == RTX else "TensorRT"
    raise MissingExtra(f"{wanted} is needed for this but is not installed. {install_advice(rtx=name == RTX)}")


def load_library(module: Any, name: str) -> Library:
    """Wrap an imported module.

    Raises:
        EnvironmentFault: too old.
    """
    version = str(getattr(module, "__version__", "0"))
    if name == RTX:
        return Library(module, name, version, RTX_FEATURES)
    return Library(module, name, version, find_features(version))


def find_features(version: str) -> VersionFeatures:
    """Find the row for a TensorRT version such as ``10.3.0``.

    Raises:
        EnvironmentFault: older than 8.6.
    """
    found = numbers(version)
    if found < OLDEST:
        raise EnvironmentFault(
            f"edgeseg needs TensorRT 8.6 or newer; found {version}. {install_advice()} "
            "(JetPack 5 has Python 3.8 and is too old for edgeseg.)"
        )
    return FEATURES[max(first for first in FEATURES if first <= found)]


def numbers(version: str) -> tuple[int, ...]:
    """Parse ``10.3.0.post1`` to ``(10, 3, 0)``: the leading whole numbers."""
    found = []
    for part in version.split("."):
        if not part.isdigit():
            break
        found.append(int(part))
    return tuple(found)


def _broken(name: str, error: Exception) -> EnvironmentFault:
    return EnvironmentFault(f"'{name}' is installed but does not load: {error}. {install_advice(rtx=name == RTX)}")
