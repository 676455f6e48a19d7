"""Frames with their masks drawn in, as video files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeseg.console.extras import require
from edgeseg.errors import OutputError
from edgeseg.runtime.events.event import OnEvent, ignore_event
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.recording.recording import Recording, RecordingPolicy
from edgeseg.runtime.recording.video_file import CONTAINERS
from edgeseg.runtime.sinks.camera_names import make_slugs
from edgeseg.runtime.sinks.painter import Painter
from edgeseg.runtime.sinks.sink import ClosableSink
from edgeseg.spec import ModelSpec


def check_video_path(path: Path) -> None:
    """Raise OutputError for an ending that is no known container."""
    if path.suffix.lower() not in CONTAINERS:
        raise OutputError(f"A video is saved as {', '.join(CONTAINERS)}; found {path.name!r}. Rename it.")


class VideoSink(ClosableSink):
    """A recording of each camera, in the time of the source.

    While it is written a file is called ``NAME.partial.mp4``, and it plays whatever happens to this process, all
    but the last second. It gets its name when it is closed; after an error it keeps the partial one unless it is
    a live recording, which says what happened in an event and goes on when it can.

    Args:
        path: what is written; of several cameras each has ``NAME-CAMERA.mkv``.
        fps: frames a second where known.
        saving: live or not, segments, how much is kept. Several cameras share ``keep_bytes`` equally.
        on_event: see :class:`edgeseg.runtime.recording.recording.Recording`.
        sources: names of the cameras; one or none need no names.
        painter: draws the masks; None for one of the spec.

    Raises:
        OutputError: an ending that is no known container.
        UserError: a ``saving`` that cannot be meant.
    """

    name = "video"
    newest_only = False

    def __init__(
        self,
        path: Path,
        spec: ModelSpec,
        fps: float | None,
        saving: RecordingPolicy = RecordingPolicy(),  # noqa: B008
        on_event: OnEvent = ignore_event,
        sources: Sequence[str] = (),
        painter: Painter | None = None,
    ) -> None:
        check_video_path(path)
        saving.check()
        require("av")
        self._path, self._fps, self._on_event = path, fps, on_event
        self._painter = painter or Painter(spec)
        self._slugs = make_slugs(sources) if len(sources) > 1 else {}
        self._saving = saving.shared_by(len(self._slugs))
        self._recordings: dict[str, Recording] = {}

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Paint the frame and append it to its camera's recording."""
        self._expect_open()
        recording = self._open_recording(frame)
        time_s = frame.time_s if frame.media_s is None else frame.media_s
        if recording.takes(time_s):
            recording.write(self._painter.paint(frame, prediction), time_s)

    def close(self) -> None:
        """Finish every camera's recording, then raise the first failure."""
        super().close()
        failure: OutputError | None = None
        for recording in self._recordings.values():
            try:
                recording.close()
            except OutputError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _open_recording(self, frame: Frame) -> Recording:
        slug = self._slugs.get(frame.source, "")
        if slug not in self._recordings:
            path = self._path.with_name(f"{self._path.stem}-{slug}{self._path.suffix}") if slug else self._path
            self._recordings[slug] = Recording(path, self._fps, self._saving, self._on_event, redact(frame.source))
        return self._recordings[slug]
