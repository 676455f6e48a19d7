"""Memory shared with a process that decodes what strangers send."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from edgeseg.runtime.cameras.capture.ring import MAX_PIXELS, SLOTS, Ring, create_ring_memory


@pytest.fixture
def memory() -> Iterator[int]:
    fd = create_ring_memory()
    yield fd
    os.close(fd)


def test_what_one_side_writes_the_other_reads_slot_by_slot(memory: int) -> None:
    writer, reader = Ring(memory, writable=True), Ring(memory, writable=False)
    for slot in range(SLOTS):
        writer.picture(slot, 48, 64)[...] = slot + 1
    for slot in range(SLOTS):
        assert (reader.picture(slot, 48, 64) == slot + 1).all()
    assert reader.picture(0, 48, 64).shape == (48, 64, 3)


def test_another_process_writes_into_the_same_memory(memory: int) -> None:
    code = (
        "import sys; from edgeseg.runtime.cameras.capture.ring import Ring; "
        "Ring(int(sys.argv[1]), True).picture(2, 4, 5)[...] = 77"
    )
    subprocess.run([sys.executable, "-c", code, str(memory)], pass_fds=[memory], check=True, timeout=60)
    assert (Ring(memory, writable=False).picture(2, 4, 5) == 77).all()


def test_the_reading_side_cannot_write(memory: int) -> None:
    with pytest.raises(ValueError, match="read-only"):
        Ring(memory, writable=False).picture(0, 4, 4)[...] = 1


def test_the_largest_picture_fits_in_every_slot_and_a_larger_one_in_none(memory: int) -> None:
    ring = Ring(memory, writable=True)
    for slot in range(SLOTS):
        assert ring.picture(slot, 4320, 7680).size == MAX_PIXELS * 3
    with pytest.raises(ValueError, match="slot 0 of 4 cannot hold 7681x4320"):
        ring.picture(0, 4320, 7681)


@pytest.mark.parametrize(
    ("slot", "height", "width"),
    [(-1, 4, 4), (SLOTS, 4, 4), (0, 0, 4), (0, 4, -4), (0, -4, -4), (0, MAX_PIXELS, 2), (0, 2**40, 2**40)],
)
def test_memory_that_is_not_there_is_refused(memory: int, slot: int, height: int, width: int) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        Ring(memory, writable=False).picture(slot, height, width)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="sealing is Linux's")
@pytest.mark.parametrize("size", [0, 1 << 40], ids=["shrunk", "grown"])
def test_the_memory_can_be_neither_shrunk_nor_grown(memory: int, size: int) -> None:
    """A child that shrank it would end its parent with SIGBUS."""
    with pytest.raises(PermissionError):
        os.ftruncate(memory, size)


def test_untouched_slots_cost_no_memory(memory: int) -> None:
    Ring(memory, writable=True).picture(1, 360, 640)[...] = 9
    assert os.fstat(memory).st_blocks * 512 < 2 * 360 * 640 * 3


def test_a_picture_outlives_the_ring_it_was_taken_from(memory: int) -> None:
    ring = Ring(memory, writable=True)
    picture = ring.picture(0, 4, 4)
    picture[...] = 5
    ring.close()
    assert np.all(picture == 5)
