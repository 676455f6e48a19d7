"""``http://camera/snapshot.jpg``: a picture that is asked for again and again, in the capture process.

Whoever serves it is asked whether it has changed (``If-None-Match``, ``If-Modified-Since``; RFC 9110, section 13); a
picture that has not, by that answer or by its bytes, is no new frame.
"""

from __future__ import annotations

import hashlib
import time
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edgeseg.errors import DataError
from edgeseg.files.image_bytes import IMAGE_SUFFIXES
from edgeseg.image import UInt8, decode_image
from edgeseg.runtime.cameras.capture.av_reader import check_host
from edgeseg.runtime.cameras.capture.http_pictures import HttpAnswer, HttpPictures
from edgeseg.runtime.cameras.capture.output import Output
from edgeseg.runtime.cameras.capture.stream_fault import PERMANENT, StreamFault
from edgeseg.runtime.cameras.capture.tls_trust import SYSTEM, Trust

if TYPE_CHECKING:
    from email.message import Message

POLL_FPS = 1.0
"""Pictures a second that are asked for, unless a run says otherwise."""
_STEP_S = 0.1
_FORGIVEN = 0.5
"""Share of the time to be silent after which answers that fail are a loss, and no longer one bad answer."""
_NO_PICTURES = ("text/", "application/json", "application/xml", "application/xhtml")


def names_a_picture(target: str) -> bool:
    """Tell whether the path of an address ends as a picture's name does.

    >>> names_a_picture("http://cam/snapshot.jpg?channel=1"), names_a_picture("http://cam/video.mjpg")
    (True, False)
    """
    return PurePosixPath(urlsplit(target).path).suffix.lower() in IMAGE_SUFFIXES


class SnapshotReader:
    """Asks for a picture at a rate.

    Args:
        target: its address.
        options: ``fps``, how often a second, as text; :data:`POLL_FPS` where there is none.
        timeouts_s: for opening, and for each answer.
        trust: which certificate is taken.

    Attributes:
        is_still: False where a stream came in place of a picture; then this is of no use.

    Raises:
        StreamFault: nothing came that is a picture or a stream.
    """

    def __init__(
        self, target: str, options: dict[str, str], timeouts_s: tuple[float, float], trust: Trust = SYSTEM
    ) -> None:
        check_host(target)
        self.fps: float | None = float(options.get("fps", POLL_FPS))
        self._period_s = 1 / self.fps
        self._forgiven_s = timeouts_s[1] * _FORGIVEN
        self._pictures = HttpPictures(target, timeouts_s[1], trust)
        self._digest = b""
        self._conditions: dict[str, str] = {}
        self._first = self._pictures.get({})
        self.is_still = self._first.body is not None
        kind = self._first.headers.get_content_type()
        if kind.startswith(_NO_PICTURES) and "Content-Type" in self._first.headers:
            raise StreamFault("not a video", f"what came is {kind}, and no picture")

    def close(self) -> None:
        """Close the connection."""
        self._pictures.close()

    def run(self, output: Output) -> None:
        """Give each picture that is new, until ``output`` stops.

        Raises:
            StreamFault: no answer was of use for half of the time that a camera may be silent.
        """
        answer: HttpAnswer | None = self._first
        due_s = good_s = time.monotonic()
        while not output.stopped:
            if answer is not None:
                good_s = time.monotonic()
                self._give(answer, output)
            due_s = max(due_s + self._period_s, time.monotonic())
            while (left_s := due_s - time.monotonic()) > 0 and not output.stopped:
                time.sleep(min(left_s, _STEP_S))
            if not output.stopped:
                answer = self._ask(good_s)

    def _ask(self, good_s: float) -> HttpAnswer | None:
        """Return the next answer; None for one that failed and may have done so."""
        try:
            return self._pictures.get(self._conditions)
        except StreamFault as fault:
            if fault.reason in PERMANENT or time.monotonic() - good_s > self._forgiven_s + self._period_s:
                raise
            return None

    def _give(self, answer: HttpAnswer, output: Output) -> None:
        output.count_packet()
        if answer.body is None:
            raise StreamFault("closed", "a stream came in place of the picture")
        digest = hashlib.blake2b(answer.body, digest_size=16).digest()
        if answer.status == 304 or digest == self._digest:
            output.send("unchanged")
            return
        try:
            picture = decode_image(answer.body, "the picture")
        except DataError:
            output.count_damaged()
            return
        self._digest, self._conditions = digest, conditions_after(answer.headers)
        _publish(picture, output, answer.arrived_s)


def conditions_after(headers: Message) -> dict[str, str]:
    """Word the headers that ask whether a picture has changed since the answer with these.

    A time is exact to a second, so it counts only where the picture was older than that when it came: of a picture
    that is made ten times a second it would hide nine (RFC 9110, section 8.8.2.2).

    >>> from email.message import Message
    >>> answer = Message()
    >>> answer["ETag"] = '"a1"'
    >>> conditions_after(answer)
    {'If-None-Match': '"a1"'}
    """
    if etag := headers.get("ETag"):
        return {"If-None-Match": etag}
    made, sent = (_read_date(headers.get(name)) for name in ("Last-Modified", "Date"))
    if made is not None and sent is not None and sent - made > timedelta(seconds=1):
        return {"If-Modified-Since": headers["Last-Modified"]}
    return {}


def _read_date(text: str | None) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        return None if text is None else parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None


def _publish(picture: UInt8, output: Output, captured_s: float) -> None:
    place = output.place(*picture.shape[:2])
    if place is not None:
        place[...] = picture
        output.publish(captured_s, None)
