"""The bench with slots, streams and threads as a run would choose them."""

from __future__ import annotations

from dataclasses import replace

from edgeseg.artifact import Artifact
from edgeseg.given import checked
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.measure.bench import BenchResult, bench_engine
from edgeseg.runtime.tuning.choose import plan_slots
from edgeseg.runtime.tuning.slots import LATENCY, THROUGHPUT, Slots, expect_slots


@checked
def bench_tuned(
    artifact: Artifact,
    seconds: float = 5.0,
    slots: Slots = 2,
    options: EngineOptions = EngineOptions(),  # noqa: B008
) -> BenchResult:
    """Do as :func:`~edgeseg.runtime.measure.bench.bench_engine` does, with ``slots`` as a run takes them.

    Args:
        artifact: what runs.
        seconds: latency and throughput together; what chooses the slots is not counted.
        slots: a number, or ``auto``: what :func:`~edgeseg.runtime.tuning.choose.choose_slots` finds for latency
            and for throughput, each for its half; ``latency`` or ``throughput``: what it finds for that.
        options: of the engine; its own ``slots`` do not count.

    Raises:
        UserError: a number out of range.
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    expect_slots(slots)
    if isinstance(slots, int):
        one, many = replace(options, slots=1), replace(options, slots=slots)
    else:
        _, one = plan_slots(artifact, LATENCY, options)
        _, many = plan_slots(artifact, LATENCY if slots == LATENCY else THROUGHPUT, options)
    return bench_engine(artifact, seconds, latency_in=one, throughput_in=many)
