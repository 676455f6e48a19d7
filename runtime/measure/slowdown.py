"""How much slower an artifact is than it was, as a gate that says when the machine is too noisy to tell."""

from __future__ import annotations

import math
from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.given import checked
from edgeseg.runtime.measure.baseline import read_baseline
from edgeseg.runtime.measure.gate import Gate
from edgeseg.runtime.measure.latency_gate import LatencyRatio, latency_ratio

DEFAULT_MAX_SLOWDOWN = 0.06
BETWEEN_RUNS = 0.02
"""By which the ratio to the reference workload differs from one process to the next: half of 95 of 100."""
DISTURBED = 0.1
"""The same where others had the processor in most moments: their use of caches meets two kinds of work unequally."""
SECONDS = 3.0


@checked
def slowdown_gate(
    artifact: Artifact, baseline: Path | Artifact, max_slowdown: float = DEFAULT_MAX_SLOWDOWN
) -> tuple[Gate, LatencyRatio]:
    """Measure the slowdown against what was, until it is clear on which side of the limit it lies, or for a while.

    Args:
        artifact: what is measured.
        baseline: the artifact that it replaces, which then takes turns with it, the surer way; or a file with the ratio
            to the reference workload that was saved on this device.
        max_slowdown: 0.06 for 6 %.

    Returns:
        The gate, and what was measured.

    Raises:
        UserError: the file is no baseline, or holds nothing of this model or device.
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    if isinstance(baseline, Artifact):
        ratio = latency_ratio(artifact, SECONDS, baseline, lambda found: _is_clear(found, None, max_slowdown))
        return judge_slowdown(ratio, None, max_slowdown, baseline.path.name), ratio
    saved = read_baseline(baseline, artifact)
    ratio = latency_ratio(artifact, SECONDS, None, lambda found: _is_clear(found, saved, max_slowdown))
    return judge_slowdown(ratio, saved, max_slowdown), ratio


def judge_slowdown(found: LatencyRatio, saved: LatencyRatio | None, limit: float, of: str = "") -> Gate:
    """Hold a ratio against a saved one, or against 1.

    Args:
        found: measured now.
        saved: the ratio of then; None: ``found`` is a ratio to the other artifact itself.
        limit: share by which it may be larger.
        of: name of the other artifact.
    """
    slower, half = _slowdown(found, saved)
    field = "latency slowdown as a share"
    if saved is None:
        sentence = f"One run costs {found.ratio:.3f} runs of {of}"
    else:
        sentence = f"One run costs {found.ratio:.2f} reference workloads, the baseline says {saved.ratio:.2f}"
    sentence += f" (95 % between {_share(slower - half)} and {_share(slower + half)})."
    waits = _waits(found, saved, limit, slower)
    if waits is not None:
        return Gate(
            f"{field}, on the clock",
            limit,
            waits,
            f"{sentence} It takes longer on the clock than its work does: it waits for something.",
        )
    value = math.expm1(slower)
    if abs(slower - math.log1p(limit)) >= half or half <= math.log1p(limit) / 2:
        return Gate(field, limit, value, sentence)
    sentence += (
        f" This machine is too noisy to tell whether that is over {100 * limit:g} %: run it when less else does, or "
        "give the artifact that it replaces as `baseline`, which is the surer way."
    )
    return Gate(field, limit, value, sentence, is_unsure=True)


def _is_clear(found: LatencyRatio, saved: LatencyRatio | None, limit: float) -> bool:
    slower, half = _slowdown(found, saved)
    return abs(slower - math.log1p(limit)) >= half


def _slowdown(found: LatencyRatio, saved: LatencyRatio | None) -> tuple[float, float]:
    """The logarithm of how much slower, and half of what it lies within, 95 % sure."""
    half = math.log(found.high / found.low) / 2
    if saved is None:
        return math.log(found.ratio), half
    parts = [half, math.log(saved.high / saved.low) / 2, BETWEEN_RUNS]
    parts += [DISTURBED] * (found.clock_ratio is None)
    return math.log(found.ratio / saved.ratio), math.hypot(*parts)


def _waits(found: LatencyRatio, saved: LatencyRatio | None, limit: float, slower: float) -> float | None:
    """How much slower it is on the clock, where that is over the limit and its work is not."""
    before = 1.0 if saved is None else saved.clock_ratio
    if found.clock_ratio is None or before is None:
        return None
    on_clock = found.clock_ratio / before - 1
    return on_clock if on_clock > limit and math.expm1(slower) <= limit else None


def _share(slower: float) -> str:
    return f"{100 * math.expm1(slower):+.1f} %"
