"""Memory that a capture process writes pictures into and its parent reads from.

The ring is a few slots of the largest picture allowed. Pages that are never written cost nothing, so
a 640x360 camera uses 640x360, and a camera may change its size whenever it likes. No slot is ever
written and read at the same time: the child owns a slot until it has sent its number through a pipe,
the parent owns it until it has sent the number back. The two system calls also order the memory
accesses, which flags inside the memory would not do on ARM.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile

import numpy as np
import numpy.typing as npt

SLOTS = 4
MAX_PIXELS = 7680 * 4320
_SLOT_BYTES = MAX_PIXELS * 3

Picture = npt.NDArray[np.uint8]


class Ring:
    """A mapping of the shared memory behind ``fd``, which stays the caller's to close.

    Args:
        fd: from :func:`create_ring_memory`, or inherited.
        writable: False for the side that only reads.
    """

    def __init__(self, fd: int, writable: bool) -> None:
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self._memory = mmap.mmap(fd, SLOTS * _SLOT_BYTES, access=access)

    def picture(self, slot: int, height: int, width: int) -> Picture:
        """View the slot as (height, width, 3) uint8, without a copy.

        Raises:
            ValueError: no such slot, or a picture larger than a slot.
        """
        if not (0 <= slot < SLOTS and height > 0 and width > 0 and height * width <= MAX_PIXELS):
            raise ValueError(f"slot {slot} of {SLOTS} cannot hold {width}x{height} pixels (at most {MAX_PIXELS})")
        flat = np.frombuffer(self._memory, np.uint8, height * width * 3, slot * _SLOT_BYTES)
        return flat.reshape(height, width, 3)

    def close(self) -> None:
        """Unmap; views still held keep the mapping until they go."""
        with contextlib.suppress(BufferError):
            self._memory.close()


def create_ring_memory() -> int:
    """Create memory that has no name and is gone with its last user, however that ends; returns its descriptor."""
    if hasattr(os, "memfd_create"):
        import fcntl

        fd = os.memfd_create("edgeseg-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, SLOTS * _SLOT_BYTES)
        # A child that shrank it would kill its parent with SIGBUS.
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return fd
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), SLOTS * _SLOT_BYTES)
        return os.dup(file.fileno())
