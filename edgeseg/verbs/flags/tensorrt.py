"""What ``edgeseg export --format tensorrt | engine | engine-rtx`` takes, and what it does at its end."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.console.quantities import whole
from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.proof.publishing import ExportResult, OutputOptions
    from edgeseg.proof.samples import Samples
    from edgeseg.runtime.trt.build_settings import BuildSettings
    from edgeseg.runtime.trt.device_engine import BuiltEngine, EngineTarget, FrameInput

ENGINES = {"engine": None, "engine-rtx": "tensorrt_rtx"}
"""Formats that end with an engine for this device, and the module that builds it (None: the one that is here)."""
SETTINGS = ("half", "workspace", "dla", "opt_level", "version_compatible", "hardware_compatible")
FLAGS = (*SETTINGS, "engine_file", "trust", "gpu_resize")
MAX_FRAME = 1 << 14


def add_tensorrt_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--half", action="store_true", help="float16 wherever it is safe; with --int8 for the rest")
    group.add_argument(
        "--workspace", type=whole(1), metavar="MB", help="scratch memory a layer may take (default: all)"
    )
    group.add_argument(
        "--dla", type=whole(0, 64), metavar="N", help="DLA core (Jetson); what it cannot do runs on the GPU"
    )
    group.add_argument(
        "--opt-level", type=whole(), metavar="0..5", help="how long tactics are searched (default: TensorRT's 3)"
    )
    group.add_argument("--version-compatible", action="store_true", help="for later TensorRT of this major; larger")
    group.add_argument("--hardware-compatible", action="store_true", help="for every GPU from Ampere on; slower")
    group.add_argument("--engine-file", type=Path, metavar="FILE", help="take this engine instead of building one")
    group.add_argument("--trust", action="store_true", help="load --engine-file, which runs the code that is in it")
    group.add_argument(
        "--gpu-resize",
        type=whole(1, 1 << 16),
        nargs=2,
        metavar=("H", "W"),
        help="the engine takes frames of H W and resizes them",
    )


def check_tensorrt_arguments(args: argparse.Namespace) -> None:
    """Bring ``engine`` and ``engine-rtx`` to the format ``tensorrt`` with ``args.engine`` set, before the long work.

    Raises:
        UserError: a flag for TensorRT with another format, or values out of range.
        EnvironmentFault: an engine is asked for and cannot be built here.
    """
    args.engine = args.format if args.format in ENGINES else None
    if args.format != "tensorrt" and args.engine is None:
        if given := _list_given(args, FLAGS):
            flag = given[0].replace("_", "-")
            raise UserError(f"--{flag} is for TensorRT; add --format engine (or tensorrt), or leave it out.")
        return
    args.format = "tensorrt"
    settings(args)
    if args.dla is not None and (args.int8 or not args.half):
        raise UserError("--dla needs --half and no --int8: a DLA takes float16, and no INT8 that is written as Q/DQ.")
    if (args.engine_file or args.trust) and not (args.engine and args.engine_file):
        raise UserError("--trust and --engine-file FILE go together, with --format engine.")
    _check_frames(args)
    if args.engine:
        args.engine_place = engine_place(ENGINES[args.engine])


def _check_frames(args: argparse.Namespace) -> None:
    if args.gpu_resize is None:
        return
    if not args.engine or args.engine_file:
        raise UserError("--gpu-resize H W is for an engine that is built here: --format engine, and no --engine-file.")
    if not all(1 <= side <= MAX_FRAME for side in args.gpu_resize):
        raise UserError(f"--gpu-resize takes height and width from 1 to {MAX_FRAME}; found {args.gpu_resize}.")


def settings(args: argparse.Namespace) -> BuildSettings:
    """How engines of the artifact are to be built."""
    from edgeseg.runtime.trt.build_settings import BuildSettings

    return BuildSettings(args.workspace, args.dla, args.opt_level, args.version_compatible, args.hardware_compatible)


def engine_place(library_name: str | None) -> EngineTarget:
    """The TensorRT and the GPU that are here.

    Raises:
        EnvironmentFault: one of them is not.
    """
    from edgeseg.runtime.trt.cuda import load_cuda
    from edgeseg.runtime.trt.device_engine import EngineTarget
    from edgeseg.runtime.trt.versions import find_library

    library = find_library(library_name)
    gpu = load_cuda().gpu() if library.features.is_for_one_gpu else None
    return EngineTarget(library, gpu)


def ready_artifact(args: argparse.Namespace) -> Artifact | None:
    """The model when it is a ``tensorrt`` artifact already, of which only the engine is wanted; needs no torch."""
    from edgeseg.artifact import MANIFEST, Artifact

    if args.engine is None or not (args.model / MANIFEST).is_file():
        return None
    artifact = Artifact.open(args.model)
    if artifact.format != "tensorrt":
        return None
    if args.int8 or _list_given(args, SETTINGS):
        raise UserError(
            f"{artifact.path} says itself how its engine is built; flags for that are given when it is made. Export "
            "the checkpoint again with them."
        )
    return artifact


def as_tensorrt(
    args: argparse.Namespace, built: list[ExportResult], found: Samples, to: OutputOptions
) -> list[ExportResult]:
    """``built`` with the TensorRT artifact at its end; an INT8 artifact is replaced and keeps its proof."""
    from edgeseg.export.tensorrt_artifact import tensorrt_artifact
    from edgeseg.verbs.flags.int8 import budget

    last, wishes = built[-1], settings(args)
    is_int8 = last.artifact.precision == "int8"
    made = tensorrt_artifact(last.artifact, to, found, wishes, args.half, budget(args, found.labelled))
    if not is_int8:
        return [*built, made]
    kept = made if args.half else dataclasses.replace(last, artifact=made.artifact)
    return [*built[:-1], kept]


def build_engine_for(args: argparse.Namespace, artifact: Artifact) -> BuiltEngine | None:
    """Build, find or adopt the engine that the flags ask for."""
    from edgeseg.runtime.trt.device_engine import adopt_engine, device_engine

    if not args.engine:
        return None
    if args.engine_file:
        adopt_engine(artifact, args.engine_place, args.engine_file, args.trust)
    return device_engine(artifact, args.engine_place, frames=_frames(args, artifact))


def _frames(args: argparse.Namespace, artifact: Artifact) -> FrameInput | None:
    """The one thing about an engine that needs onnx on the device."""
    from edgeseg.console.extras import require
    from edgeseg.runtime.trt.device_engine import FrameInput

    if args.gpu_resize is None:
        return None
    require("onnx", "export")
    from edgeseg.export.graphs.gpu_resize import resize_onnx

    height, width = args.gpu_resize
    return FrameInput((height, width), lambda onnx: resize_onnx(onnx, artifact.spec, (height, width)))


def _list_given(args: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    """Which of the flags were used; ``--dla 0`` was."""
    return [name for name in names if (value := getattr(args, name)) is not None and value is not False]


def engine_dict(engine: BuiltEngine) -> dict[str, Any]:
    """For machines."""
    return {"path": str(engine.path), "bytes": len(engine.plan), "is_new": engine.is_new, **engine.key.to_dict()}


def engine_text(engine: BuiltEngine, artifact: Artifact) -> str:
    """For people."""
    from edgeseg.runtime.trt.build_settings import is_half, read_settings

    what = "built" if engine.is_new else "was there already"
    where = "every GPU that it serves" if engine.key.gpu == "any" else f"{engine.key.gpu} (SM {engine.key.sm})"
    notes = [f"note: {cost}" for cost in read_settings(artifact).costs]
    if artifact.precision == "int8" and not is_half(artifact):
        notes.append(
            "note: what is not INT8 computes in float32 (the builder of 8.6 may take float16); from TensorRT 10 on "
            "--half makes that float16, too"
        )
    head = (
        f"{engine.path}  ({len(engine.plan) / 1e6:.2f} MB) {what}: {engine.key.library} {engine.key.version}, {where}"
    )
    return "\n".join([head, *notes])
