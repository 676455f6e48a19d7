"""Everything that is looked for in masks, frame by frame, with settings that may change while it runs."""

from __future__ import annotations

import dataclasses
import datetime
import threading
import time
from collections.abc import Mapping

import cv2
import numpy as np

from edgeseg.errors import UserError
from edgeseg.image import UInt8
from edgeseg.runtime.analysis.alarms import Alarm
from edgeseg.runtime.analysis.changes import moment_s
from edgeseg.runtime.analysis.findings import Findings, Places, classes_with_regions
from edgeseg.runtime.analysis.geometry import Geometry
from edgeseg.runtime.analysis.rule import Rule, check_names, describe_known
from edgeseg.runtime.analysis.settings import AnalysisSettings
from edgeseg.runtime.analysis.smoothing import Smoother
from edgeseg.runtime.analysis.specks import fill_small
from edgeseg.runtime.frames.analysis import AlarmEvent, Analysis, LineState, RuleState, Verdict
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.spec import ModelSpec


class Analyzer:
    """Analyses the masks of any number of cameras; from one thread, while others may change what is asked for.

    Args:
        spec: of the network.
        settings: what is looked for; by default nothing, which costs nothing.

    Attributes:
        failed: pictures so far that did not pass `fail_if`.

    Raises:
        UserError: a rule names a class or zone that is not there, or asks for real sizes without a scale.

    Example:
        >>> spec = ModelSpec("binary", ("background", "person"), 8, 8)
        >>> analyzer = Analyzer(spec, AnalysisSettings(alerts=("person > 20%",)))
        >>> frame = Frame(np.zeros((8, 8, 3), np.uint8), 0, 0.0, "camera")
        >>> seen = Prediction(np.repeat(np.uint8([[1], [0], [0], [0]]), 8, 1).repeat(2, 0))
        >>> [str(alarm) for alarm in analyzer.analyze(frame, seen).analysis.alarms]
        ['person > 20%: raised at 25 %']
        >>> analyzer.change(AnalysisSettings())
        >>> analyzer.analyze(frame, seen).analysis is None
        True
    """

    def __init__(self, spec: ModelSpec, settings: AnalysisSettings = AnalysisSettings()) -> None:  # noqa: B008
        self._spec = spec
        self._lock = threading.Lock()
        self._cameras: dict[str, _Camera] = {}
        self._plan = _Plan(settings, spec)
        self.failed = 0

    @property
    def settings(self) -> AnalysisSettings:
        """What is looked for; from any thread."""
        return self._plan.settings

    def check(self, settings: AnalysisSettings) -> None:
        """Find out whether settings could be changed to; from any thread.

        Raises:
            UserError: as when this was made, or a zone leaves the picture of a camera that was seen.
        """
        self._make_plan(settings)

    def change(self, settings: AnalysisSettings) -> None:
        """Change what is looked for, whole and from the next frame on; from any thread.

        Alarms of rules that stay go on as they are; those of rules that go are silent.

        Raises:
            UserError: as from :meth:`check`; then everything stays as it is.
        """
        plan = self._make_plan(settings)
        with self._lock:
            self._plan = plan

    def analyze(self, frame: Frame, prediction: Prediction) -> Prediction:
        """Give a prediction with its analysis, and labels that are smoothed and rid of specks where that is asked for.

        Args:
            frame: frames of a camera come in order.
            prediction: of it; its arrays are not changed.

        Raises:
            UserError: a zone or line leaves this frame.
        """
        with self._lock:
            plan = self._plan
        if plan.settings.is_empty:
            self._cameras.clear()
            return prediction
        if frame.source not in self._cameras:
            self._cameras[frame.source] = _Camera(self._spec)
        found = self._cameras[frame.source].analyze(plan, frame, prediction)
        if found.analysis is not None and found.analysis.verdict is not None:
            self.failed += not found.analysis.verdict.passed
        return found

    def _make_plan(self, settings: AnalysisSettings) -> _Plan:
        plan = _Plan(settings, self._spec)
        for camera in tuple(self._cameras.values()):
            if camera.size is not None:
                Places.draw(*camera.size, self._spec, settings)
        return plan


class _Plan:
    """Settings, read and checked for a network."""

    def __init__(self, settings: AnalysisSettings, spec: ModelSpec) -> None:
        self.settings = settings
        self.rules, self.conditions = settings.rules, settings.conditions
        names = ([zone.name for zone in settings.zones], [line.name for line in settings.lines])
        for rule in (*self.rules, *self.conditions):
            check_names(rule, spec.classes, *names)
            if rule.needs_real_size and settings.mm_per_px is None and settings.plane is None:
                raise UserError(
                    f"The rule {rule.text!r} is in {rule.unit}, and how large a pixel is, is not known. Give "
                    "`mm_per_px`, or a plane with four points of known place in the file of `zones`."
                )
        self.least = _read_least(settings.min_area, spec)
        every = classes_with_regions(spec) if settings.regions else ()
        asked = [spec.classes.index(rule.class_name) for rule in (*self.rules, *self.conditions) if rule.needs_regions]
        self.classes = tuple(sorted({*every, *asked}))


