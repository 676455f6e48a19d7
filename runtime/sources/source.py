"""Where frames come from: a camera, a video file, or images.

A source is opened before any work starts, so that a wrong path is noticed at once::

    with open_source("clip.mp4") as source:
        for frame in source:
            ...

Files give every frame in order. Live sources give the newest frame of each camera, connect again when
one is lost, and say so in events; whoever reads them too slowly drops frames (see
:mod:`edgeseg.runtime.pipeline`). A damaged picture is reported, counted in ``skipped`` and left out; it
never becomes a black frame.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import sys
from collections.abc import Callable
from pathlib import Path

from edgeseg.console.terminal import complain
from edgeseg.errors import DataError, SourceError
from edgeseg.files.image_files import is_image, list_images, match_images, match_unread, unread_pictures
from edgeseg.files.input_file import check_regular
from edgeseg.runtime.cameras.address import Address, is_device, is_live, list_addresses
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.events.event import OnEvent, event_to_stderr
from edgeseg.runtime.frames.source_protocol import Source
from edgeseg.runtime.sources.image_sequence import find_sequence, is_sequence, natural_order
from edgeseg.runtime.sources.images import ImageSource
from edgeseg.runtime.sources.opencv_camera import CameraSource
from edgeseg.runtime.sources.source_name import about_no_source, check_no_playlist, plain_name
from edgeseg.runtime.sources.video import VideoSource

Report = Callable[[str], object]


def report_to_stderr(message: str) -> None:
    """Write the message as a line on standard error."""
    complain(f"edgeseg: {message}")


def open_source(
    text: str,
    report: Report = report_to_stderr,
    on_event: OnEvent = event_to_stderr,
    limits: Limits = Limits(),  # noqa: B008
    fps: float | None = None,
) -> Source:
    """Open what a source names.

    Args:
        text: a video file or GIF, an image, a folder of images, a glob of images (``'shots/*.jpg'``), or a pattern of
            numbered ones (``shots/frame_%04d.png``); a camera's number (``0``) or device (``/dev/video0``,
            ``/dev/v4l/by-id/NAME``); an address (``rtsp:// rtsps:// http:// https:// csi:// gst:// screen://
            test://``); or a ``.streams`` file with several of those.
        report: called with one sentence a damaged picture.
        on_event: called with what happens to live cameras.
        limits: how long live cameras may be silent.
        fps: images a second of a folder, a glob or a pattern; how often a second an address that gives one picture is
            asked for it; None for 10 and 1.

    Raises:
        SourceError: nothing there, nothing readable in it, or a kind that is not supported.
        EnvironmentFault: this system lacks what the address needs.
    """
    text = plain_name(text)
    path = Path(text)
    if is_device(text) and sys.platform != "linux":
        return CameraSource(text)
    if is_live(text) or (path.suffix == ".streams" and path.is_file()):
        from edgeseg.runtime.cameras.live_source import StreamSource  # sockets and processes, which a file needs not

        return StreamSource(_polled(list_addresses(text), fps), limits, on_event)
    if text.strip() and path.is_dir():
        return ImageSource(_images_in(path), text, report, unread_pictures(path), fps)
    if path.is_file():
        check_no_playlist(path)
        return ImageSource([path], text, report, fps=fps) if is_image(path) else VideoSource(path, report)
    if is_sequence(text):
        return _numbered(text, report, fps)
    if glob.has_magic(text):
        return _matching(text, report, fps)
    if text.strip() and os.path.lexists(path) and text != "/dev/stdin":
        check_regular(path, SourceError)
    raise SourceError(about_no_source(text))


def _polled(addresses: list[Address], fps: float | None) -> list[Address]:
    """Tell readers of HTTP how often a second a picture is asked for."""
    if fps is None:
        return addresses
    told = {"fps": f"{fps:g}"}
    return [dataclasses.replace(each, options=told) if each.kind == "http" else each for each in addresses]


def _images_in(folder: Path) -> list[Path]:
    try:
        return natural_order(list_images(folder))
    except (DataError, OSError) as error:
        raise SourceError(str(error)) from None


def _matching(pattern: str, report: Report, fps: float | None) -> ImageSource:
    try:
        images = natural_order(match_images(pattern, "Videos are given one at a time."))
    except DataError as error:
        raise SourceError(str(error)) from None
    return ImageSource(images, pattern, report, match_unread(pattern), fps)


def _numbered(pattern: str, report: Report, fps: float | None) -> ImageSource:
    sequence = find_sequence(pattern)
    if sequence.gaps:
        report(f"{pattern}: {sequence.gaps}")
    return ImageSource(sequence.paths, pattern, report, fps=fps, positions=sequence.positions)
