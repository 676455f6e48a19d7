"""ONNX to a TensorRT engine, on the device that will run it, with TensorRT alone; and why a build failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from edgeseg.console.terminal import complain
from edgeseg.errors import ArtifactError, EngineError, UserError
from edgeseg.runtime.trt.build_settings import BuildSettings
from edgeseg.runtime.trt.onnx_header import read_onnx_header
from edgeseg.runtime.trt.progress import progress_monitor
from edgeseg.runtime.trt.trt_log import errors_since, messages_since, open_log, start_log
from edgeseg.runtime.trt.versions import Library

MB = 1 << 20
NO_DLA_INT8 = "it takes INT8 only from TensorRT's own calibrators, never from Q/DQ nodes."
_OPSET = "The parser of {title} takes ONNX opsets up to {limit}, and this file has {found}."
MAX_REASON = 400
_NO_MEMORY = re.compile(
    r"workspace|out ?of ?memory|insuff?icient memory|memory is insufficient|memory allocation|\boom\b"
    r"|memory[^.]*could not be allocated|not enough free memory",
    re.IGNORECASE,
)
"""As the versions say it; 'insuficient' is TensorRT 8's spelling."""
_SKIPPED = re.compile(r"insuff?icient memory|memory is insufficient|sufficient workspace", re.IGNORECASE)
_NO_TACTIC = re.compile(r"could not find any implementation|no tactics", re.IGNORECASE)
_FREE = "close other programs and the desktop, or add swap (docs/jetson.md)"


@dataclass(frozen=True)
class BuildJob:
    """One engine to be built.

    Attributes:
        onnx: the file's bytes, whose digest was checked.
        precision: ``fp32``, ``fp16`` or ``int8``; matters where types are no part of the graph (TensorRT 8.6).
        settings: the user's wishes.
        timings: a serialised timing cache of this device and version; empty for none.
        keep_timings: is given the timing cache after the build.
        tell: is given a note about a build that succeeded, but not with everything it could have tried.
    """

    onnx: bytes
    precision: str
    settings: BuildSettings = field(default_factory=BuildSettings)
    timings: bytes = b""
    keep_timings: Callable[[bytes], None] = field(default=lambda timings: None)
    tell: Callable[[str], None] = field(default=lambda note: complain(f"edgeseg: {note}"))


def build_engine(job: BuildJob, library: Library) -> bytes:
    """Parse and build; minutes on a Jetson. A bar is shown on a terminal.

    Returns:
        The serialised engine.

    Raises:
        ArtifactError: the parser refuses the graph; the message names node and operation.
        UserError: the settings ask for something that is not here (a DLA core, compatibility).
        EngineError: TensorRT does not start, or the build failed: too little workspace or memory, no implementation.
    """
    log = open_log(library.module)
    builder = start_log(library.module.Builder, log, library)
    with _progress(library) as monitor:
        network = _network(job, library, builder, log)
        config = _config(job, library, builder, network)
        if hasattr(config, "progress_monitor"):
            config.progress_monitor = monitor
        mark = log.count
        plan = builder.build_serialized_network(network, config)
        if getattr(monitor, "interrupted", False):
            raise KeyboardInterrupt
    skipped = skipped_tactics(messages_since(log, mark))
    if plan is None:
        raise build_failure(errors_since(log, library.module, mark), skipped, job.settings, library.title)
    if skipped:
        job.tell(skipped_note(skipped, job.settings, library.title))
    if library.features.has_timing_cache and (cache := config.get_timing_cache()) is not None:
        job.keep_timings(bytes(memoryview(cache.serialize())))
    return bytes(memoryview(plan))


@contextmanager
def _progress(library: Library) -> Iterator[Any]:
    monitor = progress_monitor(library.module, f"build {library.title} engine")
    try:
        yield monitor
    finally:
        if monitor is not None:
            monitor.close()


def _network(job: BuildJob, library: Library, builder: Any, log: Any) -> Any:
    module = library.module
    _expect_opset(job.onnx, library)
    network = builder.create_network(_bits(module.NetworkDefinitionCreationFlag, library.features.network_flags))
    parser = module.OnnxParser(network, log)
    if not parser.parse(job.onnx):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        raise ArtifactError(f"{library.title} does not take this network: {_describe(errors)}")
    _hold_float32(network, library, job.precision)
    return network


def _expect_opset(onnx: bytes, library: Library) -> None:
    found = read_onnx_header(onnx).opset
    if not found:
        raise ArtifactError("This file holds no ONNX graph: it names no operator set. Export the model again.")
    if found > library.features.max_opset:
        sentence = _OPSET.format(title=library.title, limit=library.features.max_opset, found=found)
        todo = "Export the model without `half=True`, at opset 17." if found == 19 else "Export the model at opset 17."
        raise ArtifactError(f"{sentence} {todo}")


def _describe(errors: list[Any]) -> str:
    """Every parser error once, with its node."""
    lines = list(dict.fromkeys(_parser_error(error) for error in errors)) or ["it gave no reason"]
    more = f" (and {len(lines) - 3} more)" if len(lines) > 3 else ""
    return f"{'; '.join(lines[:3])}{more}. Run the network with `format='openvino'` or `'onnx'`, or replace that layer."


