"""Masks as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeseg.files.atomic import writing
from edgeseg.image import unfit
from edgeseg.mask_png import mask_png
from edgeseg.multilabel import label_palette
from edgeseg.runtime.events.event import Event, OnEvent, ignore_event
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.camera_names import make_slugs
from edgeseg.runtime.sinks.mask_folder import MaskFolder
from edgeseg.runtime.sinks.sink import ClosableSink
from edgeseg.spec import ModelSpec


class MaskSink(ClosableSink):
    """A folder of palette PNG files: label indices at the frame's own size, of a multilabel task a bit a class.

    A mask has its image's name, or the frame's index where frames have no names. Several cameras, whose names are in
    ``sources``, have a folder each.

    Args:
        live: leave masks of earlier runs alone: where a folder holds any, names begin with the time of this run (UTC),
            because frames are counted from 0 again. Else masks of an earlier run on the same source are replaced.
        keep_bytes: delete the oldest masks of live runs rather than hold more, for all cameras together.
        origin: of the masks; see :func:`edgeseg.runtime.sinks.mask_folder.mask_origin`.
        on_event: takes ``deleted`` and ``note``.
    """

    name = "masks"
    newest_only = False

    def __init__(
        self,
        folder: Path,
        spec: ModelSpec,
        sources: Sequence[str] = (),
        live: bool = False,
        keep_bytes: int | None = None,
        origin: str = "",
        on_event: OnEvent = ignore_event,
    ) -> None:
        self._folder = folder
        self._spec, self._palette = spec, label_palette(spec)
        self._slugs = make_slugs(sources) if len(sources) > 1 else {}
        self._live, self._origin, self._on_event = live, origin, on_event
        self._keep_bytes = keep_bytes and keep_bytes // max(1, len(self._slugs))
        self._folders: dict[str, MaskFolder] = {}

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Write the mask of the frame at the frame's size, as a PNG of label values with the palette."""
        self._expect_open()
        height, width = frame.size
        mask = unfit(prediction.labels, self._spec, (height, width))
        with writing(self._folder / (frame.name or f"{frame.index:06d}")):
            self._mask_folder(frame).put(frame.name, frame.index, mask_png(mask, self._palette))

    def _mask_folder(self, frame: Frame) -> MaskFolder:
        slug = self._slugs.get(frame.source, "")
        if slug not in self._folders:
            self._folders[slug] = self._open_folder(slug)
        return self._folders[slug]

    def _open_folder(self, slug: str) -> MaskFolder:
        return MaskFolder(self._folder / slug, self._origin, self._live, self._keep_bytes, self._say)

    def _say(self, kind: str, message: str, reason: str = "", **facts: object) -> None:
        self._on_event(Event(kind, self.name, message, reason, facts))
