"""Masks as PNG files."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from edgeseg.files import writing
from edgeseg.image import unfit
from edgeseg.mask_png import mask_png
from edgeseg.runtime.frame import Frame, Prediction
from edgeseg.runtime.sinks_sources import slugs_of
from edgeseg.spec import ModelSpec


class MaskSink:
    """A folder of palette PNG files: label indices at the frame's own size.

    A mask has its image's name, or the frame's index where frames have no names. Several cameras, whose names are in
    ``sources``, have a folder each.

    Args:
        append: where a folder holds masks already, begin the names with the time of this run (UTC), because frames are
            counted from 0 again.
    """

    name = "masks"
    newest_only = False

    def __init__(self, folder: Path, spec: ModelSpec, sources: Sequence[str] = (), append: bool = False) -> None:
        self._folder = folder
        self._spec = spec
        self._slugs = slugs_of(sources) if len(sources) > 1 else {}
        self._append = append
        self._stems: set[str] = set()
        self._prefixes: dict[Path, str] = {}

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        height, width = frame.image.shape[:2]
        mask = unfit(prediction.labels, self._spec, (height, width))
        folder = self._folder / self._slugs.get(frame.source, "")
        target = folder / f"{self._prefix(folder)}{self._stem(frame)}.png"
        with writing(target):
            folder.mkdir(parents=True, exist_ok=True)
            _write_whole(target, mask_png(mask, self._spec.palette))

    def close(self) -> None:
        pass

    def _prefix(self, folder: Path) -> str:
        if folder not in self._prefixes:
            is_used = self._append and next(folder.glob("*.png"), None) is not None
            now = datetime.datetime.now(datetime.timezone.utc)
            self._prefixes[folder] = f"{now:%Y%m%dT%H%M%SZ}-" if is_used else ""
        return self._prefixes[folder]

    def _stem(self, frame: Frame) -> str:
        """Two images may differ in their ending only, or come from two folders."""
        if not frame.name:
            return f"{frame.index:06d}"
        stem = Path(frame.name).stem
        if stem in self._stems:
            stem = f"{stem}_{frame.index:06d}"
        self._stems.add(stem)
        return stem


def _write_whole(target: Path, data: bytes) -> None:
    staged = target.with_name(f".{target.name}.tmp")
    try:
        staged.write_bytes(data)
        staged.replace(target)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
