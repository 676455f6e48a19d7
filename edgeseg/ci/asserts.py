"""Assertions about an artifact, for tests in pytest or any other runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgeseg.artifact import Artifact, open_artifact
from edgeseg.ci.golden_masks import Agreement, compare_masks, draw_difference, list_pictures, predict_masks, save_masks
from edgeseg.ci.outcome import Outcome, list_outcomes
from edgeseg.ci.recorder import Recorder
from edgeseg.errors import DataError, GateFailed, NoVerdict, UserError

WORST_DRAWN = 3
DEFAULT_MAX_RATIO = 1.06


@dataclass(frozen=True)
class Asserting:
    """An artifact, what it is tested on, and where differences are left.

    Attributes:
        artifact: what is tested.
        data: labelled images, or a folder of them; None: assertions on pictures are refused.
        baseline: what latency is held against: an artifact, or a file of :func:`edgeseg.api.check.check`.
        diffs: folder of difference pictures.
        is_update: write what is held against, in the place of holding anything.
        test: name of the test, for the report.
        recorder: is told what each assertion said.

    Raises:
        ArtifactError: no artifact, or one that was changed.

    Example:
        >>> Asserting("cells-int8-openvino", "scenes").assert_iou(min=0.8)
    """

    artifact: Artifact
    data: Path | None = None
    baseline: Path | None = None
    diffs: Path = Path("edgeseg-diffs")
    is_update: bool = False
    test: str = ""
    recorder: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        object.__setattr__(self, "artifact", open_artifact(self.artifact))
        for name in ("data", "baseline", "diffs"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else Path(value))

    def assert_iou(
        self, *, min: float | Mapping[str, float] | None = None, max_drop: float | None = None, split: str = "val"
    ) -> None:
        """Hold the IoU on labelled images.

        Args:
            min: least mIoU, 0..1, or least IoU of classes by their names.
            max_drop: points of mIoU that may be lost against the record in the artifact, on the pictures of its proof;
                its whole budget is held with it. With neither of both that is asserted, with the artifact's own limits.
            split: which split ``min`` is measured on.

        Raises:
            GateFailed: it is not held.
            DataError: the data cannot be used, or has other classes.
        """
        if min is not None:
            self._hold_floor(min, split)
        if max_drop is not None or min is None:
            from edgeseg.api.check import check

            checked = check(self.artifact, data=self._expect_data(), max_drop=max_drop)
            self._tell_all(list_outcomes(checked)[1:], checked.misses)

    def _hold_floor(self, least: float | Mapping[str, float], split: str) -> None:
        from edgeseg.api.evaluate import evaluate

        found = evaluate(self.artifact, self._expect_data(), split=split)
        values = {"mIoU": found.confusion.mean_iou}
        values |= dict(zip(self.artifact.spec.classes, found.confusion.iou.tolist(), strict=False))
        floors = {"mIoU": least} if isinstance(least, int | float) else dict(least)
        if strange := sorted(set(floors) - set(values)):
            raise UserError(f"`min` names {strange[0]}; the classes are {', '.join(self.artifact.spec.classes)}.")
        outcomes = []
        for name, floor in floors.items():
            sentence = (
                f"IoU of {name} is {values[name]:.4f} on {found.images} images of {split!r}; {floor:g} is asserted."
            )
            passed = values[name] >= floor
            outcomes.append(
                Outcome(f"least {name}", "passed" if passed else "failed", 1 - values[name], 1 - floor, sentence)
            )
        self._tell_all(outcomes)

    def assert_latency(self, *, max_ratio: float = DEFAULT_MAX_RATIO, max_ms: float | None = None) -> None:
        """Hold the latency.

        Args:
            max_ratio: how often the baseline's time a run may take, 1.06 for 6 % more.
            max_ms: most milliseconds of the median run, whatever the baseline; asserted alone where there is none.

        Raises:
            GateFailed: it is slower.
            NoVerdict: the machine is too noisy to tell.
            UserError: there is no baseline, or it holds nothing of this model or device.
        """
        from edgeseg.api.check import check

        if max_ms is not None:
            self._tell_all(list_outcomes(check(self.artifact, max_latency_ms=max_ms))[1:])
        if self.baseline is None:
            if max_ms is not None:
                return
            raise UserError("Latency is held against what it was: give `baseline`, an artifact or a file.")
        if self.is_update and not self.baseline.is_dir():
            check(self.artifact, save_baseline=self.baseline)
            return
        checked = check(self.artifact, baseline=self.baseline, max_slowdown=max_ratio - 1)
        self._tell_all(list_outcomes(checked)[1:])

    def assert_masks_match(
        self, reference_dir: str | Path, *, min_agreement: float = 0.999, split: str = "val"
    ) -> None:
        """Hold masks against those that are kept, picture by picture.

        Args:
            reference_dir: a PNG of labels a picture, called as that is.
            min_agreement: least share of the pixels of each picture that has the label of then.
            split: which pictures, where the data is a data folder.

        Raises:
            GateFailed: one differs by more; pictures of the worst show where.
            DataError: a mask is missing, or is of no picture.
        """
        folder, images = Path(reference_dir), list_pictures(self._expect_data(), split)
        masks = predict_masks(self.artifact, images)
        if self.is_update:
            save_masks(folder, images, masks)
            return
        try:
            found = sorted(compare_masks(folder, images, masks), key=lambda one: one.share)
        except DataError as error:
            raise DataError(f"{error} Write masks anew with `is_update=True`.") from None
        self._judge_masks(found, min_agreement)

    def _judge_masks(self, found: list[Agreement], least: float) -> None:
        bad = [one for one in found if one.share < least]
        drawn = []
        for one in bad[:WORST_DRAWN]:
            path = self.diffs / f"{self.artifact.path.name}-{one.image.stem}.png"
            draw_difference(one, self.artifact.spec, path)
            drawn.append(str(path))
        worst = found[0]
        sentence = (
            f"{len(bad)} of {len(found)} masks differ from those that are kept in more than "
            f"{100 * (1 - least):.2g} % of their pixels, at worst {worst.image.name} in "
            f"{100 * (1 - worst.share):.2f} %."
        )
        if drawn:
            sentence += f" Where, is drawn in {', '.join(drawn)}."
        outcome = Outcome("masks match", "failed" if bad else "passed", 1 - worst.share, 1 - least, sentence)
        self._tell_all([outcome], pictures=tuple(drawn))

    def _expect_data(self) -> Path:
        if self.data is None:
            raise UserError("This is asserted on pictures: give `data`, a data folder.")
        return self.data

    def _tell_all(self, outcomes: list[Outcome], more: str = "", pictures: tuple[str, ...] = ()) -> None:
        """Record outcomes, and raise for those that did not pass."""
        for one in outcomes:
            self.recorder.add(self.test, one, pictures)
        if bad := [one for one in outcomes if one.verdict == "failed"]:
            raise GateFailed(" ".join([*(f"{one.name}: {one.sentence}" for one in bad), more]).strip())
        if unsure := [one.sentence for one in outcomes if one.verdict == "cannot tell"]:
            raise NoVerdict(" ".join(unsure))
