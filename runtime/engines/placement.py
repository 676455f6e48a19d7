"""Where a model is computed, in which precision, and whether its masks were proven there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.runtime.engines.engine import Engine, EngineOptions, open_with
from edgeseg.runtime.engines.precision import device_kind, read_proofs
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.system.machine import this_cpu


@dataclass(frozen=True)
class Placement:
    """Where, and in which precision, an engine computes.

    Attributes:
        device: ``CPU``, ``GPU``, ``NPU``, ``CUDA``; several joined by ``+``.
        precision: of the layers in float: ``f32``, ``bf16``, ``f16``, or ``auto`` where the engine does not tell.
        hardware: its name for people.
    """

    device: str
    precision: str
    hardware: str = ""

    def __str__(self) -> str:
        precision = "a precision of the engine's choice" if self.precision == "auto" else self.precision
        return f"{precision} on {self.device}" + (f" ({self.hardware})" if self.hardware else "")

    def proves(self, other: Placement) -> bool:
        """Tell whether what was proven here says something about ``other``.

        Processors of one kind compute alike to a few pixels in ten thousand; of other devices the name counts too.

        >>> Placement("CPU", "f32", "one").proves(Placement("CPU", "f32", "another"))
        True
        >>> Placement("GPU", "f16", "one").proves(Placement("GPU", "f16", "another"))
        False
        """
        same_name = self.device == "CPU" or self.hardware == other.hardware
        return (self.device, self.precision) == (other.device, other.precision) and same_name


def placement_of(engine: Engine, options: EngineOptions) -> Placement:
    """Ask an engine where it computes; what it does not tell is taken to be as it was asked for."""
    found = getattr(engine, "placement", None)
    return found if isinstance(found, Placement) else Placement(device_kind(options.device), options.precision or "f32")


def cpu_placement(precision: str = "f32") -> Placement:
    """Name this machine's processor."""
    return Placement("CPU", precision, this_cpu().name)


def proven_placements(artifact: Artifact) -> list[Placement]:
    """List where an artifact's masks were proven: where it was made, and what ``verify`` added for these very files.

    A proof in a stand-in for the engine, as TensorRT's, is one on the CPU.
    """
    found = [Placement("CPU", "f32", str(artifact.measured.get("cpu", "")))]
    for proof in read_proofs(artifact):
        found.append(Placement(*(str(proof.get(name, "")) for name in ("device", "precision", "hardware"))))
    return found


def open_told(artifact: Artifact, options: EngineOptions) -> Engine:
    """Open an engine, and tell ``options.on_event`` when its masks were not proven where it computes.

    Raises: see :func:`~edgeseg.runtime.engines.engine.open_engine`.
    """
    engine = open_with(artifact, options)
    if (unproven := unproven_event(artifact, engine, options)) is not None:
        options.on_event(unproven)
    return engine


def unproven_event(artifact: Artifact, engine: Engine, options: EngineOptions) -> Event | None:
    """Say that masks are computed otherwise than they were proven, and how to prove them; None where they are not."""
    here, proven = placement_of(engine, options), proven_placements(artifact)
    if any(one.proves(here) for one in proven):
        return None
    message = (
        f"its masks are computed in {here} and were proven in {' and in '.join(map(str, proven))}, so they may differ. "
        f"Prove them with: `{_proving_call(artifact, options, here)}`"
    )
    facts: dict[str, Any] = {**asdict(here), "proven": [asdict(one) for one in proven]}
    return Event("unproven", artifact.path.name, message, "precision" if here.device == "CPU" else "device", facts)


def _proving_call(artifact: Artifact, options: EngineOptions, here: Placement) -> str:
    usual = EngineOptions()
    device = options.device if here.device == device_kind(options.device) else here.device.lower()
    given = {"device": device, "precision": options.precision}
    words = [f", {name}={value!r}" for name, value in given.items() if value not in (None, getattr(usual, name))]
    return f"edgeseg.verify([{str(artifact.path)!r}], DIR{''.join(words)})"
