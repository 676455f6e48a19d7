"""What it costs, and what it saves, to infer only the frames of a clip that have changed.

The clip is inferred frame by frame, and for each of several thresholds the masks that a run would have taken over are
scored against those that each frame has of its own. Then the clip goes through the pipeline as a run does it, once with
every frame inferred and once with the chosen threshold, and the time of all cores is taken.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.console.progress import Progress, no_progress
from edgeseg.errors import UserError
from edgeseg.given import checked
from edgeseg.image import UInt8, fit
from edgeseg.metrics.confusion import Confusion
from edgeseg.metrics.multilabel import MultilabelConfusion
from edgeseg.runtime.analysis.changes import ChangeDetector, moment_s, shrink
from edgeseg.runtime.analysis.settings import WhenChanged
from edgeseg.runtime.engines.engine import Engine, EngineOptions
from edgeseg.runtime.engines.placement import open_told
from edgeseg.runtime.engines.threshold import ApplyThreshold, threshold_for
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.measure.bench import warm_up
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.source import open_source
from edgeseg.spec import ModelSpec

PERCENTS = (0.0, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Thresholds that are tried beside the one that is asked about."""
MAX_DROP = 1.0
"""Points of mean IoU that may be lost where nobody says otherwise."""
_SLOTS = 2


@dataclass(frozen=True)
class ReuseCost:
    """What one threshold costs.

    Attributes:
        change: percent of the picture that must have changed.
        inferred: frames that are inferred.
        mean_iou: of the masks of all frames against those of their own, over the classes that these show; 0..1.
        class_iou: the same a class; None for a class that no frame shows.
        worst_frame, worst_iou: the frame whose mask differs most, and its mean IoU.
    """

    change: float
    inferred: int
    mean_iou: float
    class_iou: dict[str, float | None]
    worst_frame: int
    worst_iou: float

    @property
    def drop(self) -> float:
        """Points of mean IoU that are lost, 0..100."""
        return 100 * (1 - self.mean_iou)

    @property
    def worst_class(self) -> tuple[str, float]:
        """The class that loses most, and its points."""
        found = [(1 - iou, name) for name, iou in self.class_iou.items() if iou is not None]
        lost, name = max(found)
        return name, 100 * lost


@dataclass(frozen=True)
class ReuseReport:
    """What inferring only what has changed costs and saves on a clip.

    Attributes:
        artifact, clip: what was run on what.
        frames: of the clip.
        refresh_s: how often it is inferred anyway.
        max_drop: points that may be lost.
        costs: of each threshold, the least first.
        chosen: the threshold that was asked about, or the largest that loses at most ``max_drop``; None when all lose
            more.
        one_late: points that masks lose which are all those of the frame before: where that alone is more than may
            be lost, hardly any frame can be spared.
        every_core_ms: time of all cores a frame, everything included, with every frame inferred.
        core_ms: the same with the chosen threshold; None when none is chosen.
    """

    artifact: str
    clip: str
    frames: int
    refresh_s: float
    max_drop: float
    costs: tuple[ReuseCost, ...]
    chosen: ReuseCost | None
    one_late: float
    every_core_ms: float
    core_ms: float | None

    @property
    def holds(self) -> bool:
        """Whether the chosen threshold loses no more than it may."""
        return self.chosen is not None and self.chosen.drop <= self.max_drop

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found = dataclasses.asdict(self)
        for cost, values in zip(self.costs, found["costs"], strict=True):
            values["drop"] = cost.drop
        saved = None if self.core_ms is None else self.every_core_ms / self.core_ms
        chosen = None if self.chosen is None else {**dataclasses.asdict(self.chosen), "drop": self.chosen.drop}
        return {**found, "chosen": chosen, "times_less_core_time": saved, "holds": self.holds}


class _Trial:
    """One threshold: which frames it would infer, and how its masks differ from those of every frame."""

    def __init__(self, settings: WhenChanged, spec: ModelSpec) -> None:
        self.settings, self._spec = settings, spec
        self._detector = ChangeDetector(settings)
        self._counts = _count(spec)
        self._kept: UInt8 | None = None
        self.inferred = 0
        self._worst = (math.inf, 0)

    def take(self, frame: Frame, small: UInt8, labels: UInt8) -> None:
        if self._detector.judge(frame.source, small, moment_s(frame)) or self._kept is None:
            self._kept = labels
            self.inferred += 1
        iou = add_pair(self._counts, self._kept, labels, self._spec)
        self._worst = min(self._worst, (iou, frame.index))

    def cost(self) -> ReuseCost:
        shown = self._counts.truth > 0
        iou = dict(zip(self._spec.classes, self._counts.iou.tolist(), strict=True))
        by_class = {name: iou[name] if is_shown else None for name, is_shown in zip(iou, shown, strict=True)}
        whole = float(self._counts.iou[shown].mean())
        return ReuseCost(self.settings.change, self.inferred, whole, by_class, self._worst[1], self._worst[0])


