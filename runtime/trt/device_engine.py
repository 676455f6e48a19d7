"""The engine of an artifact for this device: the one that is there, or a new one."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.errors import EngineError, TamperedError
from edgeseg.runtime.engines.engine import ENGINE_KEY, TENSORRT, expect_engine, expect_format
from edgeseg.runtime.trt.build_settings import BuildSettings, read_settings
from edgeseg.runtime.trt.cuda import Gpu
from edgeseg.runtime.trt.engine_cache import EngineStore, default_root
from edgeseg.runtime.trt.engine_file import read_trusted_plan
from edgeseg.runtime.trt.engine_from_onnx import BuildJob, build_engine
from edgeseg.runtime.trt.engine_key import EngineKey, engine_key
from edgeseg.runtime.trt.onnx_header import read_onnx_header
from edgeseg.runtime.trt.versions import Library


@dataclass(frozen=True)
class BuiltEngine:
    """A serialised engine whose bytes may be loaded.

    Attributes:
        plan: the bytes.
        path: where they are kept.
        key: what they were built for.
        is_new: whether they were built just now.
    """

    plan: bytes
    path: Path
    key: EngineKey
    is_new: bool


@dataclass(frozen=True)
class EngineTarget:
    """Where an engine is to run and to be kept.

    Attributes:
        library: the TensorRT here.
        gpu: the device; None only where the library's engines serve every GPU.
        root: the cache, or None for the user's.
    """

    library: Library
    gpu: Gpu | None
    root: Path | None = None

    def store(self) -> EngineStore:
        """Open the cache that the engine is kept in."""
        return EngineStore(self.root or default_root())


@dataclass(frozen=True)
class FrameInput:
    """Frames that go to the engine as they are, and are resized in it.

    Attributes:
        size: height and width of every frame.
        graph: puts the resize in front of an ONNX file; None where that is not at hand, so that nothing is built.
    """

    size: tuple[int, int]
    graph: Callable[[bytes], bytes] | None = None

    def of(self, onnx: bytes) -> bytes:
        """Rebuild an ONNX model so that it takes frames."""
        assert self.graph is not None
        return self.graph(onnx)


def device_engine(
    artifact: Artifact,
    place: EngineTarget,
    may_build: bool = True,
    settings: BuildSettings | None = None,
    frames: FrameInput | None = None,
) -> BuiltEngine:
    """Find the engine of an artifact, or build it; two processes that ask at once build it once.

    Args:
        artifact: of the format ``tensorrt``.
        may_build: False fails when there is none that fits, and names what differs.
        settings: default: the artifact's own.
        frames: for an engine that takes whole frames; default: one that takes network inputs.

    Raises:
        ArtifactError: an artifact for another engine, or a graph that TensorRT does not take.
        TamperedError: the engine that is there was changed and may not be built again.
        UserError, EngineError, OutputError: it cannot be built or kept.
    """
    expect_format(artifact, TENSORRT)
    settings = read_settings(artifact) if settings is None else settings
    onnx = _verify_onnx(artifact)
    size = frames.size if frames is not None else None
    key, store = engine_key(artifact, place.library, place.gpu, settings, size), place.store()
    if not may_build or (frames is not None and frames.graph is None):
        return _existing(store, key, artifact, size)
    with store.lock(key):
        if (found := _usable(store, key)) is not None:
            return BuiltEngine(found, store.plan_path(key), key, False)
        timings = store.timings(key)
        onnx = onnx if frames is None else frames.of(onnx)
        job = BuildJob(onnx, artifact.precision, settings, timings, lambda data: store.keep_timings(key, data))
        plan = build_engine(job, place.library)
        return BuiltEngine(plan, store.put(key, plan), key, True)


def adopt_engine(artifact: Artifact, place: EngineTarget, engine_file: Path, trust: bool = False) -> Path:
    """Take an engine from elsewhere as the one of ``artifact`` on this device; opening it checks its tensors.

    Raises:
        ArtifactError: no engine, not explicitly trusted, or made by another library.
    """
    expect_format(artifact, TENSORRT)
    plan = read_trusted_plan(engine_file, place.library, trust)
    key, store = engine_key(artifact, place.library, place.gpu, read_settings(artifact)), place.store()
    with store.lock(key):
        return store.put(key, plan)


def _verify_onnx(artifact: Artifact) -> bytes:
    """The very bytes whose digest the manifest names, and which no other engine was meant for."""
    data = artifact.model_path.read_bytes()
    if hashlib.sha256(data).hexdigest() != artifact.files[artifact.model_path.name]:
        raise TamperedError(f"{artifact.model_path} was changed after the artifact was opened. Copy it again.")
    expect_engine(artifact, read_onnx_header(data).metadata.get(ENGINE_KEY), TENSORRT)
    return data


def _usable(store: EngineStore, key: EngineKey) -> bytes | None:
    """What was damaged is built again: none of it is used."""
    with contextlib.suppress(TamperedError):
        return store.get(key)
    return None


def _existing(store: EngineStore, key: EngineKey, artifact: Artifact, frame: tuple[int, int] | None) -> BuiltEngine:
    if (plan := store.get(key)) is not None:
        return BuiltEngine(plan, store.plan_path(key), key, False)
    if frame is not None:
        raise EngineError(
            f"No engine in {store.root} resizes frames of {frame[0]}x{frame[1]} for {artifact.path.name} here. Export "
            f"{artifact.path} with `format='engine', gpu_resize={frame}` to build one."
        )
    near = min((key.differences(other) for other in store.kept()), key=len, default=[])
    if not near:
        raise EngineError(
            f"There is no engine in {store.root} yet, and `may_build=False` forbids building one. Leave it out."
        )
    raise EngineError(
        f"No engine in {store.root} fits {artifact.path.name} here, and `may_build=False` forbids building one. "
        f"The nearest differs in: {'; '.join(near)}. Leave `may_build=False` out to build one."
    )
