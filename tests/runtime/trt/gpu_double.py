# ruff: noqa: N802, N803, N815  (the names are CUDA's)
"""A GPU made of host memory: the calls of cuda-bindings and TensorRT's runtime that edgeseg makes, recorded and obeyed.

Device memory is memory of this process and copies are copies, so a slot that forgets one answers wrongly. Streams run
at once; while one is captured, its work is put into the graph instead, and a launch repeats it. What an engine
computes is :mod:`linear_model`. ``test_tensorrt_double.py`` compares every name and signature with the real modules.
"""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from linear_model import reference

from edgeseg.runtime.engines.engine import confidence_shape
from edgeseg.spec import ModelSpec

real = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings are not installed here")
Error = real.cudaError_t
OK = Error.cudaSuccess
PINNED, DEVICE = "pinned", "device"


class CudaDouble:
    """The functions of ``cuda.bindings.runtime``; ``calls`` has their names in order.

    Attributes:
        fail: error codes by function name; the function then gives that code and does nothing.
        fail_after: how often each of them still succeeds before.
    """

    cudaMemcpyKind = real.cudaMemcpyKind
    cudaStreamCaptureMode = real.cudaStreamCaptureMode

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fail: dict[str, Any] = {}
        self.fail_after: dict[str, int] = {}
        self.memory: dict[int, tuple[str, Any]] = {}
        self.captured: list[Callable[[], None]] | None = None
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.streams: set[int] = set()
        self._next = 1000

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if not name.startswith("cuda") or not callable(value) or isinstance(value, type):
            return value
        self.calls.append(name)
        if name in self.fail:
            self.fail_after[name] = self.fail_after.get(name, 0) - 1
            if self.fail_after[name] < 0:
                return lambda *args: (self.fail[name], *([None] if args else []))
        return value

    def cudaGetDeviceCount(self) -> tuple[Any, int]:
        return OK, 1

    def cudaGetDeviceProperties(self, device: int) -> tuple[Any, Any]:
        props = {"name": b"Orin", "major": 8, "minor": 7, "totalGlobalMem": 8 << 30, "integrated": 1}
        return OK, types.SimpleNamespace(**props)

    def cudaDriverGetVersion(self) -> tuple[Any, int]:
        return OK, 12060

    def cudaRuntimeGetVersion(self) -> tuple[Any, int]:
        return OK, 12060

    def cudaGetErrorString(self, error: Any) -> tuple[Any, bytes]:
        return real.cudaGetErrorString(error)

    def cudaGetLastError(self) -> tuple[Any]:
        return (OK,)

    def cudaSetDevice(self, device: int) -> tuple[Any]:
        return (OK,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, int]:
        self.streams.add(stream := self._number())
        return OK, stream

    def cudaStreamDestroy(self, stream: int) -> tuple[Any]:
        self.streams.remove(stream)
        return (OK,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any]:
        return (OK if stream in self.streams and self.captured is None else Error.cudaErrorInvalidValue,)

    def cudaMalloc(self, size: int) -> tuple[Any, int]:
        return OK, self._allocate(DEVICE, size)

    def cudaFree(self, devPtr: int) -> tuple[Any]:
        return self._release(DEVICE, devPtr)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Any, int]:
        return OK, self._allocate(PINNED, size)

    def cudaFreeHost(self, ptr: int) -> tuple[Any]:
        return self._release(PINNED, ptr)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: Any, stream: int) -> tuple[Any]:
        down = kind == real.cudaMemcpyKind.cudaMemcpyDeviceToHost
        kinds = (self.memory[src][0], self.memory[dst][0])
        assert kinds == ((DEVICE, PINNED) if down else (PINNED, DEVICE)), kinds
        self.enqueue(stream, lambda: ctypes.memmove(dst, src, count))
        return (OK,)

    def cudaStreamBeginCapture(self, stream: int, mode: Any) -> tuple[Any]:
        self.captured = []
        return (OK,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, int]:
        work, self.captured = self.captured, None
        assert work is not None
        self.graphs[graph := self._number()] = work
        return OK, graph

    def cudaGraphInstantiate(self, graph: int, flags: int) -> tuple[Any, int]:
        self.graphs[made := self._number()] = list(self.graphs[graph])
        return OK, made

    def cudaGraphDestroy(self, graph: int) -> tuple[Any]:
        del self.graphs[graph]
        return (OK,)

    def cudaGraphExecDestroy(self, graphExec: int) -> tuple[Any]:
        del self.graphs[graphExec]
        return (OK,)

    def cudaGraphLaunch(self, graphExec: int, stream: int) -> tuple[Any]:
        for work in self.graphs[graphExec]:
            work()
        return (OK,)

    def enqueue(self, stream: int, work: Callable[[], object]) -> None:
        assert stream in self.streams, "work for a stream that is not there"
        if self.captured is None:
            work()
        else:
            self.captured.append(work)  # type: ignore[arg-type]

    def _allocate(self, kind: str, size: int) -> int:
        memory = (ctypes.c_uint8 * size)(*([171] * size))
        address = ctypes.addressof(memory)
        self.memory[address] = (kind, memory)
        return address

    def _release(self, kind: str, address: int) -> tuple[Any]:
        assert self.memory[address][0] == kind
        del self.memory[address]
        return (OK,)

    def _number(self) -> int:
        self._next += 1
        return self._next


