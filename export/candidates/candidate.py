"""One way to run a network here: an artifact in a precision on a device, what it lost and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.proof.compare import Comparison, StageScore, finite
from edgeseg.proof.publishing import ExportResult
from edgeseg.runtime.engines.placement import Placement
from edgeseg.runtime.measure.in_turns import Pace, Way

LATENCY, THROUGHPUT, ENERGY, SIZE = "latency", "throughput", "energy", "size"
PREFERENCES = (LATENCY, THROUGHPUT, ENERGY, SIZE)
PLAIN = ("CPU", "f32")
"""Where every artifact is proven when it is made; not said in the name of a candidate."""


@dataclass(frozen=True)
class Candidate:
    """One way to run the network, or the reason why there is none.

    Attributes:
        name: for example ``int8 openvino bf16``.
        built: the artifact and the proof of when it was made; None where it was refused.
        way: how it is run; None where it was refused before it ran.
        place: where and in which precision the engine says that it computes.
        score: of the comparison with the float reference; None where it was not compared.
        drop: points lost against the reference; None where that is unknown.
        boundary_drop: the same of boundary IoU.
        pace: what was measured; None where it was not.
        size_bytes: of the model files; None where there are none.
        out: why it cannot be kept; empty where it can.
    """

    name: str
    built: ExportResult | None = None
    way: Way | None = None
    place: Placement | None = None
    score: StageScore | None = None
    drop: float | None = None
    boundary_drop: float | None = None
    pace: Pace | None = None
    size_bytes: int | None = None
    out: str = ""

    @property
    def artifact(self) -> Artifact | None:
        """The artifact, where it was made and not removed."""
        return self.built.artifact if self.built is not None else None

    @property
    def is_int8(self) -> bool:
        """Whether the artifact is an INT8 one."""
        return self.name.startswith("int8")

    @property
    def exactness(self) -> tuple[bool, int]:
        """Sort key of equals: float before INT8, more bits before fewer."""
        precision = self.place.precision if self.place is not None else "f32"
        return self.is_int8, ("f32", "f16", "bf16").index(precision) if precision in ("f32", "f16", "bf16") else 3

    def cost(self, by: str) -> float:
        """Give what is to be small: milliseconds, seconds or joules (core-ms without a meter) a frame, or bytes.

        Infinite where it was not measured.
        """
        if by == SIZE:
            return float("inf") if self.size_bytes is None else float(self.size_bytes)
        if self.pace is None:
            return float("inf")
        if by == ENERGY:
            return self.pace.core_ms if self.pace.joules is None else self.pace.joules
        return 1 / self.pace.fps if by == THROUGHPUT else self.pace.p50_ms

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        artifact, pace = self.way and self.way.artifact, self.pace
        return {
            "name": self.name,
            "path": str(self.artifact.path) if self.artifact else None,
            "format": artifact.format if artifact else None,
            "artifact_precision": artifact.precision if artifact else None,
            "device": self.way.device if self.way else None,
            "precision": self.place.precision if self.place else None,
            "computed_on": str(self.place) if self.place else None,
            "bytes": self.size_bytes,
            "drop_points": self.drop,
            "boundary_drop_points": self.boundary_drop,
            "p50_ms": pace and pace.p50_ms,
            "p95_ms": pace and pace.p95_ms,
            "rounds": pace and pace.rounds,
            "fps": pace and pace.fps,
            "slots": pace and pace.slots,
            "core_ms": pace and pace.core_ms,
            "joules": pace and pace.joules,
            "out": self.out,
        }


def name_way(artifact: Artifact, device: str, precision: str | None) -> str:
    """Name a way by what is not plain about it."""
    where = f" on {device}" if device.upper() != PLAIN[0] else ""
    return f"{artifact.precision} {artifact.format}{'' if precision in (None, PLAIN[1]) else f' {precision}'}{where}"


def drops(comparison: Comparison, score: StageScore) -> tuple[float | None, float | None]:
    """Compute points of mIoU (or percent of the pixels) and of boundary IoU that a stage lost."""
    return finite(comparison.drop(score)), finite(comparison.boundary_drop(score))
