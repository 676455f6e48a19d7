"""Whether INT8 is faster on this device: measured in turns with the float model, and why not when it is not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.formats import find_format
from edgeseg.metrics.confusion import Float64
from edgeseg.runtime.measure.bench import rounds_in_turns
from edgeseg.runtime.measure.layer_times import LayerTime, int8_share, other_kinds
from edgeseg.runtime.system.machine import Cpu, this_cpu

SAME = 0.05
NAMED_KINDS = 3
FASTEST = "An export with `prefer='latency'` makes all that can run here and hands over the fastest within the budget."


@dataclass(frozen=True)
class Speed:
    """What INT8 brought on this device.

    Attributes:
        fp32, int8: names of the artifacts.
        cpu: what they ran on.
        fp32_p50_ms, int8_p50_ms: median latencies, one request at a time; None where no engine runs INT8 here.
        ratio: median over the rounds of fp32 time / int8 time; over 1 means that INT8 is faster.
        noise: half the width of the median ratio's 95 % interval, as a share of it.
        rounds: how often both ran.
        verdict: one sentence.
        reason: why there is no gain, or where the time goes; empty when nothing is known.
    """

    fp32: str
    int8: str
    cpu: str
    verdict: str
    reason: str = ""
    fp32_p50_ms: float | None = None
    int8_p50_ms: float | None = None
    ratio: float | None = None
    noise: float | None = None
    rounds: int = 0

    @property
    def is_faster(self) -> bool:
        """INT8 is faster by more than 5 % and more than the noise."""
        return self.ratio is not None and self.noise is not None and self.ratio > 1 + max(SAME, self.noise * self.ratio)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "is_faster": self.is_faster}

    def text(self) -> str:
        """Say verdict and reason, for people."""
        return f"{self.verdict} {self.reason}".rstrip()


def compare_speed(fp32: Artifact, int8: Artifact, seconds: float = 4.0, device: str = "CPU") -> Speed:
    """Run both in turns on this machine.

    Args:
        fp32: the float model, in the engine that it would be run with instead.
        int8: its INT8 artifact.
        seconds: how long to measure; there are at least 20 rounds.
        device: the engines' name of a device.

    Raises:
        UserError: ``seconds`` is out of range, or ``int8`` is no INT8 artifact.
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    _check(fp32, int8, seconds)
    cpu = this_cpu()
    names = fp32.path.name, int8.path.name, cpu.name
    model_format = find_format(int8.format)
    if model_format.is_built_on_device:
        reason = f"{model_format.title} builds its engine on the device that runs it."
        return Speed(*names, f"The speed of this INT8 model is not known: {reason}")
    rounds = rounds_in_turns([fp32, int8], seconds, device)
    times = model_format.load("layer_times")(int8, device=device) if model_format.layer_times else []
    return judge_speed(names, rounds, cpu, times)


def judge_speed(names: tuple[str, str, str], rounds: Float64, cpu: Cpu, times: list[LayerTime]) -> Speed:
    """Judge times that were measured.

    Args:
        names: of the fp32 artifact, the int8 artifact and the CPU.
        rounds: (rounds, 2) seconds of fp32 and int8.
        cpu: its instructions explain a missing gain.
        times: of the layers of the INT8 artifact, empty when the engine does not tell.

    >>> rounds = np.tile([0.020, 0.010], (40, 1))
    >>> cpu = Cpu("Some CPU", 2, ("AVX2", "AVX-VNNI"))
    >>> judge_speed(("net-fp32", "net-int8", cpu.name), rounds, cpu, []).verdict
    'INT8 is 2.00 times as fast as fp32 here: 10.00 ms against 20.00 ms of net-fp32, on Some CPU.'
    """
    before, after = (float(value) for value in 1e3 * np.median(rounds, 0))
    ratio, noise = median_and_noise(rounds[:, 0] / rounds[:, 1])
    speed = Speed(*names, "", "", before, after, ratio, noise, len(rounds))
    figures = f"{after:.2f} ms against {before:.2f} ms of {names[0]}, on {cpu.name}"
    if speed.is_faster:
        verdict = f"INT8 is {ratio:.2f} times as fast as fp32 here: {figures}."
        return Speed(*names, verdict, _where(times), before, after, ratio, noise, len(rounds))
    verdict = f"INT8 is not faster here: {figures}."
    reason = f"{_why(cpu, times)} {FASTEST}"
    return Speed(*names, verdict, reason, before, after, ratio, noise, len(rounds))


def _check(fp32: Artifact, int8: Artifact, seconds: float) -> None:
    if not 0 < seconds <= 3600:
        raise UserError(f"`seconds` must lie between 0 and 3600; found {seconds:g}.")
    if (fp32.precision, int8.precision) != ("fp32", "int8"):
        raise UserError(
            f"INT8 is timed against fp32; found {int8.path.name} ({int8.precision}) against {fp32.path.name} "
            f"({fp32.precision}). Give the INT8 artifact first: `compare_speed(int8=INT8, fp32=FP32)`"
        )


def median_and_noise(ratios: Float64) -> tuple[float, float]:
    """Compute the median, and half its 95 % interval as a share of it: 1.57 quartile ranges / sqrt(n) (McGill 1978).

    >>> median, noise = median_and_noise(np.array([1.9, 2.0, 2.0, 2.1]))
    >>> median, round(noise, 3)
    (2.0, 0.02)
    """
    low, median, high = (float(value) for value in np.percentile(ratios, (25, 50, 75)))
    return median, float(1.57 * (high - low) / len(ratios) ** 0.5 / median)


def _why(cpu: Cpu, times: list[LayerTime]) -> str:
    if cpu.isa is None:
        return "This system does not list the CPU's instructions, so it cannot be said why."
    if not cpu.integer_units:
        family = "AVX2 without VNNI" if "AVX2" in cpu.isa else "this CPU"
        return f"{family} has no instruction that multiplies and adds 8-bit integers; INT8 saves memory only."
    units = f"The CPU has such instructions ({', '.join(cpu.integer_units)})"
    return f"{units}. {_where(times)}" if times else f"{units}; this engine does not tell where its time goes."


def _where(times: list[LayerTime]) -> str:
    """What the engine's own clock says about the INT8 model."""
    if not times:
        return ""
    kinds = [f"{name} {100 * share:.0f} %" for name, share in other_kinds(times)[:NAMED_KINDS] if share >= 0.01]
    rest = f", to other layers: {', '.join(kinds)}" if kinds else ""
    return f"{100 * int8_share(times):.0f} % of its time goes to INT8 convolutions{rest}."
