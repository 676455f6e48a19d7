"""The recording of one camera: a file, or a chain of segments."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from edgeseg.errors import OutputError, UserError
from edgeseg.image import UInt8
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.recording.append_only_file import NoRoom
from edgeseg.runtime.recording.folder import RecordingFolder, partial_path
from edgeseg.runtime.recording.video_file import VideoFile


@dataclass(frozen=True)
class RecordingPolicy:
    """How a recording is kept.

    Attributes:
        live: True for cameras: finished files are never replaced, a size that changes begins a new file, and a disk
            that fills stops the recording but not the run.
        every_s: begin a new segment after so much time of the frames' own clock; None for one file.
        keep_bytes: delete the oldest segments rather than hold more; a live recording that is one file stops there.
            None to keep all.
        retry_s: how long a live recording that stopped waits before it tries again.
    """

    live: bool = False
    every_s: float | None = None
    keep_bytes: int | None = None
    retry_s: float = 30.0

    def check(self) -> None:
        """Raise UserError for what cannot be meant."""
        if self.every_s is not None and self.every_s < 1:
            raise UserError(f"`save_every` must be at least 1s; found {self.every_s:g}s.")
        if self.keep_bytes is not None and self.every_s is None and not self.live:
            raise UserError("`keep` deletes whole segments and there is one file only. Give `save_every` too.")

    def shared_by(self, cameras: int) -> RecordingPolicy:
        """Give each of several cameras an equal part of what is kept, so that none can push out another's."""
        if self.keep_bytes is None or cameras < 2:
            return self
        return dataclasses.replace(self, keep_bytes=self.keep_bytes // cameras)


class Recording:
    """Pictures of one camera into files of one name.

    Args:
        path: folder, name and ending.
        fps: pictures a second where known.
        saving: checked.
        on_event: takes ``recording``, ``recorded``, ``deleted``, ``recording-stopped``, ``recording-resumed`` and
            ``recording-salvaged``. That a file is recorded to the one name that was given is not said.
        source: the camera's name in those events.
    """

    def __init__(self, path: Path, fps: float | None, saving: RecordingPolicy, on_event: OnEvent, source: str) -> None:
        self._rate = Fraction(min(max(fps or 25.0, 1.0), 240.0)).limit_denominator(1001)
        self._saving = saving
        self._on_event = on_event
        self._source = source
        self._shelf = RecordingFolder(path, saving.every_s is not None, saving.keep_bytes, self._say)
        self._overwrite = not saving.live and saving.every_s is None
        self._video: VideoFile | None = None
        self._target = path
        self._shape: tuple[int, ...] = ()
        self._start_s = 0.0
        self._is_new = True
        self._stopped_s: float | None = None
        self._retry_s = 0.0
        self._broken = self._closed = False

    def takes(self, time_s: float) -> bool:
        """Tell whether a picture need be painted: False while a recording that stopped waits."""
        return not self._broken and (self._stopped_s is None or self._video is not None or time_s >= self._retry_s)

    def write(self, picture: UInt8, time_s: float) -> None:
        """Record a BGR picture.

        Args:
            time_s: of the frame's own clock: the medium's, or the monotonic one.

        Raises:
            OutputError: this is closed; or it is not live and cannot be written.
        """
        if self._closed:
            raise OutputError(f"The recording {self._target} is closed; open another one to record more.")
        try:
            self._record(picture, time_s)
        except OutputError as error:
            self._note_failure(error, time_s)

    def close(self) -> None:
        """Finish the file; a second call does nothing."""
        self._closed = True
        if self._video is None:
            return
        try:
            self._finish()
        except OutputError as error:
            self._note_failure(error, self._start_s)

    def _record(self, picture: UInt8, time_s: float) -> None:
        reason = self._reason_to_begin(picture, time_s)
        if reason is not None:
            self._finish()
            self._begin(picture, time_s, reason)
        assert self._video is not None
        self._video.encode(picture, time_s)
        if self._stopped_s is not None and self._video.holds_pictures:
            self._resume(time_s)

    def _reason_to_begin(self, picture: UInt8, time_s: float) -> str | None:
        """One word for why a new file is needed; None where it is not."""
        if self._video is None:
            return "first"
        if self._saving.every_s is not None and time_s - self._start_s >= self._saving.every_s:
            return "time"
        if self._saving.live and picture.shape != self._shape:
            return "resized"
        return None

    def _begin(self, picture: UInt8, time_s: float, reason: str) -> None:
        if self._is_new:
            self._is_new = False
            self._shelf.salvage()
        self._target = self._shelf.new_target(self._overwrite)
        endless = self._saving.live and self._saving.every_s is None
        self._video = VideoFile(partial_path(self._target), self._target, self._rate, endless, self._shelf.make_room)
        self._shape, self._start_s = picture.shape, time_s
        if self._stopped_s is None and not self._overwrite:
            height, width = picture.shape[:2]
            resized = f" The picture is {width}x{height} now." if reason == "resized" else ""
            self._say("recording", f"Recording to {self._target}.{resized}", reason, path=str(self._target))

    def _finish(self) -> None:
        if self._video is None:
            return
        self._video.finish()
        video, self._video = self._video, None
        self._put(video)

    def _put(self, video: VideoFile) -> None:
        path = self._shelf.put(video.partial, self._target, video.size, self._overwrite)
        if not self._overwrite:
            message = f"Recorded {path}: {video.seconds:.1f} s, {video.size / 1e6:.1f} MB."
            self._say("recorded", message, path=str(path), bytes=video.size, seconds=round(video.seconds, 3))

    def _note_failure(self, error: OutputError, time_s: float) -> None:
        video, self._video = self._video, None
        if video is not None:
            video.abandon()
        if not self._saving.live:
            self._broken = True
            kept = f" What was recorded until then is in {video.partial.name}." if video and video.size else ""
            raise OutputError(f"{error}{kept}") from error.__cause__
        self._retry_s = time_s + self._saving.retry_s
        if video is not None:
            self._keep_what_plays(video)
        if self._stopped_s is None:
            self._stopped_s = time_s
            message = f"{error} Recording stopped; it is tried again every {self._saving.retry_s:g} s."
            self._say("recording-stopped", message, _failure_reason(error), path=str(self._target))

    def _keep_what_plays(self, video: VideoFile) -> None:
        """Where even that fails, because the disk is gone, the next run finds the partial file."""
        with contextlib.suppress(OSError, OutputError):
            if video.holds_pictures:
                self._put(video)
            else:
                video.partial.unlink(missing_ok=True)

    def _resume(self, time_s: float) -> None:
        outage_s = round(time_s - (self._stopped_s or 0.0), 3)
        self._stopped_s = None
        message = f"Recording again, to {self._target}; {outage_s:.0f} s are missing."
        self._say("recording-resumed", message, path=str(self._target), outage_s=outage_s)

    def _say(self, kind: str, message: str, reason: str = "", **facts: object) -> None:
        self._on_event(Event(kind, self._source, message, reason, facts))


def _failure_reason(error: OutputError) -> str:
    """One word for why something could not be written: ``disk-full``, ``limit`` or ``not-writable``."""
    cause = error.__cause__
    if isinstance(cause, NoRoom):
        return "limit"
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return "disk-full" if full else "not-writable"
