"""Memory of one slot: pinned on the host, so that copies need no detour, and its twin on the device."""

from __future__ import annotations

import contextlib
import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.errors import EngineError
from edgeseg.image import UInt8
from edgeseg.runtime.trt.cuda import Cuda


@dataclass(frozen=True)
class Buffer:
    """One tensor.

    Attributes:
        name: of the tensor.
        device: its address on the GPU.
        nbytes: its size.
        host: pinned memory of the same size, or None for a tensor that nobody fetches.
    """

    name: str
    device: int
    nbytes: int
    host: UInt8 | None = None

    @property
    def host_address(self) -> int:
        """Address of the pinned memory."""
        assert self.host is not None
        return int(self.host.ctypes.data)


def allocate_pinned(cuda: Cuda, shape: Sequence[int]) -> UInt8:
    """Allocate zeroed uint8 memory that the GPU copies from and to directly.

    It is given back when the last array that shows it is gone, whenever the engine was closed.

    Raises:
        GpuMemoryError: there is none left.
    """
    size = int(np.prod(shape))
    address = int(cuda.call("cudaHostAlloc", size, 0))
    memory = (ctypes.c_uint8 * size).from_address(address)
    weakref.finalize(memory, _free_host, cuda, address)
    array: UInt8 = np.ctypeslib.as_array(memory).reshape(tuple(shape))
    array.fill(0)
    return array


class DeviceMemory:
    """Allocations on the GPU that are given back together."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._addresses: list[int] = []

    def take(self, nbytes: int) -> int:
        """Allocate ``nbytes`` and return their address; raises GpuMemoryError when there is none left."""
        address = int(self._cuda.call("cudaMalloc", nbytes))
        self._addresses.append(address)
        return address

    def free(self) -> None:
        """Give all of it back; a device that is lost has done so already."""
        while self._addresses:
            with contextlib.suppress(EngineError):
                self._cuda.call("cudaFree", self._addresses.pop())


def _free_host(cuda: Cuda, address: int) -> None:
    with contextlib.suppress(EngineError):
        cuda.call("cudaFreeHost", address)
