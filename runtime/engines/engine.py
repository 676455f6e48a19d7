"""The seam between edgeseg and an inference engine.

An engine is a compiled model; a slot is one request in flight, with its own input memory::

    engine = open_engine(Artifact.open("cells-int8-openvino"), slots=2)
    slot = engine.open_slot()
    image.fit(frame, engine.spec, out=slot.input)
    prediction = slot.run()          # blocks, without the GIL; valid until the next run of this slot

A file made for one engine is refused by the others: the artifact's format decides, and the tag that
quantised files carry inside (:data:`ENGINE_KEY`), which is still there when a file has been moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError, UserError
from edgeseg.formats import find_format
from edgeseg.given import checked
from edgeseg.image import UInt8
from edgeseg.runtime.engines.logits import LOGITS, LogitsReader, gives_logits_alone, lone_logits_shape
from edgeseg.runtime.engines.precision import choose_precision
from edgeseg.runtime.engines.precision_names import PRECISIONS
from edgeseg.runtime.events.event import OnEvent, event_to_stderr
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec

INPUT, LABELS, CONFIDENCE = "image", "labels", "confidence"
ENGINE_KEY = "edgeseg.engine"
ONNXRUNTIME, OPENVINO, TENSORRT = (find_format(name).tag for name in ("onnx", "openvino", "tensorrt"))
""":data:`ENGINE_KEY` in ONNX ``metadata_props`` (or ``rt_info``) says which engine a file was encoded for."""

CLOSED_SLOT = "This slot is closed; open the engine again."


class Slot(Protocol):
    """Memory for one inference at a time; use a slot from one thread at a time."""

    @property
    def input(self) -> UInt8:
        """(height, width, channels) uint8, to be filled with :func:`edgeseg.image.fit`."""

    def run(self) -> Prediction:
        """Infer from :attr:`input`; blocks without the GIL.

        The arrays are valid until the next run of this slot.

        Raises:
            EngineError: the engine refused or failed, or this slot or its engine is closed.
        """

    def close(self) -> None:
        """Release the request; a second call does nothing, and the arrays stay readable."""


class Engine(Protocol):
    """A compiled model that gives slots until it is closed."""

    @property
    def spec(self) -> ModelSpec:
        """What the model takes and gives."""

    def open_slot(self) -> Slot:
        """Open a slot; slots of one engine may run at the same time from different threads.

        Raises:
            EngineError: the engine is closed.
        """

    def close(self) -> None:
        """Close every slot and release the compiled model; a second call does nothing."""


@dataclass(frozen=True)
class EngineOptions:
    """How an engine is opened.

    Attributes:
        device: the engine's own name of a device, ``CPU`` everywhere.
        slots: how many requests are to run at the same time.
        cache_dir: where compiled models are kept, or None for the user's cache folder.
        threads: CPU threads for all slots together, or None for every usable core.
        precision: that float layers are computed in: ``f32``, ``bf16``, ``f16``, or ``auto``, what the engine likes
            (bfloat16 on CPUs with AMX: faster, and masks may differ). None: the one that the artifact was proven in,
            see :func:`~edgeseg.runtime.engines.precision.read_preferred`; engines are given what that is.
        may_build: whether TensorRT may build the engine for this device when there is none that fits.
        on_event: is told what happens to compiled models that were kept.
        streams: how many requests a CPU works at side by side, each with its share of the threads; None: as many as
            slots. Fewer leave slots time to resize while the others infer.
    """

    device: str = "CPU"
    slots: int = 1
    cache_dir: Path | None = None
    threads: int | None = None
    precision: str | None = None
    may_build: bool = True
    on_event: OnEvent = event_to_stderr
    streams: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.device, str) or not self.device.strip():
            raise UserError(f"device must be a name such as CPU; found {self.device!r}.")
        for name, value in (("slots", self.slots), ("threads", self.threads), ("streams", self.streams)):
            if value is not None and not (isinstance(value, int) and 1 <= value <= 1024):
                raise UserError(f"{name} must be 1 to 1024; found {value!r}.")
        if self.precision is not None and self.precision not in PRECISIONS:
            raise UserError(f"precision must be one of {', '.join(PRECISIONS)}; found {self.precision!r}.")


@checked
def open_engine(
    artifact: Artifact,
    device: str = "CPU",
    slots: int = 1,
    cache_dir: Path | None = None,
    threads: int | None = None,
    precision: str | None = None,
    may_build: bool = True,
) -> Engine:
    """Compile an artifact with the engine it was made for.

    Args: see :class:`EngineOptions`.

    Raises:
        UserError: an option out of range, or a device that is not there.
        ArtifactError: no engine for this format, or a graph that contradicts its spec.
        MissingExtra: the engine's package is not installed.
        EngineError: the engine refuses the model.
    """
    return open_with(artifact, EngineOptions(device, slots, cache_dir, threads, precision, may_build))


@checked
def open_with(artifact: Artifact, options: EngineOptions) -> Engine:
    """Do as :func:`open_engine` does."""
    precision = choose_precision(artifact, options.device, options.precision, options.on_event)
    engine: Engine = find_format(artifact.format).load("engine")(artifact, replace(options, precision=precision))
    return engine


@checked
def read_logits(artifact: Artifact) -> LogitsReader | None:
    """Make what reads the logits of one slot; None where the graph gives labels itself."""
    return LogitsReader(artifact.spec) if gives_logits_alone(artifact) else None


def slot_memory(spec: ModelSpec, has_confidence: bool) -> tuple[UInt8, Prediction]:
    """Preallocate what every slot has: its input, and the arrays its results are written to."""
    size = (spec.height, spec.width)
    confidence = np.empty(confidence_shape(spec), np.uint8) if has_confidence else None
    return np.zeros((*size, spec.channels), np.uint8), Prediction(np.empty(size, np.uint8), confidence)


@checked
def confidence_shape(spec: ModelSpec) -> tuple[int, ...]:
    """Give the shape of the confidence of one picture: HW, or KHW where each class has its own (multilabel)."""
    classes = (spec.num_classes,) if spec.task == "multilabel" else ()
    return (*classes, spec.height, spec.width)


def expect_format(artifact: Artifact, model_format: str) -> None:
    """Raise ArtifactError when ``artifact`` was made for another engine."""
    if artifact.format != model_format:
        raise ArtifactError(
            f"{artifact.path.name} was made for {artifact.format} ({artifact.precision}) and is not run as "
            f"{model_format}: another engine may compute wrong masks from it. Export it with `format={model_format!r}`."
        )


def expect_engine(artifact: Artifact, found: str | None, engine: str) -> None:
    """Raise ArtifactError when the model file says that it was encoded for another engine.

    Args:
        artifact: for the message.
        found: the file's own tag, or None for a float file, which has none.
        engine: who wants to run it.
    """
    if found is not None and found != engine:
        raise ArtifactError(
            f"{artifact.model_path} was quantised for {found} and is not run by {engine}, which may compute wrong "
            "masks from it without a word. Quantise the fp32 artifact for this engine with: "
            "`edgeseg.quantize(FP32, DIR)`"
        )


def expect_tensors(
    artifact: Artifact,
    inputs: Sequence[tuple[str, str, Sequence[object]]],
    outputs: Sequence[tuple[str, str, Sequence[object]]],
) -> None:
    """Check a graph against its spec.

    Args:
        artifact: gives the spec.
        inputs, outputs: (name, element type, shape); a dimension that is no int is dynamic.

    Raises:
        ArtifactError: a tensor is missing or has another type or shape.
    """
    spec = artifact.spec
    if len(inputs) != 1:
        raise ArtifactError(f"{artifact.path} has {len(inputs)} inputs; one called {INPUT!r} is expected.")
    _expect_tensor(artifact, INPUT, (1, spec.height, spec.width, spec.channels), inputs)
    if gives_logits_alone(artifact):
        _expect_tensor(artifact, LOGITS, lone_logits_shape(spec), outputs, "float32")
        return
    _expect_tensor(artifact, LABELS, (1, spec.height, spec.width), outputs)
    if spec.task == "multilabel" or any(name == CONFIDENCE for name, _, _ in outputs):
        _expect_tensor(artifact, CONFIDENCE, (1, *confidence_shape(spec)), outputs)


def _expect_tensor(
    artifact: Artifact,
    name: str,
    shape: tuple[int, ...],
    found: Sequence[tuple[str, str, Sequence[object]]],
    expected: str = "uint8",
) -> None:
    match = next((tensor for tensor in found if tensor[0] == name), None)
    if match is None:
        raise ArtifactError(
            f"{artifact.path} has no tensor {name!r}; found {[n for n, _, _ in found]}. Export the model again."
        )
    _, kind, dims = match
    fits = len(dims) == len(shape) and all(not isinstance(d, int) or d == s for d, s in zip(dims, shape, strict=True))
    if kind != expected or not fits:
        raise ArtifactError(
            f"{artifact.path}: tensor {name!r} should be {expected} {shape} by its spec; "
            f"found {kind} {tuple(dims)}. Export the model again."
        )
