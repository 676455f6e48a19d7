"""Images with their masks drawn in, as pictures."""

from __future__ import annotations

from pathlib import Path

import cv2

from edgeseg.files.atomic import TEMPORARY_ADDS_BYTES, atomic_file
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.mask_file import longest_name_bytes, shorten
from edgeseg.runtime.sinks.painter import Painter
from edgeseg.runtime.sinks.save_target import MARK, SaveTarget
from edgeseg.runtime.sinks.sink import ClosableSink
from edgeseg.spec import ModelSpec

_JPEG_QUALITY = 92


class PictureSink(ClosableSink):
    """One picture, or in a folder ``NAME-overlay.jpg`` for each image (``.png`` for images that are none of JPEG).

    Args:
        target: a picture or a folder.
    """

    name = "pictures"
    newest_only = False

    def __init__(self, target: SaveTarget, spec: ModelSpec, painter: Painter | None = None) -> None:
        self._target = target
        self._painter = painter or Painter(spec)
        self._stems: set[str] = set()

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Paint the frame and write it whole, as PNG or JPEG by the name's ending."""
        self._expect_open()
        path = self._target.picture or self._picture_path(frame)
        settings = [] if path.suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        _, data = cv2.imencode(path.suffix, self._painter.paint(frame, prediction), settings)
        with atomic_file(path) as staged:
            staged.write_bytes(data.tobytes())

    def _picture_path(self, frame: Frame) -> Path:
        """Two images may differ in their ending only, or come from two folders."""
        assert self._target.folder is not None
        name = Path(frame.name or f"{frame.index:06d}")
        stem = name.stem if name.stem.casefold() not in self._stems else f"{name.stem}_{frame.index:06d}"
        self._stems.add(stem.casefold())
        return self._target.folder / overlay_name(name.with_name(f"{stem}{name.suffix}"), self._target.folder)


def overlay_name(image: Path, folder: Path) -> str:
    """Name the picture of an image in ``folder``."""
    ending = f"{MARK}.jpg" if image.suffix.lower() in (".jpg", ".jpeg") else f"{MARK}.png"
    room = longest_name_bytes(folder) - len(ending) - TEMPORARY_ADDS_BYTES
    return f"{shorten(image.stem, room)}{ending}"
