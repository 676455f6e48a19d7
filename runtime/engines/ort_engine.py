"""ONNX Runtime behind the engine seam."""

from __future__ import annotations

import weakref
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.errors import EngineError
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import (
    CLOSED_SLOT,
    CONFIDENCE,
    ENGINE_KEY,
    INPUT,
    LABELS,
    ONNXRUNTIME,
    EngineOptions,
    expect_engine,
    expect_format,
    expect_tensors,
    read_logits,
    slot_memory,
)
from edgeseg.runtime.engines.logits import LOGITS, Logits, LogitsReader
from edgeseg.runtime.engines.ort_providers import expect_provider, find_providers
from edgeseg.runtime.engines.ort_session import EVERYTHING, open_session, translate_errors
from edgeseg.runtime.engines.placement import Placement, cpu_placement
from edgeseg.runtime.engines.precision import device_kind
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.runtime.system.machine import usable_cores
from edgeseg.spec import ModelSpec


class OrtEngine:
    """An ONNX artifact on the CPU.

    Attributes:
        model_format: artifacts that it takes.
        runs_for: the engine whose quantised files it takes.
        optimisation: what ONNX Runtime may rewrite, see :mod:`edgeseg.runtime.engines.ort_session`.
    """

    model_format = "onnx"
    runs_for = ONNXRUNTIME
    optimisation = EVERYTHING

    def __init__(self, artifact: Artifact, options: EngineOptions) -> None:
        expect_format(artifact, self.model_format)
        self._device = options.device
        self.spec: ModelSpec = artifact.spec
        self._slots: weakref.WeakSet[OrtSlot] = weakref.WeakSet()
        self._session: Any = _session(artifact, options, self.optimisation)
        expect_provider(self._session, options.device)
        expect_engine(artifact, self._session.get_modelmeta().custom_metadata_map.get(ENGINE_KEY), self.runs_for)
        inputs = [_tensor(node) for node in self._session.get_inputs()]
        outputs = [_tensor(node) for node in self._session.get_outputs()]
        expect_tensors(artifact, inputs, outputs)
        self._artifact = artifact
        self._has_confidence = CONFIDENCE in {name for name, _, _ in outputs}

    @property
    def placement(self) -> Placement:
        """Where ONNX Runtime computes: on the CPU in float32; elsewhere in what the provider chooses."""
        kind = device_kind(self._device)
        return cpu_placement() if kind == "CPU" else Placement(kind, "auto", f"ONNX Runtime, {self._device}")

    def open_slot(self) -> OrtSlot:
        """Open a slot; raises EngineError when the engine is closed."""
        if self._session is None:
            raise EngineError("This engine is closed; open it again before asking for a slot.")
        slot = OrtSlot(self._session, self.spec, self._has_confidence, read_logits(self._artifact))
        self._slots.add(slot)
        return slot

    def close(self) -> None:
        """Close every slot and release the session; a second call does nothing."""
        for slot in list(self._slots):
            slot.close()
        self._session = None


class OrtSlot:
    """One request: input and outputs are bound once, so a run copies nothing."""

    def __init__(self, session: Any, spec: ModelSpec, has_confidence: bool, logits: LogitsReader | None = None) -> None:
        self.input, self._prediction = slot_memory(spec, has_confidence or logits is not None)
        self._session: Any = session
        self._logits = logits
        self._binding = session.io_binding()
        _bind(self._binding.bind_input, INPUT, self.input)
        if logits is not None:
            _bind(self._binding.bind_output, LOGITS, logits.array)
            return
        _bind(self._binding.bind_output, LABELS, self._prediction.labels)
        if self._prediction.confidence is not None:
            _bind(self._binding.bind_output, CONFIDENCE, self._prediction.confidence)

    def run(self) -> Prediction:
        """Infer what the input holds; see :meth:`edgeseg.runtime.engines.engine.Slot.run`."""
        session = self._session
        if session is None:
            raise EngineError(CLOSED_SLOT)
        with translate_errors("ONNX Runtime failed while inferring"):
            session.run_with_iobinding(self._binding)
        if self._logits is not None:
            self._logits.write(self._prediction)
        return self._prediction

    def close(self) -> None:
        """Let go of the session; see :meth:`edgeseg.runtime.engines.engine.Slot.close`."""
        self._session = None


def _bind(bind: Any, name: str, array: UInt8 | Logits) -> None:
    bind(name, "cpu", 0, array.dtype.type, (1, *array.shape), array.ctypes.data)


def _session(artifact: Artifact, options: EngineOptions, optimisation: str) -> Any:
    with translate_errors(f"ONNX Runtime cannot load {artifact.model_path}"):
        providers = find_providers(options.device)
        session = open_session(artifact.model_path, optimisation, threads=_threads(options), extra="onnxruntime")
        if len(providers) > 1:
            session.set_providers(providers)
        return session


def _threads(options: EngineOptions) -> int:
    """Size of the session's pool.

    Every running slot works itself beside the shared pool of n - 1 threads, so this fills the
    cores when as many slots are busy as there are streams.
    """
    return max(1, (options.threads or usable_cores()) - (options.streams or options.slots) + 1)


def _tensor(node: Any) -> tuple[str, str, list[object]]:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    return node.name, {"float": "float32"}.get(kind, kind), list(node.shape)
