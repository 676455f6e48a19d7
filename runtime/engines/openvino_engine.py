"""OpenVINO behind the engine seam."""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError, EngineError, UserError
from edgeseg.files.cache_folder import cache_folder
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import (
    CLOSED_SLOT,
    CONFIDENCE,
    ENGINE_KEY,
    INPUT,
    LABELS,
    OPENVINO,
    EngineOptions,
    expect_engine,
    expect_format,
    expect_tensors,
    read_logits,
    slot_memory,
)
from edgeseg.runtime.engines.logits import LOGITS, Logits, LogitsReader
from edgeseg.runtime.engines.openvino_core import load_openvino, shared_core
from edgeseg.runtime.engines.openvino_store import ModelStore
from edgeseg.runtime.engines.placement import Placement, cpu_placement
from edgeseg.runtime.engines.precision import device_kind
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.runtime.system.machine import usable_cores
from edgeseg.spec import ModelSpec


class OpenVinoEngine:
    """An OpenVINO IR artifact on a device that OpenVINO knows."""

    def __init__(self, artifact: Artifact, options: EngineOptions) -> None:
        expect_format(artifact, "openvino")
        self.spec: ModelSpec = artifact.spec
        self._slots: weakref.WeakSet[OpenVinoSlot] = weakref.WeakSet()
        self._model: Any = _compile(artifact, options)
        expect_engine(artifact, _engine_tag(artifact.model_path), OPENVINO)
        inputs = [_tensor(port) for port in self._model.inputs]
        outputs = [_tensor(port) for port in self._model.outputs]
        expect_tensors(artifact, inputs, outputs)
        self._artifact = artifact
        self._has_confidence = CONFIDENCE in {name for name, _, _ in outputs}
        self._asked = options

    @property
    def placement(self) -> Placement:
        """Where OpenVINO computes, and in which precision, as it says itself.

        Raises:
            EngineError: the engine is closed.
        """
        if self._model is None:
            raise EngineError("This engine is closed; open it again before asking where it computes.")
        return _placement(self._model, self._asked)

    def open_slot(self) -> OpenVinoSlot:
        """Open a slot; raises EngineError when the engine is closed."""
        if self._model is None:
            raise EngineError("This engine is closed; open it again before asking for a slot.")
        slot = OpenVinoSlot(self._model, self.spec, self._has_confidence, read_logits(self._artifact))
        self._slots.add(slot)
        return slot

    def close(self) -> None:
        """Close every slot and release the compiled model; a second call does nothing."""
        for slot in list(self._slots):
            slot.close()
        self._model = None


class OpenVinoSlot:
    """One infer request whose tensors share memory with numpy."""

    def __init__(self, model: Any, spec: ModelSpec, has_confidence: bool, logits: LogitsReader | None = None) -> None:
        self.input, self._prediction = slot_memory(spec, has_confidence or logits is not None)
        self._logits = logits
        with _translate_errors("OpenVINO cannot make an infer request"):
            self._request: Any = model.create_infer_request()
            self._share(INPUT, self.input)
            if logits is not None:
                self._share(LOGITS, logits.array)
                return
            self._share(LABELS, self._prediction.labels)
            if self._prediction.confidence is not None:
                self._share(CONFIDENCE, self._prediction.confidence)

    def run(self) -> Prediction:
        """Infer what the input holds; see :meth:`edgeseg.runtime.engines.engine.Slot.run`."""
        request = self._request
        if request is None:
            raise EngineError(CLOSED_SLOT)
        # start and wait instead of infer(): the latter copies every output into a dictionary.
        with _translate_errors("OpenVINO failed while inferring"):
            request.start_async()
            request.wait()
        if self._logits is not None:
            self._logits.write(self._prediction)
        return self._prediction

    def close(self) -> None:
        """Release the request; see :meth:`edgeseg.runtime.engines.engine.Slot.close`."""
        self._request = None

    def _share(self, name: str, array: UInt8 | Logits) -> None:
        tensor = load_openvino().Tensor(array[None], shared_memory=True)
        self._request.set_tensor(name, tensor)


def default_cache_dir() -> Path:
    """Name the cache of compiled models: ``$XDG_CACHE_HOME/edgeseg/openvino``."""
    return cache_folder("openvino")


