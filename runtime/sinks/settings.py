"""A run's outputs in settings: where masks go, and how much of it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.quantities import duration_or_size, duration_s, number, parse_limit
from edgeseg.errors import UserError
from edgeseg.files.output_paths import is_same
from edgeseg.runtime.sinks.messages.settings import MqttSettings
from edgeseg.runtime.sinks.views.settings import ViewSettings

if TYPE_CHECKING:
    from edgeseg.runtime.recording.recording import RecordingPolicy
    from edgeseg.runtime.sinks.lines.pieces import Rotation

LIVE_RECORDING_BYTES, LIVE_MASKS_BYTES, LIVE_LINES_BYTES = 20_000_000_000, 10_000_000_000, 1_000_000_000
"""What is kept of a camera's outputs where nothing else is asked for, so that none fills a disk."""

SPLIT = "train"
"""Of the data folder that frames and masks make."""


@dataclass(frozen=True)
class OutputSettings:
    """Where the masks of a run go.

    Times are ``"30s"``, ``"10min"``, ``"1.5h"``, ``"1d"``; sizes ``"500MB"``, ``"20GB"``, and ``"all"`` for no limit.

    Attributes:
        show: draw the masks in a window.
        save: with the masks drawn in: a video, of an image a picture, or a folder.
        legend: name the classes on what is drawn.
        save_every: begin a new file of ``save`` so often.
        keep: delete the oldest files of ``save_every`` beyond this size, or stop the one file; None for 20 GB of a
            camera and else all.
        save_masks: a folder for label indices as PNG, at the frame's size.
        masks_keep: delete the oldest masks beyond this size; None for 10 GB of a camera and else all.
        jsonl: a file for one JSON line a frame.
        jsonl_every: begin a new file of ``jsonl`` so often or so large.
        jsonl_keep: delete the oldest files of ``jsonl`` beyond this size; None for 1 GB of a camera and else all.
        jsonl_masks: write run lengths of each class into ``jsonl`` too.
        save_frames: a folder for the frames as PNG, of their masks' names; where it is that of ``save_masks``, that is
            a data folder to train on.
        min_confidence: pixels of ``save_masks`` that are less sure are void (255), 0..1; None for no such limit.
        messages: to a broker.
        metrics: ``[HOST:]PORT`` that answers Prometheus.
        webhook: address that each alarm is posted to.
        webhook_secret: a file with what those are signed with.
        view: how ``show`` and ``save`` draw the masks.

    Raises:
        UserError: a time or a size that is none.

    Example:
        >>> from pathlib import Path
        >>> OutputSettings(save=Path("out.mkv"), save_every="10min", keep="5GB").policy(live=True).keep_bytes
        5000000000
    """

    show: bool = False
    save: Path | None = None
    legend: bool = True
    save_every: str | None = None
    keep: str | None = None
    save_masks: Path | None = None
    masks_keep: str | None = None
    jsonl: Path | None = None
    jsonl_every: str | None = None
    jsonl_keep: str | None = None
    save_frames: Path | None = None
    min_confidence: float | None = None
    view: ViewSettings = field(default_factory=ViewSettings)
    jsonl_masks: bool = False
    messages: MqttSettings = field(default_factory=MqttSettings)
    metrics: str | None = None
    webhook: str | None = field(default=None, repr=False)
    webhook_secret: Path | None = None

    def __post_init__(self) -> None:
        if self.min_confidence is not None:
            number(0, 1).expect("min_confidence", self.min_confidence)
        for name in ("save", "save_masks", "save_frames", "jsonl"):
            if not isinstance(value := getattr(self, name), Path | None):
                raise UserError(f"`{name}` is a pathlib.Path; found {value!r}.")
        if self.save_every:
            duration_s(self.save_every)
        if self.jsonl_every:
            duration_or_size(self.jsonl_every)
        for size in (self.keep, self.masks_keep, self.jsonl_keep):
            parse_limit(size, None)

    @property
    def is_empty(self) -> bool:
        """Whether nobody will see what the run finds."""
        return not any(
            (self.save, self.save_masks, self.jsonl, self.show, self.messages.mqtt, self.metrics, self.webhook)
        )

    @property
    def is_training_data(self) -> bool:
        """Whether frames and masks go to one folder, which is a data folder then."""
        return bool(self.save_frames and self.save_masks and is_same(self.save_frames, self.save_masks))

    @property
    def training_folders(self) -> tuple[Path, ...]:
        """Where pictures go beside the masks: the frames, and in a data folder both."""
        if self.save_frames is None or not self.is_training_data:
            return (self.save_frames,) if self.save_frames else ()
        return self.save_frames / "images" / SPLIT, self.save_frames / "masks" / SPLIT

    def policy(self, live: bool) -> RecordingPolicy:
        """Choose how recordings are kept."""
        from edgeseg.runtime.recording.recording import RecordingPolicy

        every_s = duration_s(self.save_every) if self.save_every else None
        return RecordingPolicy(live, every_s, parse_limit(self.keep, LIVE_RECORDING_BYTES if live else None))

    def masks_keep_bytes(self, live: bool) -> int | None:
        """Choose how much of the masks is kept; None for all."""
        return parse_limit(self.masks_keep, LIVE_MASKS_BYTES if live else None)

    def rotation(self, live: bool) -> Rotation:
        """Choose when files of lines are full, and how many are kept."""
        from edgeseg.runtime.sinks.lines.pieces import Rotation

        every_s, every_bytes = duration_or_size(self.jsonl_every) if self.jsonl_every else (None, None)
        default = max(LIVE_LINES_BYTES, 2 * (every_bytes or 0)) if live else None
        return Rotation(every_s, every_bytes, parse_limit(self.jsonl_keep, default))

    def check_meant(self, records: bool) -> None:
        """Refuse what is said about an output that is not asked for.

        Args:
            records: whether ``save`` is a video.

        Raises:
            UserError: it has nothing to apply to.
        """
        recording, masks, lines = "`save='OUT.mkv'`", "`save_masks=DIR`", "`jsonl=FILE`"
        for name, output, missing in (
            ("save_every", records, recording),
            ("keep", records, recording),
            ("masks_keep", self.save_masks, masks),
            ("save_frames", self.save_masks, masks),
            ("min_confidence", self.save_masks, masks),
            ("jsonl_every", self.jsonl, lines),
            ("jsonl_keep", self.jsonl, lines),
            ("jsonl_masks", self.jsonl, lines),
            ("webhook_secret", self.webhook, "`webhook=URL`"),
        ):
            if getattr(self, name) not in (None, False) and not output:
                raise UserError(f"`{name}` needs something to apply to: give {missing} too.")
        if self.view != ViewSettings() and not (self.save or self.show):
            raise UserError("`view` needs something to apply to: give `save=OUT` or `show=True` too.")
        if self.view.view == "privacy" and self.save_frames:
            raise UserError(
                "`save_frames` keeps frames as they are, which `view='privacy'` is to prevent. Leave one out."
            )
