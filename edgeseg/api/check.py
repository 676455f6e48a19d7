"""Does an artifact still do here what it did when it was made?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.api.load import log_event
from edgeseg.artifact import Artifact, artifact_folder, open_artifact
from edgeseg.console.progress import OnProgress, report_to
from edgeseg.errors import UserError
from edgeseg.files.output_paths import check_apart, picture_folders
from edgeseg.runtime.events.event import OnEvent

if TYPE_CHECKING:
    from edgeseg.masks.mask_values import GivenValues
    from edgeseg.runtime.measure.check import Gate

LATENCY_S = 2.0


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        artifact: what was checked.
        labels: how many labels occurred on test pictures.
        gates: everything that was measured against a limit.
        saved_ratio: the latency ratio that was saved as a baseline, or None.
    """

    artifact: Artifact
    labels: int
    gates: tuple[Gate, ...]
    saved_ratio: float | None = None

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that did not pass."""
        return tuple(gate for gate in self.gates if not gate.passed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"artifact": self.artifact.path.name, "gates": [gate.to_dict() for gate in self.gates]}


def check(
    artifact: str | Path | Artifact,
    *,
    data: str | Path | None = None,
    ignore_index: int | None = None,
    mask_values: GivenValues | None = None,
    max_drop: float = 0.5,
    max_latency_ms: float | None = None,
    baseline: str | Path | None = None,
    max_slowdown: float = 0.15,
    save_baseline: str | Path | None = None,
    device: str = "CPU",
    on_event: OnEvent = log_event,
    progress: OnProgress | None = None,
) -> Checked:
    """Open an artifact, segment test pictures, and measure every gate that is asked for.

    Args:
        artifact: its folder, or the open one.
        data: the data that it was verified on: measure its mIoU again, on the same pictures, whose digests it holds.
        ignore_index: mask value that is not scored; None: the one that was not scored then.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as they were read then.
        max_drop: points of mIoU that may be lost.
        max_latency_ms: largest median latency.
        baseline: compare the latency ratio with this saved one.
        max_slowdown: share by which it may be larger.
        save_baseline: save the latency ratio of this machine.
        device: the engine's own name of a device.
        on_event: is told when the masks were not proven on this device; the logger ``edgeseg`` by default.
        progress: called with a description, a count and its end.

    Raises:
        ArtifactError: no artifact, one that was changed, or one that records nothing to compare with.
        DataError: images or masks cannot be used, are missing or were changed since.
        UserError: a baseline that is none, or of another model or CPU; one on another device than the CPU.
        EngineError: the engine fails, or gives two answers to one picture.
        OutputError: the baseline cannot be written, or lies over an input.
    """
    from edgeseg.runtime.measure.check import check_runs, iou_gate
    from edgeseg.runtime.measure.evaluate import open_dataset
    from edgeseg.runtime.measure.recorded import read_recorded

    data, saving = _path(data), _path(save_baseline)
    if saving is not None:
        where = artifact.path if isinstance(artifact, Artifact) else artifact_folder(Path(artifact))
        check_apart([saving], [where, *picture_folders(data)])
    if device != "CPU" and (baseline is not None or saving is not None):
        raise UserError(f"A baseline is a ratio to CPU work; found `device={device!r}`. Use `max_latency_ms` there.")
    opened = open_artifact(artifact)
    labels = check_runs(opened, device, on_event)
    gates: list[Gate] = []
    if data is not None:
        recorded = read_recorded(opened)
        ignored = recorded.ignore_index if ignore_index is None else ignore_index
        meanings = recorded.mask_values if mask_values is None else mask_values
        dataset = open_dataset(data, opened, ignored, meanings)
        with report_to(progress)("check", 0) as tick:
            gates.append(iou_gate(opened, dataset, max_drop, device=device, progress=tick))
    if max_latency_ms is not None:
        gates.append(_check_latency(opened, max_latency_ms, device))
    found, ratio = _check_baseline(opened, _path(baseline), saving, max_slowdown)
    return Checked(opened, labels, (*gates, *found), ratio)


def _check_latency(artifact: Artifact, max_latency_ms: float, device: str) -> Gate:
    from edgeseg.runtime.measure.bench import bench_in_turns
    from edgeseg.runtime.measure.check import Gate

    latency = bench_in_turns([artifact], LATENCY_S, device)[0]
    sentence = f"p95 was {latency.p95_ms:.2f} ms over {latency.runs} runs."
    return Gate("median latency in ms", max_latency_ms, latency.p50_ms, sentence)


def _check_baseline(
    artifact: Artifact, baseline: Path | None, saving: Path | None, max_slowdown: float
) -> tuple[list[Gate], float | None]:
    """The gate, where there is a baseline, and the ratio that was saved."""
    from edgeseg.runtime.measure.check import latency_gate, read_baseline, save_baseline
    from edgeseg.runtime.measure.latency_gate import latency_ratio

    if baseline is None and saving is None:
        return [], None
    if baseline is not None:
        read_baseline(baseline, artifact)  # before the measurement, not after
    ratio = latency_ratio(artifact)
    gates = [] if baseline is None else [latency_gate(artifact, ratio, baseline, max_slowdown)]
    if saving is None:
        return gates, None
    save_baseline(saving, artifact, ratio)
    return gates, ratio.ratio


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
