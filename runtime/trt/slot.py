"""One TensorRT request: its stream, its memory, and the graph of everything a frame needs.

A run is copy in, infer, copy out on one stream. The first run does it call by call; the second records the same
calls as a CUDA graph, and from then on one launch does all of it. What cannot be recorded goes on call by call.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.errors import EngineError
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import CLOSED_SLOT, CONFIDENCE, INPUT, LABELS
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.runtime.trt.cuda import Buffer, Cuda, DeviceMemory, GpuLostError, GpuMemoryError, allocate_pinned

NON_BLOCKING = 1
"""``cudaStreamNonBlocking``: does not wait for work of other libraries on the default stream."""


_NAMES = {"FLOAT": "float32", "HALF": "float16", "UINT8": "uint8", "INT8": "int8", "INT32": "int32", "INT64": "int64"}


@dataclass(frozen=True)
class Tensor:
    """One input or output.

    Attributes:
        name: in the ONNX file.
        kind: numpy name of its element type.
        shape: fixed.
        is_input: or output.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    is_input: bool

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return int(np.prod(self.shape)) * np.dtype(self.kind).itemsize


class TensorRtSlot:
    """See :class:`edgeseg.runtime.engines.engine.Slot`.

    Args:
        cuda: the calls.
        device: index of the GPU.
        context: an ``IExecutionContext`` of its own.
        tensors: every input and output of the engine by name.
        reason: gives TensorRT's own words about the last failure.

    Attributes:
        cuda, context: as given.
        stream: its own CUDA stream.
        graph: the recorded run, or None while runs go call by call.

    Raises:
        GpuMemoryError: the buffers do not fit.
    """

    def __init__(
        self,
        cuda: Cuda,
        device: int,
        context: Any,
        tensors: Mapping[str, Tensor],
        reason: Callable[[], str] = lambda: "",
    ) -> None:
        self.cuda, self._device, self.context, self._reason = cuda, device, context, reason
        self._lock = threading.Lock()
        self._memory = DeviceMemory(cuda)
        self.graph: Any = None
        self._runs, self._may_record = 0, True
        self._dead: EngineError | None = None
        self.stream: Any = None
        try:
            self._use_device()
            self.stream = cuda.call("cudaStreamCreateWithFlags", NON_BLOCKING)
            self._buffers = {name: self._buffer(tensor) for name, tensor in tensors.items()}
        except EngineError:
            self.close()
            raise
        self.input: UInt8 = self._shown(INPUT)
        confidence = self._shown(CONFIDENCE) if CONFIDENCE in tensors else None
        self._prediction = Prediction(self._shown(LABELS), confidence)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self.context is None

    @property
    def is_graph(self) -> bool:
        """Whether runs are one launch of a recorded graph."""
        return self.graph is not None

    def run(self) -> Prediction:
        """Infer what the input holds; see :meth:`edgeseg.runtime.engines.engine.Slot.run`.

        Raises:
            GpuLostError, GpuMemoryError: this slot is over; open the engine again.
            EngineError: the slot is closed, or TensorRT refused.
        """
        with self._lock:
            if self._dead is not None:
                raise type(self._dead)(str(self._dead)) from self._dead
            try:
                self._infer()
            except (GpuLostError, GpuMemoryError) as error:
                self._dead = error
                raise
            return self._prediction

    def close(self) -> None:
        """Give back graph, stream and device memory; arrays that were handed out stay readable."""
        with self._lock:
            self._dead = EngineError(CLOSED_SLOT)
            with contextlib.suppress(EngineError):
                self._use_device()
            self._drop_graph()
            self._memory.free()
            if self.stream is not None:
                with contextlib.suppress(EngineError):
                    self.cuda.call("cudaStreamDestroy", self.stream)
            self.stream = self.context = None

    def _infer(self) -> None:
        self._use_device()
        if self.graph is None and self._may_record and self._runs:
            self._record()
        if self.graph is not None:
            self.cuda.call("cudaGraphLaunch", self.graph, self.stream)
        else:
            self._enqueue()
        self.cuda.call("cudaStreamSynchronize", self.stream)
        self._runs += 1

    def _enqueue(self) -> None:
        for buffer in self._fetch(is_input=True):
            self._copy(buffer.device, buffer.host_address, buffer.nbytes, "cudaMemcpyHostToDevice")
        if not self.context.execute_async_v3(int(self.stream)):
            raise EngineError(f"TensorRT refused to infer: {self._reason() or 'it gave no reason'}. Build it again.")
        for buffer in self._fetch(is_input=False):
            self._copy(buffer.host_address, buffer.device, buffer.nbytes, "cudaMemcpyDeviceToHost")

    def _record(self) -> None:
        """Record one run as a graph; whatever cannot be recorded is run call by call from now on."""
        self._may_record = False
        mode = self.cuda.runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        try:
            self.cuda.call("cudaStreamBeginCapture", self.stream, mode)
            with self._end_capture() as recorded:
                self._enqueue()
            self.graph = self.cuda.call("cudaGraphInstantiate", recorded[0], 0)
            self.cuda.call("cudaGraphDestroy", recorded[0])
        except GpuLostError:
            raise
        except EngineError:
            self._drop_graph()
            self.cuda.forget_error()

    @contextlib.contextmanager
    def _end_capture(self) -> Iterator[list[Any]]:
        """End the capture whatever happens inside, or the stream stays unusable; gives the graph."""
        recorded: list[Any] = []
        try:
            yield recorded
        except EngineError:
            with contextlib.suppress(EngineError):
                self.cuda.call("cudaStreamEndCapture", self.stream)
            raise
        recorded.append(self.cuda.call("cudaStreamEndCapture", self.stream))

    def _drop_graph(self) -> None:
        if self.graph is not None:
            with contextlib.suppress(EngineError):
                self.cuda.call("cudaGraphExecDestroy", self.graph)
        self.graph = None

    def _buffer(self, tensor: Tensor) -> Buffer:
        """Memory for one tensor, and the engine is told where it is. Logits are computed but not fetched."""
        device = self._memory.take(tensor.nbytes)
        host = allocate_pinned(self.cuda, tensor.shape) if tensor.name in (INPUT, LABELS, CONFIDENCE) else None
        if not self.context.set_tensor_address(tensor.name, device):
            raise EngineError(f"TensorRT refused memory for {tensor.name!r}: {self._reason()}. Build the engine again.")
        return Buffer(tensor.name, device, tensor.nbytes, host)

    def _fetch(self, is_input: bool) -> Iterator[Buffer]:
        return (b for b in self._buffers.values() if b.host is not None and (b.name == INPUT) is is_input)

    def _shown(self, name: str) -> UInt8:
        """The host's side of a tensor without its batch axis."""
        host = self._buffers[name].host
        assert host is not None
        array: UInt8 = host[0]
        return array

    def _copy(self, target: int, source: int, nbytes: int, kind: str) -> None:
        kinds = self.cuda.runtime.cudaMemcpyKind
        self.cuda.call("cudaMemcpyAsync", target, source, nbytes, getattr(kinds, kind), self.stream)

    def _use_device(self) -> None:
        """The current device belongs to the thread, and any thread may run a slot."""
        self.cuda.call("cudaSetDevice", self._device)


def list_tensors(engine: Any, module: Any) -> dict[str, Tensor]:
    """Map the name of every input and output of an ``ICudaEngine`` to its tensor."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return {name: _tensor(engine, module, name) for name in names}


def _tensor(engine: Any, module: Any, name: str) -> Tensor:
    kind = engine.get_tensor_dtype(name)
    told = _NAMES.get(str(getattr(kind, "name", kind)), "float32")
    is_input = engine.get_tensor_mode(name) == module.TensorIOMode.INPUT
    return Tensor(name, told, tuple(int(side) for side in engine.get_tensor_shape(name)), is_input)
