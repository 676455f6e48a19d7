"""Does an artifact still do here what it did when it was made?"""

from __future__ import annotations

from collections.abc import Mapping
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
    from edgeseg.proof.judgement import Judgement
    from edgeseg.runtime.measure.bench import Latency
    from edgeseg.runtime.measure.gate import Gate

LATENCY_S = 2.0


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        artifact: what was checked.
        labels: how many labels occurred on test pictures.
        gates: everything that was measured against a limit of its own.
        saved_ratio: the latency ratio that was saved as a baseline, or None.
        judgements: what each limit of the budget says of it against its reference; none without ``data``, and of an
            artifact that says nothing of its single images.
        missed: those that fail it.
        misses: the same in sentences, with advice and what each class lost; empty where nothing was missed.
        miou: on its pictures, 0..1; None without masks.
        p50_ms: median latency, where it was measured.
        ratio: CPU time of one run in reference workloads, where it was measured.
    """

    artifact: Artifact
    labels: int
    gates: tuple[Gate, ...]
    saved_ratio: float | None = None
    judgements: tuple[Judgement, ...] = ()
    missed: tuple[Judgement, ...] = ()
    misses: str = ""
    miou: float | None = None
    p50_ms: float | None = None
    ratio: float | None = None

    @property
    def failed(self) -> tuple[Gate | Judgement, ...]:
        """The gates that failed, and the limits that were missed."""
        return (*(gate for gate in self.gates if gate.verdict == "failed"), *self.missed)

    @property
    def unsure(self) -> tuple[Gate, ...]:
        """The gates that this machine is too noisy to judge."""
        return tuple(gate for gate in self.gates if gate.is_unsure)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        judged = [{**one.to_dict(), "passed": one not in self.missed} for one in self.judgements]
        gates = [gate.to_dict() for gate in self.gates]
        figures = {"miou": self.miou, "p50_ms": self.p50_ms, "ratio": self.ratio}
        return {"artifact": self.artifact.path.name, "gates": gates, "judgements": judged, **figures}


def check(
    artifact: str | Path | Artifact,
    *,
    data: str | Path | None = None,
    ignore_index: int | None = None,
    mask_values: GivenValues | None = None,
    max_drop: float | None = None,
    limits: Mapping[str, float] | None = None,
    require_held: bool = False,
    reference: str | Path | Artifact | None = None,
    max_latency_ms: float | None = None,
    baseline: str | Path | Artifact | None = None,
    max_slowdown: float = 0.06,
    save_baseline: str | Path | None = None,
    is_timed: bool = False,
    device: str = "CPU",
    precision: str | None = None,
    on_event: OnEvent = log_event,
    progress: OnProgress | None = None,
) -> Checked:
    """Open an artifact, segment test pictures, and measure every gate that is asked for.

    Args:
        artifact: its folder, or the open one.
        data: the data that it was verified on: measure it again, on the same pictures, whose digests it holds. With
            masks its mIoU is held against its own of then; with and without, every limit of a budget against what its
            reference gave then, which it keeps image by image.
        ignore_index: mask value that is not scored; None: the one that was not scored then.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as they were read then.
        max_drop: points that may be lost: of mIoU, or percent of the pixels where there were no masks. None: what it
            was made with, and 0.5 against its own mIoU.
        limits: others of a budget by their names in :class:`~edgeseg.proof.budget.Budget`, such as
            ``{"max_class_drop": 1}``; those that are not given are what it was made with.
        require_held: a limit that the images cannot judge fails as one that is missed does.
        reference: the float artifact that it was made from, to be measured beside it in the place of its record.
        max_latency_ms: largest median latency.
        baseline: hold the latency against what it was: the artifact that this one replaces, which is timed in turns
            with it, the surer way; or a file that ``save_baseline`` wrote on this device.
        max_slowdown: share by which it may be slower, 0.06 for 6 %.
        save_baseline: save the latency ratio of this device in this file, beside those of other models and devices.
        is_timed: measure the latency and the ratio to the reference workload although no gate asks for them.
        device: the engine's own name of a device.
        precision: of the layers in float, see :func:`edgeseg.load`; None: the one that it was proven in.
        on_event: is told when the masks were not proven on this device; the logger ``edgeseg`` by default.
        progress: called with a description, a count and its end.

    Raises:
        ArtifactError: no artifact, one that was changed, or one that records nothing to compare with.
        DataError: images or masks cannot be used, are missing or were changed since.
        UserError: a baseline that is none, or holds nothing of this model or device; one on another device than the
            CPU; a limit that is none, or without pictures to hold it on.
        GateFailed: it, or its reference, gives one label everywhere, which proves nothing.
        EngineError: the engine fails, or gives two answers to one picture.
        OutputError: the baseline cannot be written, or lies over an input.
    """
    from edgeseg.proof.judges.check_masks import CheckData, MaskCheck, check_masks
    from edgeseg.proof.judges.recheck import choose_budget
    from edgeseg.runtime.measure.baseline import read_baseline
    from edgeseg.runtime.measure.baseline import save_baseline as save_ratio
    from edgeseg.runtime.measure.bench import bench_in_turns
    from edgeseg.runtime.measure.check import check_runs
    from edgeseg.runtime.measure.latency_gate import latency_ratio
    from edgeseg.runtime.measure.slowdown import SECONDS, slowdown_gate

    data, saving = _path(data), _path(save_baseline)
    if saving is not None:
        where = artifact.path if isinstance(artifact, Artifact) else artifact_folder(Path(artifact))
        check_apart([saving], [where, *picture_folders(data)])
    if device != "CPU" and (baseline is not None or saving is not None):
        raise UserError(f"A baseline is a ratio to CPU work; found `device={device!r}`. Use `max_latency_ms` there.")
    given = {**(limits or {}), **({} if max_drop is None else {"max_drop": max_drop})}
    if data is None and (given or require_held or reference is not None):
        raise UserError("Limits of a budget are held on pictures: give `data`, what the artifact was verified on.")
    opened, before_it = open_artifact(artifact), _open_baseline(baseline)
    if isinstance(before_it, Path):
        read_baseline(before_it, opened)  # before any measurement, not after
    choose_budget(opened, given, require_held)
    labels = check_runs(opened, device, on_event, precision)
    masks = MaskCheck()
    if data is not None:
        before = None if reference is None else open_artifact(reference)
        place = CheckData(data, ignore_index, mask_values, device, precision)
        with report_to(progress)("check", 0) as tick:
            masks = check_masks(opened, place, given, require_held, before, tick)
    gates = [*masks.gates]
    p50_ms = None
    if max_latency_ms is not None or is_timed:
        latency = bench_in_turns([opened], LATENCY_S, device, precision)[0]
        p50_ms = latency.p50_ms
        if max_latency_ms is not None:
            gates.append(_latency_gate(latency, max_latency_ms))
    measured = None
    if before_it is not None:
        gate, measured = slowdown_gate(opened, before_it, max_slowdown)
        gates.append(gate)
    ratio = None if isinstance(before_it, Artifact) else measured
    if ratio is None and device == "CPU" and (saving is not None or is_timed):
        ratio = latency_ratio(opened, SECONDS)
    if saving is not None and ratio is not None:
        save_ratio(saving, opened, ratio)
    found = None if ratio is None else ratio.ratio
    saved = None if saving is None else found
    shown = (masks.judgements, masks.missed, masks.misses, masks.miou)
    return Checked(opened, labels, tuple(gates), saved, *shown, p50_ms, found)


def _latency_gate(latency: Latency, max_latency_ms: float) -> Gate:
    from edgeseg.runtime.measure.gate import Gate

    sentence = f"p95 was {latency.p95_ms:.2f} ms over {latency.runs} runs."
    return Gate("median latency in ms", max_latency_ms, latency.p50_ms, sentence)


def _open_baseline(baseline: str | Path | Artifact | None) -> Path | Artifact | None:
    if baseline is None or isinstance(baseline, Artifact):
        return baseline
    path = Path(baseline)
    return open_artifact(path) if path.is_dir() else path


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
