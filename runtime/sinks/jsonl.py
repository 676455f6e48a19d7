"""One JSON line a frame."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path

from edgeseg.runtime.events.event import Event, OnEvent, ignore_event
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.class_shares import class_runs, class_shares
from edgeseg.runtime.sinks.lines.file import LineFile
from edgeseg.runtime.sinks.lines.pieces import Pieces, Rotation
from edgeseg.runtime.sinks.lines.schema import LINE_VERSION
from edgeseg.runtime.sinks.lines.stream import LineStream, is_stream
from edgeseg.runtime.sinks.sink import ClosableSink
from edgeseg.spec import ModelSpec

READER_TIMEOUT_S = 5.0
"""How long a file's run waits for somebody to read its pipe."""


class JsonlSink(ClosableSink):
    """One JSON object a line and frame.

    ``version`` (:data:`~edgeseg.runtime.sinks.lines.schema.LINE_VERSION`), ``source`` (the camera's name or the file,
    without credentials), ``index``, ``time`` (UTC, when the frame was captured or read), ``media_s`` (time in the
    recording, null when live), ``name``, ``latency_ms`` (frame to mask), ``reused`` (whether the mask is that of an
    earlier frame, since which nothing changed), ``classes`` (share of the picture a class, 0..1; pixels under the
    threshold of a model without a background class are ``unknown``; classes of a multilabel task overlap, and may add
    up to less or to more than 1), and what was asked for of ``regions``, ``zones``, ``lines``, ``rules``, ``alarms``
    and ``verdict``, as :class:`~edgeseg.runtime.frames.analysis.Analysis` has them.

    With ``masks`` also the run lengths of each class that is there, as COCO has them. Every line is valid by
    :func:`edgeseg.runtime.sinks.lines.schema.load_schema`.

    Args:
        path: a file, or a pipe or device.
        live: add to what the file holds; else begin it anew, and give the reader of a pipe time to come.
        rotation: when to begin a new file, and how much is kept.
        on_event: takes ``deleted``.
        masks: write run lengths too.
    """

    name = "jsonl"
    newest_only = False

    def __init__(
        self,
        path: Path,
        spec: ModelSpec,
        live: bool = False,
        rotation: Rotation = Rotation(),  # noqa: B008
        on_event: OnEvent = ignore_event,
        masks: bool = False,
    ) -> None:
        rotation.check()
        self._spec, self._masks = spec, masks
        self._on_event = on_event
        self._out: LineFile | LineStream
        if is_stream(path):
            self._out = LineStream(path, 0.0 if live else READER_TIMEOUT_S)
        else:
            self._out = LineFile(path, Pieces(path, rotation, live, self._say), anew=not live)

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Write the frame's record as one line."""
        self._expect_open()
        self._out.write(json.dumps(self._record(frame, prediction, latency_ms)).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        super().close()
        self._out.close()

    def _say(self, kind: str, message: str, reason: str = "", **facts: object) -> None:
        self._on_event(Event(kind, self.name, message, reason, facts))

    def _record(self, frame: Frame, prediction: Prediction, latency_ms: float) -> dict[str, object]:
        captured = datetime.datetime.fromtimestamp(
            time.time() - (time.monotonic() - frame.time_s), datetime.timezone.utc
        )
        return {
            "version": LINE_VERSION,
            "source": redact(frame.source),
            "index": frame.index,
            "time": captured.isoformat(timespec="milliseconds"),
            "media_s": None if frame.media_s is None else round(frame.media_s, 4),
            "name": frame.name,
            "latency_ms": round(latency_ms, 3),
            "reused": prediction.reused,
            "classes": class_shares(frame, prediction.labels, self._spec),
            **({"masks": class_runs(frame, prediction.labels, self._spec)} if self._masks else {}),
            **(prediction.analysis.to_dict() if prediction.analysis else {}),
        }
