"""What can be run here: artifacts, cameras and pictures that are in sight, found in a moment."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.artifact import MANIFEST
from edgeseg.files.image_bytes import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".ts", ".gif"})
_FIRST = ("artifacts", "runs", "demo", "edgeseg-demo")
_LEFT_OUT = frozenset({"node_modules", "__pycache__", "site-packages", "build", "dist", "proc", "sys"})
_MOST_FOLDERS, _MOST_ENTRIES, _MOST_S, _DEEPEST = 400, 2000, 0.2, 4
_MOST_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True)
class SeenArtifact:
    """An artifact in sight; it is not verified, as it is when it is opened.

    Attributes:
        path: of its folder.
        precision, format: of its name.
        classes: names; empty where the file does not tell.
    """

    path: Path
    precision: str
    format: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class SeenCamera:
    """A camera of this machine: its number, and what its driver calls it."""

    number: int
    name: str


@dataclass
class InSight:
    """What was found.

    Attributes:
        artifacts: INT8 first, then the newest first.
        cameras: of this machine.
        videos: files.
        folders: with pictures in them.
        is_whole: False where there was more to look through than a moment allows.
    """

    artifacts: list[SeenArtifact] = field(default_factory=list)
    cameras: list[SeenCamera] = field(default_factory=list)
    videos: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    is_whole: bool = True


def look_around(root: Path = Path(), seconds: float = _MOST_S) -> InSight:
    """Look through a folder, those where artifacts usually lie first, for at most so long.

    Args:
        root: hidden folders, environments and what lies deeper than four folders are left out.
        seconds: after which what was found is all.
    """
    found = InSight(cameras=list(list_cameras()))
    due_s = time.monotonic() + seconds
    usual, waiting = deque[tuple[Path, int]](), deque([(root, 0)])
    looked = 0
    while usual or waiting:
        if looked >= _MOST_FOLDERS or time.monotonic() > due_s:
            found.is_whole = False
            break
        is_usual = bool(usual)
        folder, depth = (usual or waiting).popleft()
        looked += 1
        below = _look_into(folder, found)
        for path in below if depth < _DEEPEST else ():
            (usual if is_usual or path.name in _FIRST else waiting).append((path, depth + 1))
    found.videos.sort(key=lambda path: (len(path.parts), path.suffix.lower() == ".gif", str(path)))
    found.artifacts.sort(key=lambda seen: (seen.precision != "int8", -_changed_s(seen.path), str(seen.path)))
    return found


def list_cameras(devices: Path = Path("/sys/class/video4linux")) -> Iterator[SeenCamera]:
    """List the cameras that Linux tells of, without opening one; none elsewhere.

    A camera has several devices, for pictures and for what belongs to them; the one of pictures has the index 0.
    """
    for device in sorted(devices.glob("video*"), key=lambda path: (len(path.name), path.name)):
        number = device.name.removeprefix("video")
        if number.isdecimal() and _first_line(device / "index") in ("0", ""):
            yield SeenCamera(int(number), _first_line(device / "name") or "unnamed")


def tells_cameras() -> bool:
    """Tell whether this system says which cameras it has without opening them."""
    return sys.platform == "linux"


def _look_into(folder: Path, found: InSight) -> list[Path]:
    """Note what lies directly in a folder, and give the folders in it."""
    below: list[Path] = []
    pictures = 0
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False):
                path, suffix = Path(entry.path), os.path.splitext(entry.name)[1].lower()
                if entry.name == MANIFEST:
                    _note_artifact(folder, found)
                    return []
                if entry.name == "pyvenv.cfg":
                    return []
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    below.append(path)
                elif suffix in VIDEO_SUFFIXES:
                    found.videos.append(path)
                else:
                    pictures += suffix in IMAGE_SUFFIXES
    except OSError:
        return []
    if pictures > 1 and folder != Path():
        found.folders.append(folder)
    kept = [path for path in below if path.name not in _LEFT_OUT]
    return sorted(kept)


def _note_artifact(folder: Path, found: InSight) -> None:
    """Note an artifact; pictures and videos beside its files, of which there are none usually, are not looked at."""
    if (seen := _read_artifact(folder)) is not None:
        found.artifacts.append(seen)


def _read_artifact(folder: Path) -> SeenArtifact | None:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MOST_MANIFEST_BYTES:
            return None
        manifest: Any = json.loads(path.read_text("utf-8"))
        classes = manifest.get("spec", {}).get("classes", ())
        return SeenArtifact(folder, str(manifest["precision"]), str(manifest["format"]), tuple(map(str, classes)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _changed_s(folder: Path) -> float:
    try:
        return (folder / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0
