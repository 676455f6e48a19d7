"""CUDA through ``cuda-bindings``: its calls, and the memory of a slot.

Every return code is looked at and becomes an error that says what to do. Memory on the host is pinned, so that copies
need no detour.

The errors belong to the tree of ``edgeseg.errors``::

    EngineError
    ├── GpuLostError      the device is gone or its context is destroyed: open the engine again
    └── GpuMemoryError    it has no memory left: fewer slots, a smaller model
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.errors import EngineError, MissingExtra, UserError
from edgeseg.image import UInt8
from edgeseg.runtime.trt.install import bindings_advice, bindings_line, driver_advice

SUCCESS, OUT_OF_MEMORY, INSUFFICIENT_DRIVER, NO_DEVICE, INVALID_DEVICE = 0, 2, 35, 100, 101
_NO_DRIVER = {34: "the driver is a stub", INSUFFICIENT_DRIVER: "the driver is missing or too old"}
_LOST = frozenset({46, 201, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999})
"""Numbers of ``cudaError_t`` after which a context answers nothing any more."""
_BINDINGS = ("cuda", "cuda.bindings", "cuda.bindings.runtime")


class GpuLostError(EngineError):
    """The device is gone or its context is destroyed."""


class GpuMemoryError(EngineError):
    """The GPU has not as much free memory as is needed."""


@dataclass(frozen=True)
class Gpu:
    """One device.

    Attributes:
        index: as CUDA counts.
        name: its product name.
        sm: compute capability, ``8.7``.
        driver: CUDA version that the driver serves, ``12.6``.
        memory_mb: all of it.
        is_integrated: shares memory with the CPU, as on Jetson.
    """

    index: int
    name: str
    sm: str
    driver: str
    memory_mb: int
    is_integrated: bool


class Cuda:
    """The CUDA runtime.

    Args:
        runtime: ``cuda.bindings.runtime``.
    """

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime

    def call(self, function: str, *arguments: Any) -> Any:
        """Call ``cuda.bindings.runtime.<function>`` and give what it returns beside its code.

        Raises:
            GpuLostError, GpuMemoryError, EngineError: by the code.
        """
        code, *values = getattr(self.runtime, function)(*arguments)
        if int(code) != SUCCESS:
            raise self._error(function, code)
        return values[0] if len(values) == 1 else tuple(values)

    def forget_error(self) -> None:
        """Take back the error that a failed call left for the next one to find."""
        self.runtime.cudaGetLastError()

    def gpu(self, index: int = 0) -> Gpu:
        """Describe a device.

        Raises:
            UserError: there is no device of that number.
            EngineError: no driver or no GPU at all.
        """
        count = self.call("cudaGetDeviceCount")
        if not 0 <= index < count:
            raise UserError(f"There is no GPU {index} here; found {count}. Use `device='cuda:0'`.")
        found = self.call("cudaGetDeviceProperties", index)
        name = found.name.decode(errors="replace") if isinstance(found.name, bytes) else str(found.name)
        driver = int(self.call("cudaDriverGetVersion"))
        return Gpu(
            index,
            name.strip("\0 "),
            f"{found.major}.{found.minor}",
            f"{driver // 1000}.{driver % 1000 // 10}",
            int(found.totalGlobalMem) >> 20,
            bool(found.integrated),
        )

    def _error(self, function: str, code: Any) -> EngineError:
        number = int(code)
        said = f"{self._text(code)} ({_name(code)} in {function})"
        if number in _NO_DRIVER:
            return EngineError(f"No GPU can be used: {_NO_DRIVER[number]}. {self._driver_advice()}")
        if number == NO_DEVICE:
            return EngineError(f"The driver sees no GPU: {said}. Check that one is plugged in and not hidden.")
        if number == OUT_OF_MEMORY:
            return GpuMemoryError(f"The GPU has no memory left: {said}. Use fewer `slots`, or close other programs.")
        if number in _LOST:
            return GpuLostError(f"The GPU stopped answering: {said}. Start again; if it repeats, look at dmesg.")
        return EngineError(f"CUDA refused: {said}. See: `diagnose()`")

    def _text(self, code: Any) -> str:
        _, text = self.runtime.cudaGetErrorString(code)
        return text.decode(errors="replace") if isinstance(text, bytes) else str(text)

    def _driver_advice(self) -> str:
        _, driver = self.runtime.cudaDriverGetVersion()
        _, bindings = self.runtime.cudaRuntimeGetVersion()
        if driver and int(driver) // 1000 < int(bindings) // 1000:
            return bindings_advice(int(driver), int(bindings))
        return driver_advice()


def _name(code: Any) -> str:
    return str(getattr(code, "name", code))


@functools.cache
def load_cuda() -> Cuda:
    """Load the CUDA runtime of this machine; that a driver is there is only known after a first call.

    Raises:
        MissingExtra: cuda-bindings is not installed.
        EngineError: it does not load.
    """
    try:
        from cuda.bindings import runtime
    except ModuleNotFoundError as error:
        if error.name not in _BINDINGS:
            raise _broken_error(error) from error
        raise MissingExtra(
            "'cuda-bindings' is needed to run TensorRT engines but is not installed. "
            f"Install it with: {bindings_line()}"
        ) from None
    except (ImportError, OSError, RuntimeError) as error:
        raise _broken_error(error) from error
    return Cuda(runtime)


def _broken_error(error: Exception) -> EngineError:
    return EngineError(f"'cuda-bindings' is installed but does not load: {error}. {driver_advice()}")


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
