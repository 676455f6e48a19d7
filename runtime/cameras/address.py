"""What a source means when it names something live: an address that a capture process can open."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from edgeseg.errors import EnvironmentFault, SourceError
from edgeseg.files.input_file import read_text
from edgeseg.runtime.events.redact import split_url

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "gst", "csi", "screen", "test")
_TEST_OPTIONS = {"fps": "30", "size": "1280x720", "seed": "1", "frames": "0"}
_SCREEN_OPTIONS = {"fps": "15"}
_CSI_OPTIONS = {"fps": "30", "size": "1280x720"}


@dataclass(frozen=True)
class Address:
    """One live camera.

    Attributes:
        name: what messages and frames call it; holds no credentials.
        kind: which reader opens it: ``rtsp``, ``http``, ``v4l2``, ``screen``, ``gst`` or ``cells``.
        target: what the reader opens; may hold credentials and is never shown.
        options: for the reader.
    """

    name: str
    kind: str
    target: str
    options: Mapping[str, str] = field(default_factory=dict)


def is_live(text: str) -> bool:
    """Tell whether :func:`list_addresses` understands ``text``."""
    return "://" in text or (sys.platform == "linux" and is_device(text))


def is_device(text: str) -> bool:
    """Tell whether ``text`` is a camera's number or device file."""
    return text.isdecimal() or text.startswith(("/dev/video", "/dev/v4l/"))


def list_addresses(text: str) -> list[Address]:
    """List the camera that ``text`` names, or all of a ``*.streams`` file.

    Raises:
        SourceError: an address that cannot be right, or a device that is not there.
        EnvironmentFault: this system lacks what the address needs.
    """
    if text.endswith(".streams") and "://" not in text:
        return _read_list(Path(text))
    return [parse_address(text)]


def parse_address(text: str, name: str | None = None) -> Address:
    """Parse the live camera that ``text`` names; see :func:`list_addresses`."""
    if is_device(text):
        return _device(text, name)
    url = split_url(text)
    shown = name or url.safe
    if url.scheme not in STREAM_SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in STREAM_SCHEMES)
        raise SourceError(
            f"{shown} is not a stream edgeseg reads; found {url.scheme}://, known are {known}. "
            "Others are read through the system's GStreamer: gst://PIPELINE, up to raw video."
        )
    if not url.rest and url.scheme != "screen":
        raise SourceError(f"{shown} names nothing after {url.scheme}://. Give the whole address.")
    if url.scheme in ("rtsp", "rtsps", "http", "https"):
        return Address(shown, url.scheme.removesuffix("s"), url.encoded)
    return {"test": _test, "screen": _screen, "gst": _gst, "csi": _csi}[url.scheme](text.partition("://")[2], shown)


