"""Frames of a video for calibration, picked by change.

Every n-th frame of a clip is a bad choice: a parked car fills the set and the one turn of the
road is missed. Here the clip is cut into as many parts as frames are wanted, so that each part
holds the same share of change (three quarters of the measure) and of time (one quarter, so that
no stretch of the clip is left out). One frame of each part is drawn by the seed. No frame is
taken that is nearer than two grey levels to one already taken (``fingerprint.py`` says how that
is measured); parts that have no other are made up for by the frames that differ most from all
taken ones. Where a clip has fewer different frames than wanted, fewer are taken.

The clip is decoded twice, once to look and once to take. Only fingerprints are kept of the first
time (at most 20 000: a longer clip is looked at in every second, fourth, ... frame), and of the
second the taken frames, brought to the size that the network sees, as PNG in memory.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edgeseg.calibration.images.fingerprint import NEAR, Float32, changes, fingerprint, is_flat
from edgeseg.calibration.images.image_choice import PassedOver
from edgeseg.errors import DataError
from edgeseg.files.atomic import file_sha256
from edgeseg.image import UInt8, placement
from edgeseg.runtime.sources.video import VideoSource
from edgeseg.spec import ModelSpec

MOST_LOOKED_AT = 20_000
STILL = 0.5
TIME_SHARE = 0.25


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a video in a calibration set.

    Attributes:
        video: the file.
        number: counts from 0, damaged frames included.
        video_digest: SHA-256 of the file.
        size: (height, width) of the video in pixels.
        png: the frame as the network sees it, without padding.
    """

    video: Path
    number: int
    video_digest: str
    size: tuple[int, int]
    png: bytes = field(repr=False)

    @property
    def path(self) -> Path:
        """Names the frame; there is no such file."""
        return self.video / f"frame {self.number}"

    @property
    def name(self) -> str:
        """The video's name and the frame's number, for people."""
        return f"{self.video.name} frame {self.number}"

    @property
    def digest(self) -> str:
        """SHA-256 that stands for the video's bytes and the frame's number."""
        return hashlib.sha256(f"{self.video_digest} frame {self.number}".encode()).hexdigest()

    def read(self) -> UInt8:
        """Read HWC uint8 BGR at the network input's size; ``fit`` gives of it what it gives of the frame."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.png, np.uint8), cv2.IMREAD_COLOR), np.uint8)


@dataclass
class _Looks:
    """Fingerprints of a clip of any length in bounded memory."""

    numbers: list[int] = field(default_factory=list)
    prints: list[UInt8] = field(default_factory=list)
    step: int = 1

    def add(self, number: int, print_: UInt8) -> None:
        if number % self.step:
            return
        self.numbers.append(number)
        self.prints.append(print_)
        if len(self.numbers) > MOST_LOOKED_AT:
            self.step *= 2
            kept = [i for i, number in enumerate(self.numbers) if number % self.step == 0]
            self.numbers = [self.numbers[i] for i in kept]
            self.prints = [self.prints[i] for i in kept]


def video_frames(
    path: Path, spec: ModelSpec, count: int, seed: int, on_image: Callable[[], object] = lambda: None
) -> tuple[tuple[VideoFrame, ...], PassedOver]:
    """Choose up to ``count`` frames of a video by change, in the order of the clip.

    Args:
        path: a video file.
        spec: the network they are for.
        count: how many.
        seed: draws within the parts of the clip.
        on_image: called once a decoded frame, for progress.

    Raises:
        SourceError: not a video that can be decoded.
        DataError: every frame is one flat colour.
    """
    looks, passed_over = _look_at(path, on_image)
    if not looks.numbers:
        raise DataError(f"Every frame of {path} is one flat colour ({len(passed_over.constant)}); nothing calibrates.")
    chosen = frames_by_change(np.stack(looks.prints), count, seed)
    return frames_at(path, [looks.numbers[i] for i in chosen], spec, on_image), passed_over


def frames_by_change(prints: UInt8, count: int, seed: int) -> list[int]:
    """Choose at most ``count`` of (N, 768) fingerprints by the rule in this module's docstring; their positions."""
    values = prints.astype(np.float32)
    parts = np.minimum((_progress(values) * count).astype(int), count - 1)
    rng = random.Random(seed)
    nearest = np.full(len(values), np.inf, np.float32)
    chosen: list[int] = []

    def take(at: int) -> None:
        chosen.append(at)
        np.minimum(nearest, changes(values[at], values), out=nearest)

    for part in range(count):
        if (free := np.flatnonzero((parts == part) & (nearest >= NEAR))).size:
            take(int(rng.choice(free.tolist())))
    while len(chosen) < count and nearest[at := int(nearest.argmax())] >= NEAR:
        take(at)
    return sorted(chosen)


def _progress(values: Float32) -> Float32:
    """(N,) how far the clip has come at each frame, 0..1: by change, and a little by time."""
    count = len(values)
    time: Float32 = np.arange(count, dtype=np.float32) / np.float32(count)
    steps = np.zeros(count, np.float32)
    for i in range(1, count):
        steps[i] = max(0.0, float(changes(values[i], values[i - 1 : i])[0]) - STILL)
    total = float(steps.sum())
    if total == 0:
        return time
    return np.asarray((1 - TIME_SHARE) * np.cumsum(steps) / total + TIME_SHARE * time, np.float32)


def frames_at(
    path: Path, numbers: Collection[int], spec: ModelSpec, on_image: Callable[[], object] = lambda: None
) -> tuple[VideoFrame, ...]:
    """Read the frames of a video with these numbers.

    Raises:
        SourceError: not a video that can be decoded.
        DataError: the video has no such frame.
    """
    wanted, digest = set(numbers), file_sha256(path)
    found = []
    with VideoSource(path, lambda _: None) as source:
        for frame in source:
            on_image()
            if frame.index in wanted:
                size = (frame.image.shape[0], frame.image.shape[1])
                found.append(VideoFrame(path, frame.index, digest, size, _png(_seen(frame.image, spec))))
                wanted.discard(frame.index)
            if not wanted:
                break
    if wanted:
        raise DataError(f"{path} has no readable frame {min(wanted)}. Choose its frames again.")
    return tuple(found)


def _look_at(path: Path, on_image: Callable[[], object]) -> tuple[_Looks, PassedOver]:
    looks = _Looks()
    told: list[str] = []
    constant: list[str] = []
    with VideoSource(path, told.append) as source:
        for frame in source:
            on_image()
            print_ = fingerprint(frame.image)
            if is_flat(frame.image, print_):
                constant.append(f"frame {frame.index} of {path} is one colour.")
            else:
                looks.add(frame.index, print_)
    return looks, PassedOver(tuple(told), tuple(constant))


def _seen(image: UInt8, spec: ModelSpec) -> UInt8:
    """The frame resized as ``fit`` does it, without the padding; grey first where the network is grey."""
    if spec.channels == 1:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    at = placement((image.shape[0], image.shape[1]), spec)
    if image.shape[:2] == (at.height, at.width):
        return image
    return np.asarray(cv2.resize(image, (at.width, at.height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _png(image: UInt8) -> bytes:
    _, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return data.tobytes()
