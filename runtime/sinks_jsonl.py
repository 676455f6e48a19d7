"""One JSON line a frame."""

from __future__ import annotations

import datetime
import json
import os
import time
from pathlib import Path

import numpy as np

from edgeseg.files import writing
from edgeseg.image import UInt8, placement
from edgeseg.runtime.frame import Frame, Prediction
from edgeseg.runtime.redact import redact
from edgeseg.spec import ModelSpec


class JsonlSink:
    """One JSON object a line and frame.

    ``source`` (the camera's name or the file, without credentials), ``index``, ``time`` (UTC, when the frame was
    captured or read), ``media_s`` (time in the recording, null when live), ``name``, ``latency_ms`` (frame to mask),
    ``classes`` (share of the picture a class, 0..1; pixels under the threshold of a model without a background class
    are ``unknown``).

    Args:
        append: add to what the file holds; a line that was cut off there is ended first.
    """

    name = "jsonl"
    newest_only = False

    def __init__(self, path: Path, spec: ModelSpec, append: bool = False) -> None:
        self._path = path
        self._append_to = append
        self._spec = spec
        self._file: int | None = None
        self._length = 0

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        line = json.dumps(self._record(frame, prediction, latency_ms)).encode() + b"\n"
        with writing(self._path):
            self._append(self._opened(), line)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _opened(self) -> int:
        if self._file is not None:
            return self._file
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = file = os.open(self._path, os.O_RDWR | os.O_CREAT | (0 if self._append_to else os.O_TRUNC), 0o666)
        self._length = os.lseek(file, 0, os.SEEK_END)
        if self._length:
            os.lseek(file, -1, os.SEEK_END)
            if os.read(file, 1) != b"\n":
                self._append(file, b"\n")
        return file

    def _append(self, file: int, line: bytes) -> None:
        try:
            _write_all(file, line)
        except OSError:
            os.ftruncate(file, self._length)
            raise
        self._length += len(line)

    def _record(self, frame: Frame, prediction: Prediction, latency_ms: float) -> dict[str, object]:
        captured = datetime.datetime.fromtimestamp(
            time.time() - (time.monotonic() - frame.time_s), datetime.timezone.utc
        )
        return {
            "source": redact(frame.source),
            "index": frame.index,
            "time": captured.isoformat(timespec="milliseconds"),
            "media_s": None if frame.media_s is None else round(frame.media_s, 4),
            "name": frame.name,
            "latency_ms": round(latency_ms, 3),
            "classes": self._shares(frame, prediction.labels),
        }

    def _shares(self, frame: Frame, labels: UInt8) -> dict[str, float]:
        spec = self._spec
        at = placement((frame.image.shape[0], frame.image.shape[1]), spec)
        inside = labels[at.top : at.top + at.height, at.left : at.left + at.width]
        counts = np.bincount(inside.ravel(), minlength=256) / inside.size
        shares = {name: round(float(counts[label]), 5) for label, name in enumerate(spec.classes)}
        if spec.unknown_label >= spec.num_classes:
            shares["unknown"] = round(float(counts[spec.unknown_label]), 5)
        return shares


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