def refuse_entities(path: Path) -> None:
    """Raise ArtifactError for an IR with a document type: its entities grow, or read files, when it is parsed."""
    with path.open("rb") as stream:
        start = stream.read(1 << 20).partition(b"<net")[0]
    if b"<!DOCTYPE" in start or b"<!ENTITY" in start or b"\0" in start:
        raise ArtifactError(
            f"{path} declares XML entities or is not XML in UTF-8; an OpenVINO IR does neither, and it is not parsed. "
            "Export the model again."
        )


def _compile(artifact: Artifact, options: EngineOptions) -> Any:
    refuse_entities(artifact.model_path)
    core = shared_core()
    with _translate_errors(f"OpenVINO cannot compile {artifact.model_path} for {options.device}"):
        _check_device(core, options.device)
        store = ModelStore(core, options.cache_dir or default_cache_dir(), options.on_event)
        return store.compile(artifact, options.device, _config(options))


def _check_device(core: Any, device: str) -> None:
    found = [*core.available_devices, "AUTO"]
    if not any(re.split("[.:]", device)[0] == re.split("[.:]", name)[0] for name in found):
        raise UserError(f"OpenVINO has no device {device!r} here; found {', '.join(found)}. Use one of them.")


def _config(options: EngineOptions) -> dict[str, Any]:
    streams = options.streams or options.slots
    config: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT" if streams > 1 else "LATENCY"}
    if options.precision != "auto":
        # Without this, CPUs with AMX compute fp32 models in bfloat16 and masks stop matching.
        config["INFERENCE_PRECISION_HINT"] = options.precision or "f32"
    if options.device.upper() == "CPU":
        config["NUM_STREAMS"] = streams
        config["INFERENCE_NUM_THREADS"] = options.threads or usable_cores()
    return config


def _placement(model: Any, asked: EngineOptions) -> Placement:
    try:
        devices = [name.strip("()") for name in model.get_property("EXECUTION_DEVICES")]
    except RuntimeError:
        devices = [asked.device]
    kinds = "+".join(dict.fromkeys(map(device_kind, devices)))
    if kinds == "CPU":
        return cpu_placement(_precision(model, asked))
    names = [_property(shared_core(), name, "FULL_DEVICE_NAME") for name in devices]
    return Placement(kinds, _precision(model, asked), " + ".join(filter(None, names)))


def _precision(model: Any, asked: EngineOptions) -> str:
    """Of the compiled model; AUTO does not tell it, but obeys what it was given."""
    with contextlib.suppress(RuntimeError):
        return str(model.get_property("INFERENCE_PRECISION_HINT").get_type_name())
    return asked.precision or "f32"


def _property(core: Any, device: str, name: str) -> str:
    with contextlib.suppress(RuntimeError):
        return str(core.get_property(device, name))
    return ""


def _engine_tag(path: Path) -> str | None:
    """Which engine an IR says it is for; OpenVINO's converter keeps the tag of an ONNX file under ``framework``."""
    try:
        info = ElementTree.parse(path).find("rt_info")
    except (OSError, ElementTree.ParseError) as error:
        raise EngineError(f"OpenVINO cannot load {path}: {error}. Export the model again.") from None
    places = ("/".join(ENGINE_KEY.split(".")), f"framework/{ENGINE_KEY}")
    found = [entry.get("value") for place in places if info is not None and (entry := info.find(place)) is not None]
    return next((tag for tag in found if tag != OPENVINO), OPENVINO if found else None)


def _tensor(port: Any) -> tuple[str, str, list[object]]:
    shape = [d.get_length() if d.is_static else None for d in port.get_partial_shape()]
    names = port.get_names()
    name = next(
        (known for known in (INPUT, LABELS, CONFIDENCE, LOGITS) if known in names), next(iter(sorted(names)), "")
    )
    return name, port.get_element_type().to_dtype().name, shape


@contextlib.contextmanager
def _translate_errors(what: str) -> Iterator[None]:
    """OpenVINO raises RuntimeError for everything; its last line with text is the reason."""
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1].rstrip(".") if lines else type(error).__name__
        raise EngineError(f"{what}: {reason}. Export the model again, or try another engine.") from error
