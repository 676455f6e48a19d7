"""Hand-made image files, so that the core's tests need no decoder but the one under test."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.image import UInt8

CHANNELS = {"grey": (0, 1), "rgb": (2, 3), "palette": (3, 1), "rgba": (6, 4)}


def png_bytes(rows: UInt8, kind: str, depth: int = 8, palette: bytes = b"", transparency: bytes = b"") -> bytes:
    """A PNG of ``rows``: packed sample bytes, one array row a scan line."""
    code, channels = CHANNELS[kind]
    height, width = rows.shape[0], rows.shape[1] * 8 // (depth * channels)
    header = struct.pack(">IIBBBBB", width, height, depth, code, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"tRNS", transparency), (b"IDAT", body), (b"IEND", b"")]
    kept = [(name, data) for name, data in chunks if data or name == b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in kept)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def smooth_picture(height: int, width: int, seed: int = 0) -> UInt8:
    """A BGR picture with gradients and blobs, from integer-seeded noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)


def write_dataset(root: Path, masks: dict[str, UInt8], split: str = "train", names: str = "background\ncell\n") -> Path:
    """A data folder whose images are smooth pictures of the masks' sizes."""
    for folder in ("images", "masks"):
        (root / folder / split).mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text(names, encoding="utf-8")
    for stem, mask in masks.items():
        cv2.imwrite(str(root / "images" / split / f"{stem}.png"), smooth_picture(*mask.shape))
        cv2.imwrite(str(root / "masks" / split / f"{stem}.png"), mask)
    return root


@pytest.fixture(name="smooth_picture")
def _smooth_picture() -> Callable[..., UInt8]:
    return smooth_picture


@pytest.fixture(name="png_bytes")
def _png_bytes() -> Callable[..., bytes]:
    return png_bytes


@pytest.fixture(name="write_dataset")
def _write_dataset() -> Callable[..., Path]:
    return write_dataset


@pytest.fixture
def picture() -> UInt8:
    return smooth_picture(60, 80)