def add_pair(counts: Confusion, mask: UInt8, own: UInt8, spec: ModelSpec) -> float:
    """Count one frame's mask against its own, and return the mean IoU over the classes that its own shows."""
    one = _count(spec)
    one.update(mask, own)
    counts.add(one)
    shown = one.truth > 0
    return float(one.iou[shown].mean()) if shown.any() else 1.0


def _count(spec: ModelSpec) -> Confusion:
    """Pixels under a threshold have no class, and are scored in no frame's own mask."""
    kind = MultilabelConfusion if spec.task == "multilabel" else Confusion
    void = None if spec.task == "multilabel" or spec.unknown_label < spec.num_classes else spec.unknown_label
    return kind(spec.num_classes, void)


@checked
def measure_reuse(
    artifact: Artifact,
    clip: Path,
    change: float | None = None,
    refresh_s: float = WhenChanged.refresh_s,
    max_drop: float = MAX_DROP,
    options: EngineOptions | None = None,
    progress: Progress = no_progress,
) -> ReuseReport:
    """Measure what it costs and saves to infer only the frames of a clip that have changed.

    Args:
        artifact: what runs.
        clip: a video of a fixed camera.
        change: percent that must have changed; None finds the most that loses at most ``max_drop``.
        refresh_s: how often it is inferred anyway.
        max_drop: points of mean IoU against inferring every frame that may be lost.
        options: device and precision; None for the CPU.
        progress: shown while it works.

    Raises:
        UserError: the clip is no video.
        SourceError, ArtifactError, EngineError: the clip, the artifact or its engine cannot be used.
    """
    threshold = threshold_for(artifact)
    told = dataclasses.replace(options or EngineOptions(), slots=_SLOTS)
    with closing(open_told(artifact, told)) as engine:
        settings = _settings(change, refresh_s)
        trials, one_late, frames = _score(engine, threshold, clip, settings, progress)
        costs = tuple(trial.cost() for trial in trials)
        chosen = _choose(costs, change, max_drop)
        every = _core_ms(engine, threshold, clip, None, progress)
        told_less = None if chosen is None else WhenChanged(chosen.change, refresh_s)
        less = None if told_less is None else _core_ms(engine, threshold, clip, told_less, progress)
    return ReuseReport(artifact.path.name, str(clip), frames, refresh_s, max_drop, costs, chosen, one_late, every, less)


def _settings(change: float | None, refresh_s: float) -> list[WhenChanged]:
    """Every change that is tried, the least first."""
    return [WhenChanged(each, refresh_s) for each in sorted({*PERCENTS, *([] if change is None else [change])})]


def _choose(costs: Sequence[ReuseCost], change: float | None, max_drop: float) -> ReuseCost | None:
    if change is not None:
        return next(cost for cost in costs if cost.change == change)
    return max((cost for cost in costs if cost.drop <= max_drop), key=lambda cost: cost.change, default=None)


def _score(
    engine: Engine, threshold: ApplyThreshold, clip: Path, settings: Sequence[WhenChanged], progress: Progress
) -> tuple[list[_Trial], float, int]:
    spec, slot = engine.spec, engine.open_slot()
    trials = [_Trial(one, spec) for one in settings]
    late, before, frames = _count(spec), None, 0
    with open_source(str(clip)) as source:
        if source.live or source.total == 1:
            raise UserError(f"{clip} is no video; give a clip of the camera whose frames are to be spared.")
        with progress("every frame", source.total or 0) as tick:
            for frame in source:
                fit(frame.image, spec, out=slot.input)
                labels, small = threshold(slot.run()).labels, shrink(frame.luma)
                for trial in trials:
                    trial.take(frame, small, labels)
                if before is not None:
                    late.update(before, labels)
                before, frames = labels, frames + 1
                tick()
    slot.close()
    shown = late.truth > 0
    return trials, 100 * (1 - float(late.iou[shown].mean())) if shown.any() else 0.0, frames


def _core_ms(
    engine: Engine, threshold: ApplyThreshold, clip: Path, when_changed: WhenChanged | None, progress: Progress
) -> float:
    """Time of all cores a frame of a whole run, decoding included; no output looks at its frames."""
    slot = engine.open_slot()
    warm_up(slot, engine.spec)
    slot.close()
    name = "every frame, timed" if when_changed is None else "when changed, timed"
    with open_source(str(clip)) as source, progress(name, source.total or 0) as tick:
        pipeline = Pipeline(engine, source, _SLOTS, threshold, when_changed=when_changed)
        start = time.process_time()
        summary = pipeline.run([], tick)
        spent_s = time.process_time() - start
    return 1e3 * spent_s / max(1, summary.frames)
