"""``prefer="latency"`` or ``"size"``: of the artifacts that meet the budget, the one to run on this machine.

What is fastest cannot be known beforehand: INT8 gains nothing on CPUs without 8-bit instructions, and
ONNX Runtime and OpenVINO take turns in being faster. So all are made, timed in turns, and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.console.progress import Progress, no_progress
from edgeseg.console.terminal import visible
from edgeseg.console.text_table import format_table
from edgeseg.errors import ArtifactError, EnvironmentFault, GateFailed, UserError
from edgeseg.proof.compare import finite
from edgeseg.proof.publishing import ExportResult
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.measure.bench import bench_in_turns
from edgeseg.runtime.system.machine import this_cpu

LATENCY, SIZE = "latency", "size"
PREFERENCES = (LATENCY, SIZE)
SAME = 0.05
SECONDS_EACH = 2.0


@dataclass(frozen=True)
class Candidate:
    """One artifact that could be run.

    Attributes:
        name: precision and format, for example ``int8 openvino``.
        size_bytes: of its model files; None when it was not made.
        p50_ms: median latency here; None when it was not measured.
        drop: points lost against fp32, None for fp32 itself.
        out: why it cannot be chosen, or empty.
        built: the artifact and its proof; None when it was not made.
    """

    name: str
    size_bytes: int | None = None
    p50_ms: float | None = None
    drop: float | None = None
    out: str = ""
    built: ExportResult | None = None

    @property
    def is_int8(self) -> bool:
        """Whether the artifact is an INT8 one."""
        return self.name.startswith("int8")


@dataclass(frozen=True)
class Choice:
    """The artifact to run, and all that it was compared with."""

    by: str
    best: Candidate
    candidates: tuple[Candidate, ...]
    cpu: str = ""

    @property
    def sentence(self) -> str:
        """Why, in one sentence."""
        best, others = self.best, [one for one in self.candidates if not one.out and one is not self.best]
        if not others:
            return f"Run {best.name}: nothing else meets the budget and runs here."
        if self.by == SIZE:
            return f"Run {best.name}: the smallest that meets the budget, {_megabytes(best)} MB."
        fastest = min(others, key=_latency)
        times = f"{_latency(best):.2f} ms against {_latency(fastest):.2f} ms of {fastest.name}"
        if _latency(fastest) >= _latency(best):
            return f"Run {best.name}: the fastest here that meets the budget, {times}."
        return f"Run {best.name}: {times} is no gain worth a loss."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; ``run`` is the path of the artifact to run."""
        return {
            "prefer": self.by,
            "run": str(self.best.built.artifact.path) if self.best.built else None,
            "name": self.best.name,
            "why": self.sentence,
            "cpu": self.cpu,
            "candidates": [_candidate_dict(one) for one in self.candidates],
        }

    def text(self) -> str:
        """Lay out the table and the sentence, for people."""
        rows = [["candidate", "MB", "p50 ms", "drop", ""]]
        rows += [self._row(one) for one in self.candidates]
        where = f" on {self.cpu}" if self.cpu else ""
        path = f"\n{visible(str(self.best.built.artifact.path))}" if self.best.built else ""
        return f"preferred by {self.by}{where}\n{format_table(rows)}\n{self.sentence}{path}"

    def _row(self, one: Candidate) -> list[str]:
        said = "preferred" if one is self.best else one.out
        return [one.name, _megabytes(one), _number(one.p50_ms), _number(one.drop), said]


def choose_preferred(candidates: Sequence[Candidate], by: str, cpu: str = "") -> Choice:
    """Choose the fastest or the smallest candidate that is not out.

    Latencies within 5 % of the best are equal, and of equals float comes before INT8, which has
    nothing to offer then.

    Raises:
        UserError: ``by`` is something else.
        GateFailed: every candidate is out.
    """
    if by not in PREFERENCES:
        raise UserError(f"`prefer` must be one of {', '.join(PREFERENCES)}; found {by!r}.")
    able = [one for one in candidates if not one.out]
    if not able:
        reasons = "; ".join(f"{one.name}: {one.out}" for one in candidates)
        raise GateFailed(f"None of the candidates can be run here. {reasons}.")
    if by == SIZE:
        best = min(able, key=lambda one: one.size_bytes or 0)
    else:
        limit = (1 + SAME) * min(_latency(one) for one in able)
        best = min((one for one in able if _latency(one) <= limit), key=lambda one: (one.is_int8, _latency(one)))
    return Choice(by, best, tuple(candidates), cpu)


def offer(
    fp32: Sequence[ExportResult],
    make_int8: Callable[[ExportResult], ExportResult],
    by: str,
    progress: Progress = no_progress,
) -> Choice:
    """Make INT8 of every float artifact, time what can be run, and choose.

    Args:
        fp32: float artifacts of one network in several formats.
        make_int8: makes and proves the INT8 artifact of one of them; what it refuses with GateFailed
            or ArtifactError is out, with the first line of the reason.
        by: ``latency`` or ``size``.

    Raises:
        UserError: ``by`` is something else.
        EngineError: an engine failed while it was timed.
    """
    candidates = [_usable(_candidate(built)) for built in fp32]
    candidates += [_usable(_int8(built, make_int8)) for built in fp32]
    return choose_preferred(_time(candidates, progress), by, this_cpu().name)


def _int8(fp32: ExportResult, make_int8: Callable[[ExportResult], ExportResult]) -> Candidate:
    try:
        return _candidate(make_int8(fp32))
    except (GateFailed, ArtifactError) as error:
        return Candidate(f"int8 {fp32.artifact.format}", out=str(error).splitlines()[0])


def _candidate(built: ExportResult) -> Candidate:
    artifact, comparison = built.artifact, built.comparison
    drop = finite(comparison.drop(comparison.stages[-1])) if artifact.precision == "int8" else None
    return Candidate(f"{artifact.precision} {artifact.format}", artifact.size_bytes, None, drop, "", built)


def _usable(candidate: Candidate) -> Candidate:
    """The same, out when its engine is missing or refuses it."""
    if candidate.built is None:
        return candidate
    try:
        with closing(open_engine(candidate.built.artifact)):
            return candidate
    except (ArtifactError, EnvironmentFault) as error:
        return replace(candidate, out=str(error).splitlines()[0])


def _time(candidates: Sequence[Candidate], progress: Progress) -> list[Candidate]:
    artifacts: dict[str, Artifact] = {
        one.name: one.built.artifact for one in candidates if one.built is not None and not one.out
    }
    with progress("time the candidates", 1) as tick:
        latencies = bench_in_turns(list(artifacts.values()), SECONDS_EACH * len(artifacts))
        tick()
    p50 = {name: latency.p50_ms for name, latency in zip(artifacts, latencies, strict=True)}
    return [replace(one, p50_ms=p50.get(one.name)) for one in candidates]


def _candidate_dict(one: Candidate) -> dict[str, Any]:
    return {
        "name": one.name,
        "path": str(one.built.artifact.path) if one.built else None,
        "bytes": one.size_bytes,
        "p50_ms": one.p50_ms,
        "drop_points": one.drop,
        "out": one.out,
    }


def _latency(one: Candidate) -> float:
    return float("inf") if one.p50_ms is None else one.p50_ms


def _megabytes(one: Candidate) -> str:
    return "-" if one.size_bytes is None else f"{one.size_bytes / 1e6:.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
