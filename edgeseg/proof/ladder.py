"""What a search for layers to keep in float tried, as a table: layers kept, accuracy, size, latency."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgeseg.console.text_table import format_table
from edgeseg.proof.compare import finite

SHOWN = 5


@dataclass(frozen=True)
class Rung:
    """One model that was made and measured.

    Attributes:
        kept: layers in float.
        agreement: part of the pixels, 0..1, with the float model's label.
        mean_iou: against the masks, or the float model's masks where there are none.
        drop_points: points lost, see :meth:`~edgeseg.proof.compare.Comparison.drop`.
        worst_class, worst_class_drop: the class that lost most, and its points of IoU.
        boundary_drop: points of mean boundary IoU lost.
        bytes: of the model files.
        holds: whether it stays within the budget.
        confidence_change: points by which the confidence of the class that moved most moved; None where there is none.
        latency_ratio: median time of one run over the fp32 model's, timed in turns; None when not timed.
    """

    kept: tuple[str, ...]
    agreement: float
    mean_iou: float
    drop_points: float
    worst_class: str
    worst_class_drop: float
    boundary_drop: float
    bytes: int
    holds: bool
    latency_ratio: float | None = None
    confidence_change: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what could not be measured is None."""
        values = {key: finite(value) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return {**values, "kept": list(self.kept)}


@dataclass(frozen=True)
class Ladder:
    """The rungs of one search.

    Attributes:
        rungs: in the order they were measured; the first one has nothing in float but what was asked for.
        chosen: layers that the search keeps in float, or None when nothing held the budget.
        layers: how many layers are quantised in the first rung.
        risk: layers that put most pixels at risk when they alone are quantised, and the share, worst first.
        drop_of: what is lost, ``mIoU`` or ``pixels``.
        reused: how many rungs an interrupted run had measured.

    >>> plain = Rung((), 0.97, 0.81, 1.2, "road", 2.5, 0.9, 1_100_000, holds=False)
    >>> mixed = Rung(("conv_3",), 0.99, 0.82, 0.2, "road", 0.4, 0.1, 1_300_000, holds=True)
    >>> print(Ladder((plain, mixed), ("conv_3",), 23, (("conv_3", 0.3),)).text())
    1 of 23 layers stay in float: conv_3 (2 models were made and measured).
    layers in float    mIoU  mIoU drop  worst class  boundary drop    MB  time/fp32
    0                0.8100      +1.20   road +2.50          +0.90  1.10          -  missed
    1                0.8200      +0.20   road +0.40          +0.10  1.30          -  chosen
    """

    rungs: tuple[Rung, ...]
    chosen: tuple[str, ...] | None
    layers: int
    risk: tuple[tuple[str, float], ...]
    drop_of: str = "mIoU"
    reused: int = 0

    @property
    def sentence(self) -> str:
        """What came of it."""
        tried = f"{len(self.rungs)} models were made and measured"
        if self.reused:
            tried += f", {self.reused} of them before this run was interrupted"
        if self.chosen is None:
            guilty = ", ".join(name for name, _ in self.risk[:SHOWN])
            return (
                f"No choice of layers in float restores the budget ({tried}). The layers that risk most are {guilty}."
            )
        return f"{len(self.chosen)} of {self.layers} layers stay in float: {', '.join(self.chosen)} ({tried})."

    @property
    def has_confidence(self) -> bool:
        """Whether the confidence of a rung was measured."""
        return any(rung.confidence_change is not None for rung in self.rungs)

    def text(self) -> str:
        """Lay out the table for people, fewest layers in float first."""
        sure = ["confidence moved"] if self.has_confidence else []
        losses = [f"{self.drop_of} drop", "worst class", "boundary drop", *sure]
        head = ["layers in float", "mIoU", *losses, "MB", "time/fp32", ""]
        rows = [self._row(rung) for rung in sorted(self.rungs, key=lambda rung: (len(rung.kept), rung.drop_points))]
        return "\n".join([self.sentence, format_table([head, *rows])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "rungs": [rung.to_dict() for rung in self.rungs],
            "chosen": None if self.chosen is None else list(self.chosen),
            "layers": self.layers,
            "risk": [{"layer": name, "at_risk": finite(value)} for name, value in self.risk],
            "drop_of": self.drop_of,
            "reused": self.reused,
            "sentence": self.sentence,
        }

    def _row(self, rung: Rung) -> list[str]:
        verdict = "chosen" if rung.kept == self.chosen else "holds" if rung.holds else "missed"
        moved = "-" if rung.confidence_change is None else f"{rung.confidence_change:.2f}"
        sure = [moved] if self.has_confidence else []
        return [
            str(len(rung.kept)),
            f"{rung.mean_iou:.4f}",
            f"{rung.drop_points:+.2f}",
            f"{rung.worst_class} {rung.worst_class_drop:+.2f}",
            f"{rung.boundary_drop:+.2f}",
            *sure,
            f"{rung.bytes / 1e6:.2f}",
            "-" if rung.latency_ratio is None else f"{rung.latency_ratio:.2f}",
            verdict,
        ]
