"""Reading a live stream with PyAV, in the capture process.

Only whole pictures are given on: after a damaged packet or picture everything is left out until the
next key frame, because what lies between is made up by the decoder.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from edgeseg.runtime.cameras.capture.clock import MAX_LATE_S, CaptureClock
from edgeseg.runtime.cameras.capture.h264_gaps import GapWatch
from edgeseg.runtime.cameras.capture.h265_gaps import GapWatch265
from edgeseg.runtime.cameras.capture.output import Output
from edgeseg.runtime.cameras.capture.stream_fault import StreamFault, fault_from_av
from edgeseg.runtime.cameras.capture.strict_decoder import StrictDecoder, is_undamaged
from edgeseg.runtime.cameras.capture.tls import check_certificate, tls_options
from edgeseg.runtime.cameras.capture.tls_trust import SYSTEM, Trust
from edgeseg.runtime.frames.square_pixels import square_bgr, square_size

_NETWORK = "rtp,srtp,tcp,udp,tls,crypto"
# Not fflags=nobuffer: it throws away what was read while opening, and with it the key frame that a camera
# begins with; the first picture then came a whole group later. The age of pictures is the same (p50 48 ms).
# Nor a long look at what comes: by the time a rate is known, pictures have waited (0.8 s of a screen).
_OPEN_OPTIONS: dict[str, dict[str, str]] = {
    "rtsp": {
        "rtsp_flags": "prefer_tcp",
        "allowed_media_types": "video",
        "analyzeduration": "0",
        "probesize": "32",
        "protocol_whitelist": _NETWORK,
    },
    "http": {
        "protocol_whitelist": "http,https,httpproxy,tcp,tls,crypto,data",
        "format_whitelist": "hls,mpjpeg,mjpeg,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,"
        "mpegts,mov,matroska,webm,flv,h264,hevc,ogg,aac",
        "analyzeduration": "1000000",
    },
    "v4l2": {"analyzeduration": "0", "probesize": "32"},
    "screen": {"analyzeduration": "0", "probesize": "32"},
}
_FORMATS = {"rtsp": "rtsp", "v4l2": "v4l2", "screen": "x11grab"}
# Pictures of these carry the time at which they were made up or arrived, not the camera's.
_UNTIMED = {"mpjpeg", "mjpeg", "jpeg_pipe"}
_PACING_STEP_S = 0.1


class AvReader:
    """One connection to a live stream.

    Args:
        kind: ``rtsp``, ``http``, ``v4l2`` or ``screen``.
        target: address, device or display.
        options: of the address.
        timeouts_s: for opening, and for each read.
        trust: which certificate is taken.

    Attributes:
        is_still: what came over HTTP is one picture, or pictures one after the other without a container.
    """

    def __init__(
        self,
        kind: str,
        target: str,
        options: dict[str, str],
        timeouts_s: tuple[float, float],
        trust: Trust = SYSTEM,
    ) -> None:
        import av

        self._av = av
        self._kind = kind
        self._container = self._open(kind, target, options, timeouts_s, trust)
        stream = next((s for s in self._container.streams.video if s.codec_context is not None), None)
        if stream is None:
            self._container.close()
            raise StreamFault("not a video", "it holds no video that can be decoded")
        stream.codec_context.thread_type = "SLICE"
        stream.codec_context.flags |= av.codec.context.Flags.low_delay
        self._stream, self._name = stream, stream.codec_context.name
        self._decoder = StrictDecoder(av, stream.codec_context)
        self.fps = float(stream.average_rate) if stream.average_rate else None
        format_name = self._container.format.name.split(",")[0]
        duration = self._container.duration
        self._finite = kind == "http" and bool(duration and duration > 0)
        self.is_still = kind == "http" and format_name.endswith("_pipe")
        self._paced = self._finite or format_name == "hls"
        self._timed = format_name not in _UNTIMED and not self._paced
        self._pace = _Pace()
        self._reformatter = av.video.reformatter.VideoReformatter()

    def close(self) -> None:
        """Close the connection."""
        self._container.close()

    def run(self, output: Output) -> None:
        """Give pictures to ``output`` until it stops or the recording is over.

        Raises:
            StreamFault: the stream broke off.
        """
        clock = CaptureClock()
        whole, missing, idle_s = False, False, 0.0
        gaps = self._gap_watch()
        for packet, waited_s in self._packets(output):
            arrived_s, idle_s = time.monotonic(), idle_s + waited_s
            if packet.size and (packet.is_corrupt or (gaps and gaps.has_gap(memoryview(packet)))):
                whole, missing = False, True
            frames = self._decoder.decode(packet)
            if missing and not frames:
                output.count_damaged()  # FFmpeg's H.265 decoder gives nothing for it
            for frame in frames:
                whole = is_undamaged(frame) and (whole or frame.key_frame)
                missing = missing and not whole
                if not whole:
                    output.count_damaged()
                    continue
                if self._paced:
                    arrived_s = self._pace.wait_until_due(frame.time, output)
                late_s = clock.lateness_s(arrived_s, frame.time if self._timed else None, idle_s)
                idle_s = 0.0
                if late_s > MAX_LATE_S:
                    output.count_stale()
                else:
                    self._give(frame, output, arrived_s - late_s)
            if output.stopped:
                return
        if not self._finite:
            raise StreamFault("closed", "the stream ended")

    def _gap_watch(self) -> GapWatch | GapWatch265 | None:
        extradata = self._stream.codec_context.extradata or b""
        if self._name == "h264":
            return GapWatch(extradata)
        return GapWatch265(extradata) if self._name == "hevc" else None

    def _give(self, frame: Any, output: Output, captured_s: float) -> None:
        aspect = self._stream.sample_aspect_ratio
        place = output.place(*square_size(frame.height, frame.width, aspect))
        if place is not None:
            place[...] = square_bgr(frame, self._reformatter, aspect)
            output.publish(captured_s, frame.time)

    def _packets(self, output: Output) -> Iterator[tuple[Any, float]]:
        """Packets, and how long each was waited for; at the end of a recording an empty one that asks the decoder for
        what it holds back."""
        began_s = time.monotonic()
        try:
            for packet in self._container.demux(self._stream):
                if packet.size or self._finite:
                    output.count_packet()
                    yield packet, time.monotonic() - began_s
                    began_s = time.monotonic()
        except (self._av.error.FFmpegError, OSError) as error:
            raise fault_from_av(self._av, error) from None

    def _open(
        self, kind: str, target: str, options: dict[str, str], timeouts_s: tuple[float, float], trust: Trust
    ) -> Any:
        if kind in ("rtsp", "http"):
            check_host(target)
        encrypted = tls_options(target, trust)
        try:
            return self._av.open(
                target,
                format=_FORMATS.get(kind),
                options={**_OPEN_OPTIONS[kind], **_device_options(kind, options), **encrypted},
                timeout=timeouts_s,
                metadata_errors="replace",
            )
        except (self._av.error.FFmpegError, OSError) as error:
            if kind == "http" and isinstance(error, self._av.error.ArgumentError):
                raise StreamFault(
                    "not a video", "what was received is not a video, or is of an unsupported kind"
                ) from None
            fault = fault_from_av(self._av, error)
            if encrypted and fault.reason == "broken":
                check_certificate(target, trust)
            raise fault from None


def check_host(address: str) -> None:
    """Check that the host has an address: FFmpeg calls a mistyped name an input/output error.

    Raises:
        StreamFault: it has none, or the name service does not answer.
    """
    try:
        parts = urlsplit(address)
        socket.getaddrinfo(parts.hostname, parts.port or 554, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            raise StreamFault("unknown host", "there is no host of this name") from None
        raise StreamFault("no name service", "the name service does not answer") from None
    except ValueError:
        raise StreamFault("unknown host", "the host or port is not written as one") from None


def _device_options(kind: str, options: dict[str, str]) -> dict[str, str]:
    return {"framerate": options["fps"]} if kind == "screen" else {}


class _Pace:
    """Waits until each picture is due, for recordings and for HLS, which comes in bursts."""

    def __init__(self) -> None:
        self._start_s: float | None = None

    def wait_until_due(self, presented_s: float | None, output: Output) -> float:
        """Sleep, and return the monotonic time at which the picture was due."""
        now = time.monotonic()
        if presented_s is None:
            return now
        if self._start_s is None or not -MAX_LATE_S < self._start_s + presented_s - now < 30:
            self._start_s = now - presented_s
        due = self._start_s + presented_s
        while (left := due - time.monotonic()) > 0 and not output.stopped:
            time.sleep(min(left, _PACING_STEP_S))
        return due
