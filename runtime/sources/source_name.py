"""What a source is called: forms that mean a file, and sentences about forms that are no source."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgeseg.errors import SourceError

_PLAYLISTS = (".m3u8", ".m3u", ".ffconcat", ".mpd", ".sdp")
_HOSTS_OF_FILES = ("", "localhost")


def plain_name(text: str) -> str:
    """Turn a ``file://`` address into the path that it names; anything else is left as it is.

    Raises:
        SourceError: the address is of a file on another machine.

    >>> plain_name("file:///srv/a%20b.mp4"), plain_name("street.mp4"), plain_name("rtsp://cam/1")
    ('/srv/a b.mp4', 'street.mp4', 'rtsp://cam/1')
    """
    if not text.lower().startswith("file:/"):
        return text
    parts = urlsplit(text)
    if parts.netloc not in _HOSTS_OF_FILES:
        raise SourceError(f"{text} is a file of another machine. Mount its folder and give the path.")
    path = parts.path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
    if os.name != "nt":
        return unquote(path)
    from urllib.request import url2pathname  # brings HTTP and TLS along, which a run of a file does not need

    return url2pathname(path)


def about_no_source(text: str) -> str:
    """Say why a text names no source, and what would."""
    if not text.strip():
        return "The source is empty. Give a camera, an address, a video, a folder of images or a glob."
    if text in ("-", "/dev/stdin"):
        return (
            "Standard input is not read, because a run that is started again would find it used up. "
            "Write it to a file and give that, or give the address that it comes from."
        )
    if found := re.fullmatch(r"(?:video|webcam|usb|cam|camera)[:_ ]?(\d*)", text, re.IGNORECASE):
        return f"There is no source {text!r}. A camera of this machine is a number: give {found[1] or '0'}."
    if "#" in Path(text).name:
        pattern = re.sub("#+", lambda signs: f"%0{len(signs[0])}d", text)
        return f"There is no source {text!r}. Numbered pictures are named as in {pattern!r}."
    if re.search(r"\{.*(,|\.\.).*\}", text):
        return f"There is no source {text!r}. In quotes no shell reads the braces; use * and ?, as in 'shots/f*.png'."
    return f"There is no source {text!r}. Give a camera, an address, a video, a folder of images or a glob."


def check_no_playlist(path: Path) -> None:
    """Refuse a playlist of this machine, which could make a run read any other file.

    Raises:
        SourceError: it is one.
    """
    if path.suffix.lower() in _PLAYLISTS:
        raise SourceError(
            f"{path} is a playlist and not a video; from a file it is not followed, since it may name any other file. "
            "Give the http:// address that it comes from, or one of the videos that it lists."
        )
