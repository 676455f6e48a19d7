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
    from edgeseg.runtime.measure.check import Gate

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
    """

    artifact: Artifact
    labels: int
    gates: tuple[Gate, ...]
    saved_ratio: float | None = None
    judgements: tuple[Judgement, ...] = ()
    missed: tuple[Judgement, ...] = ()
    misses: str = ""

    @property
    def failed(self) -> tuple[Gate | Judgement, ...]:
        """The gates that did not pass, and the limits that were missed."""
        return (*(gate for gate in self.gates if not gate.passed), *self.missed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        judged = [{**one.to_dict(), "passed": one not in self.missed} for one in self.judgements]
        gates = [gate.to_dict() for gate in self.gates]
        return {"artifact": self.artifact.path.name, "gates": gates, "judgements": judged}


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
    baseline: str | Path | None = None,
    max_slowdown: float = 0.15,
    save_baseline: str | Path | None = None,
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
        baseline: compare the latency ratio with this saved one.
        max_slowdown: share by which it may be larger.
        save_baseline: save the latency ratio of this machine.
        device: the engine's own name of a device.
        precision: of the layers in float, see :func:`edgeseg.load`; None: the one that it was proven in.
        on_event: is told when the masks were not proven on this device; the logger ``edgeseg`` by default.
        progress: called with a description, a count and its end.

    Raises:
        ArtifactError: no artifact, one that was changed, or one that records nothing to compare with.
        DataError: images or masks cannot be used, are missing or were changed since.
        UserError: a baseline that is none, or of another model or CPU; one on another device than the CPU; a limit
            that is none, or without pictures to hold it on.
        GateFailed: it, or its reference, gives one label everywhere, which proves nothing.
        EngineError: the engine fails, or gives two answers to one picture.
        OutputError: the baseline cannot be written, or lies over an input.
    """
    from edgeseg.proof.judges.check_masks import CheckData, MaskCheck, check_masks
    from edgeseg.proof.judges.recheck import choose_budget
    from edgeseg.runtime.measure.check import check_runs

    data, saving = _path(data), _path(save_baseline)
    if saving is not None:
        where = artifact.path if isinstance(artifact, Artifact) else artifact_folder(Path(artifact))
        check_apart([saving], [where, *picture_folders(data)])
    if device != "CPU" and (baseline is not None or saving is not None):
        raise UserError(f"A baseline is a ratio to CPU work; found `device={device!r}`. Use `max_latency_ms` there.")
    given = {**(limits or {}), **({} if max_drop is None else {"max_drop": max_drop})}
    if data is None and (given or require_held or reference is not None):
        raise UserError("Limits of a budget are held on pictures: give `data`, what the artifact was verified on.")
    opened = open_artifact(artifact)
    choose_budget(opened, given, require_held)
    labels = check_runs(opened, device, on_event, precision)
    masks = MaskCheck()
    if data is not None:
        before = None if reference is None else open_artifact(reference)
        place = CheckData(data, ignore_index, mask_values, device, precision)
        with report_to(progress)("check", 0) as tick:
            masks = check_masks(opened, place, given, require_held, before, tick)
    gates = [*masks.gates]
    if max_latency_ms is not None:
        gates.append(_check_latency(opened, max_latency_ms, device, precision))
    found, ratio = _check_baseline(opened, _path(baseline), saving, max_slowdown)
    return Checked(opened, labels, (*gates, *found), ratio, masks.judgements, masks.missed, masks.misses)


def _check_latency(artifact: Artifact, max_latency_ms: float, device: str, precision: str | None) -> Gate:
    from edgeseg.runtime.measure.bench import bench_in_turns
    from edgeseg.runtime.measure.check import Gate

    latency = bench_in_turns([artifact], LATENCY_S, device, precision)[0]
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