def _read_list(path: Path) -> list[Address]:
    """One camera a line, ``ADDRESS`` or ``NAME ADDRESS``; lines that begin with # are left out."""
    lines = read_text(path, SourceError).split("\n")
    found = [_read_line(line.strip(), f"{path} line {at}") for at, line in enumerate(lines, 1) if _is_entry(line)]
    if not found:
        raise SourceError(f"{path} lists no camera. Write one address a line, or a name and an address.")
    names = [address.name for address in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SourceError(f"{path} lists {sorted(twice)[0]} twice. Give each camera a name: NAME ADDRESS.")
    return found


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _read_line(line: str, where: str) -> Address:
    name, rest = (*line.split(maxsplit=1), "")[:2]
    text = line if "://" in name or not rest else rest
    if not is_live(text):
        raise SourceError(
            f"{where} is not a live camera: {split_url(line).safe.removeprefix('://')!r}. Give its address."
        )
    return parse_address(text, None if text == line else name)


def _device(text: str, name: str | None) -> Address:
    path = Path(f"/dev/video{text}" if text.isdecimal() else text)
    if not re.fullmatch(r"/dev/(video\d{1,4}|v4l/by-(id|path)/.+)", str(path)):
        raise SourceError(
            f"A camera is an index such as 0 or a file such as /dev/video0 or /dev/v4l/by-id/NAME; found {text!r}."
        )
    if not path.exists():
        by_id = Path("/dev/v4l/by-id").glob("*")
        found = ", ".join(sorted(str(p) for p in [*Path("/dev").glob("video*"), *by_id])) or "none"
        raise SourceError(
            f"There is no camera {text}; cameras found in /dev/video*: {found}. Plug one in or give a file."
        )
    return Address(name or text, "v4l2", str(path))


def _test(rest: str, name: str) -> Address:
    what, options = _with_options(rest, _TEST_OPTIONS, name)
    if what != "cells":
        raise SourceError(f"{name} is not a test picture; known is test://cells, with ?fps=30&size=1280x720.")
    _check_size(options["size"], name)
    _check_fps(options["fps"], name)
    for key in ("seed", "frames"):
        if not options[key].isdecimal():
            raise SourceError(f"{name}: {key} is a whole number; found {options[key]!r}.")
    return Address(name, "cells", "cells", options)


def _screen(rest: str, name: str) -> Address:
    display, options = _with_options(rest, _SCREEN_OPTIONS, name)
    _check_fps(options["fps"], name)
    display = display or os.environ.get("DISPLAY", "")
    if sys.platform != "linux" or not display:
        raise EnvironmentFault(
            f"{name}: there is no X11 display here (DISPLAY is not set), and the screen is read through X11 only. "
            "Name one, as in screen://:0, or record the screen and give the file."
        )
    return Address(name, "screen", display, options)


def _gst(pipeline: str, name: str) -> Address:
    if not shutil.which("gst-launch-1.0"):
        raise EnvironmentFault(
            f"{name.partition('://')[0]}:// needs the system's GStreamer, and there is no gst-launch-1.0 here. "
            "On Debian, Ubuntu and JetPack: sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-good"
        )
    return Address(name, "gst", pipeline)


def _csi(rest: str, name: str) -> Address:
    number, options = _with_options(rest, _CSI_OPTIONS, name)
    if not number.isdecimal():
        raise SourceError(f"{name}: a CSI camera is a number, as in csi://0; found {number!r}.")
    width, height = _check_size(options["size"], name)
    fps = round(_check_fps(options["fps"], name))
    return _gst(csi_pipeline(int(number), width, height, fps), name)


def csi_pipeline(number: int, width: int, height: int, fps: int) -> str:
    """Word a GStreamer pipeline for CSI camera ``number``: through Argus on a Jetson, through libcamera elsewhere."""
    size = f"width={width},height={height},framerate={fps}/1"
    if Path("/etc/nv_tegra_release").exists():
        return f"nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM),{size} ! nvvidconv ! video/x-raw"
    if number:
        raise SourceError(
            f"csi://{number}: outside of Jetson only csi://0 is found by number. "
            "Name the camera: gst://libcamerasrc camera-name=NAME"
        )
    return f"libcamerasrc ! video/x-raw,{size}"


def _with_options(rest: str, defaults: Mapping[str, str], name: str) -> tuple[str, dict[str, str]]:
    what, _, query = rest.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := set(given) - set(defaults):
        raise SourceError(f"{name}: there is no option {sorted(unknown)[0]!r}; known are {', '.join(defaults)}.")
    return what.rstrip("/"), {**defaults, **given}


def _check_size(text: str, name: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if not found or min(int(found[1]), int(found[2])) < 32:
        raise SourceError(f"{name}: size is WIDTHxHEIGHT, each 32 to 9999, as in 1280x720; found {text!r}.")
    return int(found[1]), int(found[2])


def _check_fps(text: str, name: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", text) or not float(text):
        raise SourceError(f"{name}: fps is a number above 0, as in 30; found {text!r}.")
    return float(text)