class RuntimeDouble:
    """``Runtime``: gives engines of the network that its :class:`TensorRtDouble` was made for."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger
        self.DLA_core = -1
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
        raise NotImplementedError


class EngineDouble:
    """``ICudaEngine`` with the inputs and outputs of a deployed graph."""

    def __init__(self, module: Any, cuda: CudaDouble, spec: ModelSpec, outputs: tuple[str, ...]) -> None:
        size = (1, spec.height, spec.width)
        self.module, self.cuda, self.spec = module, cuda, spec
        self._shapes: dict[str, tuple[int, ...]] = {"image": (*size, spec.channels)}
        for name in outputs:
            several = {"logits": (1, spec.logit_channels, *size[1:]), "confidence": (1, *confidence_shape(spec))}
            self._shapes[name] = several.get(name, size)

    @property
    def num_io_tensors(self) -> int:
        return len(self._shapes)

    def get_tensor_name(self, index: int) -> str:
        return list(self._shapes)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def get_tensor_dtype(self, name: str) -> Any:
        return self.module.DataType.FLOAT if name == "logits" else self.module.DataType.UINT8

    def get_tensor_mode(self, name: str) -> Any:
        return self.module.TensorIOMode.INPUT if name == "image" else self.module.TensorIOMode.OUTPUT

    def create_execution_context(self) -> Any:
        return ContextDouble(self)


class ContextDouble:
    """``IExecutionContext``; ``refuses`` makes it fail."""

    def __init__(self, engine: EngineDouble) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}
        self.refuses = self.refuses_capture = False

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        cuda = self.engine.cuda
        if self.refuses or (self.refuses_capture and cuda.captured is not None):
            return False
        assert set(self.addresses) == set(self.engine._shapes), "an address is missing"
        cuda.enqueue(stream_handle, self._compute)
        return True

    def _compute(self) -> None:
        labels, confidence = reference(self._array("image")[0], self.engine.spec)
        self._array("labels")[0] = labels
        if "confidence" in self.addresses:
            self._array("confidence")[0] = confidence

    def _array(self, name: str) -> Any:
        _, memory = self.engine.cuda.memory[self.addresses[name]]
        return np.ctypeslib.as_array(memory).reshape(self.engine._shapes[name])


def tensorrt_double(builder: Any, cuda: CudaDouble, spec: ModelSpec, outputs: tuple[str, ...]) -> Any:
    """The real module ``builder`` with the runtime of this double: parsing and building stay real."""

    class Runtime(RuntimeDouble):
        def deserialize_cuda_engine(self, serialized_engine: bytes) -> EngineDouble | None:
            if bytes(serialized_engine[1:4]) != b"trt":
                return None
            return EngineDouble(builder, cuda, spec, outputs)

    module = types.ModuleType(builder.__name__)
    module.__dict__.update({name: value for name, value in vars(builder).items() if not name.startswith("__")})
    module.__dict__.update({"Runtime": Runtime, "__version__": builder.__version__})
    return module
