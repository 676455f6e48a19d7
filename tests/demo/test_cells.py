"""The rendered scenes: the same everywhere, exactly labelled, and no gift to a threshold."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgeseg.dataset import Dataset
from edgeseg.demo.cells import BACKGROUND, BORDER, CELL, CLASSES, main, render_clip, render_scene
from edgeseg.errors import OutputError
from edgeseg.metrics.confusion import Confusion

KNOWN = "80b043e534adb7a9"


def digest() -> str:
    image, mask = render_scene(1, 7, 256, 256)
    return hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()[:16]


def test_a_scene_is_the_same_on_every_machine() -> None:
    assert digest() == KNOWN


def test_a_scene_does_not_depend_on_the_instruction_set() -> None:
    code = (
        "import hashlib; from edgeseg.demo.cells import render_scene; i, m = render_scene(1, 7, 256, 256); "
        "print(hashlib.sha256(i.tobytes() + m.tobytes()).hexdigest()[:16])"
    )
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3", "OPENCV_IPP": "disabled"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    found = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
    assert found.stdout.strip() == KNOWN, found.stderr


def test_shapes_and_types_are_what_the_readers_give() -> None:
    image, mask = render_scene(3, 0, 96, 128)
    assert (image.shape, image.dtype) == ((96, 128, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((96, 128), np.uint8)


def test_every_class_occurs_in_a_usual_share() -> None:
    masks = np.stack([render_scene(seed, 0, 128, 128)[1] for seed in range(20)])
    shares = np.bincount(masks.ravel(), minlength=3) / masks.size
    assert len(shares) == len(CLASSES)
    assert 0.4 < shares[BACKGROUND] < 0.8
    assert 0.15 < shares[CELL] < 0.5
    assert 0.05 < shares[BORDER] < 0.25


def test_a_clip_moves_smoothly_and_agrees_with_single_frames() -> None:
    clip = list(render_clip(11, 4, 128, 128))
    assert all(np.array_equal(a, b) for a, b in zip(clip[3], render_scene(11, 3, 128, 128), strict=True))
    changed = [float((a[1] != b[1]).mean()) for a, b in itertools.pairwise(clip)]
    assert all(0 < share < 0.06 for share in changed)


def test_cells_are_fenced_off_from_the_background() -> None:
    """No cell pixel has a background neighbour: the border class closes every outline."""
    _, mask = render_scene(5, 0, 256, 256)
    for one, other in ((mask[1:], mask[:-1]), (mask[:, 1:], mask[:, :-1])):
        pairs = np.stack([one.ravel(), other.ravel()])
        assert not np.any((pairs.min(0) == BACKGROUND) & (pairs.max(0) == CELL))


def test_no_single_threshold_finds_the_cells() -> None:
    """The best grey level of all, chosen with the truth in hand, stays far under a trained network."""
    pictures = [render_scene(seed, 0, 128, 128) for seed in range(12)]
    scores = []
    for level in range(40, 220, 6):
        confusion = Confusion(2)
        for image, mask in pictures:
            confusion.update((image[..., 1] > level).astype(np.uint8), (mask != BACKGROUND).astype(np.uint8))
        scores.append(confusion.mean_iou)
    assert max(scores) < 0.5


def test_rendering_keeps_up_with_a_camera() -> None:
    start = time.process_time()
    frames = sum(1 for _ in render_clip(1, 20, 256, 256))
    assert frames / (time.process_time() - start) > 15


def test_the_written_dataset_is_read_back_whole(tmp_path: Path) -> None:
    assert main([str(tmp_path / "cells"), "--train", "3", "--val", "2", "--size", "64"]) == 0
    data = Dataset.open(tmp_path / "cells")
    assert data.classes == CLASSES
    assert [len(data.pairs(split)) for split in ("train", "val")] == [3, 2]
    image, mask = data.read(data.pairs("val")[0])
    assert image.shape[:2] == mask.shape == (64, 64)


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        main([str(tmp_path / "file"), "--train", "1", "--val", "1", "--size", "64"])