def _parser_error(error: Any) -> str:
    """Versions before 10 know only the node's number."""
    name, operation = (_text(getattr(error, key, None)) for key in ("node_name", "node_operator"))
    reason = error.desc().strip().rstrip(".:!")[:MAX_REASON]
    if reason in ("", "false"):
        reason = "not supported"
    if operation or name:
        return f"node {name or error.node()!r} ({operation or 'operation unknown'}): {reason}"
    return f"node number {error.node()}: {reason}" if error.node() >= 0 else reason


def _text(method: Any) -> str:
    return str(method()) if callable(method) else ""


def _hold_float32(network: Any, library: Library, precision: str) -> None:
    """Where a flag lets the builder choose float16, the layers that need float32 keep it."""
    if precision not in library.features.precision_flags:
        return
    kinds = {getattr(library.module.LayerType, name) for name in library.features.float_layers}
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type in kinds:
            layer.precision = library.module.float32


def _config(job: BuildJob, library: Library, builder: Any, network: Any) -> Any:
    module, settings = library.module, job.settings
    config = builder.create_builder_config()
    for name in library.features.precision_flags.get(job.precision, ()):
        config.set_flag(getattr(module.BuilderFlag, name))
    if settings.workspace_mb is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, settings.workspace_mb * MB)
    if settings.level is not None:
        config.builder_optimization_level = settings.level
    if settings.dla is not None:
        _use_dla(config, builder, job, library)
    _be_compatible(config, library, settings)
    if library.features.has_timing_cache:
        _use_timings(config, job.timings)
    return config


def _use_dla(config: Any, builder: Any, job: BuildJob, library: Library) -> None:
    cores = int(builder.num_DLA_cores)
    if job.settings.dla is None or job.settings.dla >= cores:
        raise UserError(
            f"`dla={job.settings.dla}`: this device has {cores or 'no'} DLA cores (Jetson Xavier and Orin NX or AGX "
            "have them, Orin Nano and PCs do not). Leave `dla` out."
        )
    if job.precision != "fp16":
        raise UserError(
            f"A DLA runs float16 only, not {job.precision}: {NO_DLA_INT8} Export with `half=True`, or on the GPU."
        )
    config.default_device_type = library.module.DeviceType.DLA
    config.DLA_core = job.settings.dla
    config.set_flag(library.module.BuilderFlag.GPU_FALLBACK)


def _be_compatible(config: Any, library: Library, settings: BuildSettings) -> None:
    module = library.module
    if settings.costs and not library.features.has_compatibility:
        raise UserError(
            f"{library.title} engines serve every RTX GPU and bind to their version: leave out `version_compatible` "
            "and `hardware_compatible`."
        )
    if settings.version_compatible:
        config.set_flag(module.BuilderFlag.VERSION_COMPATIBLE)
    if settings.hardware_compatible:
        config.hardware_compatibility_level = module.HardwareCompatibilityLevel.AMPERE_PLUS


def _use_timings(config: Any, timings: bytes) -> None:
    """A cache of another device or version is refused by TensorRT itself; then timing starts anew."""
    cache = config.create_timing_cache(timings)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _bits(enumeration: Any, names: tuple[str, ...]) -> int:
    """The flags as a bit mask; those that a version has dropped are its only way by then."""
    members = [getattr(enumeration, name) for name in names if hasattr(enumeration, name)]
    return sum(1 << int(member) for member in members)


def skipped_tactics(said: Sequence[str]) -> list[str]:
    """Pick the messages about tactics that were left out because they need more memory than there is."""
    return [text for text in said if _SKIPPED.search(text)]


def build_failure(errors: Sequence[str], skipped: Sequence[str], settings: BuildSettings, title: str) -> EngineError:
    """Make the error of a build that gave no engine.

    Skipped tactics alone fail no build; where no tactic was left, or nothing else was said, they are why.

    Args:
        errors: what was logged as an error.
        skipped: of :func:`skipped_tactics`.
        title: the TensorRT.
    """
    reason = "; ".join(errors)[:MAX_REASON]
    if _NO_TACTIC.search(reason) or not reason:
        reason = "; ".join(filter(None, [reason, *skipped[:1]])) or "it gave no reason"
    if _NO_MEMORY.search(reason):
        return EngineError(
            f"{title} ran out of memory while it built the engine ({_limit(settings)}): {reason}. {_remedy(settings)}"
        )
    return EngineError(f"{title} could not build the engine: {reason}. Export with `format='openvino'` or `'onnx'`.")


def skipped_note(skipped: Sequence[str], settings: BuildSettings, title: str) -> str:
    """Word the note about a build that succeeded without some tactics."""
    return (
        f"{title} built the engine without tactics that need more memory ({_limit(settings)}), so it may be slower "
        f"than it could be: {skipped[0][:MAX_REASON]}. {_remedy(settings)}"
    )


def _limit(settings: BuildSettings) -> str:
    return "no `workspace_mb`" if settings.workspace_mb is None else f"`workspace_mb={settings.workspace_mb}`"


def _remedy(settings: BuildSettings) -> str:
    """The user's own limit is the likely reason where there is one; where there is none, the device is full."""
    if settings.workspace_mb is not None:
        return f"Export with a larger `workspace_mb`, or without it; if the device itself is full, {_FREE}."
    return f"Free memory: {_FREE}. If that is not enough, export with `workspace_mb=256`."