def _read_least(min_area: float | Mapping[str, float], spec: ModelSpec) -> tuple[float, ...]:
    """How many pixels of the frame an area of each class must have."""
    if not isinstance(min_area, Mapping):
        return (min_area,) * spec.num_classes
    for name in min_area:
        if name not in spec.classes:
            raise UserError(f"`min_area` names the class {name!r}. {describe_known('class', name, spec.classes)}")
    return tuple(min_area.get(name, 0.0) for name in spec.classes)


class _Camera:
    """What is remembered of one camera between its frames."""

    def __init__(self, spec: ModelSpec) -> None:
        self.size: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._spec = spec
        self._plan: _Plan | None = None
        self._places: Places | None = None
        self._smoother: Smoother | None = None
        self._alarms: dict[str, Alarm] = {}
        self._lines: tuple[LineState, ...] = ()
        self._last: tuple[UInt8, UInt8, Analysis, tuple[float, ...]] | None = None

    def analyze(self, plan: _Plan, frame: Frame, prediction: Prediction) -> Prediction:
        height, width = prediction.labels.shape
        size = (frame.size, (height, width))
        if plan is not self._plan or size != self.size:
            self._prepare(plan, size)
        labels, analysis, values = self._find(plan, frame, prediction)
        states, alarms = self._judge(frame, values)
        analysis = dataclasses.replace(analysis, rules=states, alarms=alarms)
        return dataclasses.replace(prediction, labels=labels, analysis=analysis)

    def _prepare(self, plan: _Plan, size: tuple[tuple[int, int], tuple[int, int]]) -> None:
        self._places = Places.draw(*size, self._spec, plan.settings)
        lag_s = plan.settings.smooth_s
        if self._plan is None or lag_s != self._plan.settings.smooth_s:
            self._smoother = Smoother(lag_s, self._spec.task, self._spec.num_classes) if lag_s else None
        self._alarms = {rule.text: self._alarms.get(rule.text) or Alarm(rule) for rule in plan.rules}
        self._plan, self.size, self._last = plan, size, None

    def _find(self, plan: _Plan, frame: Frame, prediction: Prediction) -> tuple[UInt8, Analysis, tuple[float, ...]]:
        """Labels as they are shown, what is found in them, and the value of each rule."""
        if self._last is not None and self._last[0] is prediction.labels:  # a mask that was taken over
            _, labels, analysis, values = self._last
            self._lines = tuple(dataclasses.replace(line, first=()) for line in self._lines)
            return labels, dataclasses.replace(analysis, lines=self._lines), values
        assert self._places is not None
        geometry = self._places.geometry
        labels = self._smooth(frame, prediction, geometry)
        inner = geometry.cut(labels)
        filled = fill_small(inner, self._spec, tuple(least / geometry.pixel_area for least in plan.least))
        if filled is not inner:
            labels = labels.copy() if labels is prediction.labels else labels
            geometry.cut(labels)[...] = filled
        findings = Findings(geometry.cut(labels), self._spec, self._places)
        values = tuple(findings.measure(rule) for rule in plan.rules)
        regions, left_out = findings.list_regions(plan.classes)
        self._lines = findings.describe_lines(self._lines)
        zones = findings.describe_zones(regions)
        verdict = _judge_picture(plan.conditions, findings)
        analysis = Analysis(findings.shares, regions, left_out, zones, self._lines, verdict=verdict)
        self._last = (prediction.labels, labels, analysis, values)
        return labels, analysis, values

    def _smooth(self, frame: Frame, prediction: Prediction, geometry: Geometry) -> UInt8:
        if self._smoother is None:
            return prediction.labels
        inner = geometry.cut(prediction.labels)
        confidence = None if prediction.confidence is None else geometry.cut(prediction.confidence)
        labels = self._smoother.smooth(inner, confidence, _shrink_luma(frame, inner.shape), moment_s(frame))
        if labels.shape == prediction.labels.shape:
            return labels
        whole = prediction.labels.copy()
        geometry.cut(whole)[...] = labels
        return whole

    def _judge(self, frame: Frame, values: tuple[float, ...]) -> tuple[tuple[RuleState, ...], tuple[AlarmEvent, ...]]:
        if not self._alarms:
            return (), ()
        at_s, moment = moment_s(frame), _local_time(frame)
        judged = [alarm.judge(value, at_s, moment) for alarm, value in zip(self._alarms.values(), values, strict=True)]
        return tuple(state for state, _ in judged), tuple(event for _, event in judged if event is not None)


def _judge_picture(conditions: tuple[Rule, ...], findings: Findings) -> Verdict | None:
    if not conditions:
        return None
    values = {rule.text: findings.measure(rule) for rule in conditions}
    failed = tuple(rule.text for rule in conditions if rule.is_met(values[rule.text], active=False))
    return Verdict(not failed, failed, values)


def _shrink_luma(frame: Frame, shape: tuple[int, ...]) -> UInt8:
    luma = frame.image[..., 1]
    return np.asarray(cv2.resize(luma, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), np.uint8)


def _local_time(frame: Frame) -> datetime.datetime:
    """When a frame was captured or read, on the clock of this place."""
    return datetime.datetime.fromtimestamp(time.time() - (time.monotonic() - frame.time_s))
