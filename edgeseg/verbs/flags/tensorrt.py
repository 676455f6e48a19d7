"""What ``edgeseg export --format tensorrt | engine | engine-rtx`` takes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.quantities import whole
from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.runtime.trt.build_settings import BuildSettings
    from edgeseg.runtime.trt.device_engine import EngineTarget

ENGINES = {"engine": None, "engine-rtx": "tensorrt_rtx"}
"""Formats that end with an engine for this device, and the module that builds it (None: the one that is here)."""
SETTINGS = ("half", "workspace", "dla", "opt_level", "version_compatible", "hardware_compatible")
FLAGS = (*SETTINGS, "engine_file", "trust", "gpu_resize")
MAX_FRAME = 1 << 14


@dataclass(frozen=True)
class TensorRtFlags:
    """What the flags ask of TensorRT.

    Attributes:
        settings: how devices are to build engines.
        half: float16 wherever it is safe.
        are_given: whether any flag says how an engine is built.
        target: what an engine is built for, now and here; None: none is.
        engine_file: an engine to take instead.
        trust: load it.
        frame_size: height and width of frames that the engine resizes.
    """

    settings: BuildSettings
    half: bool = False
    are_given: bool = False
    target: EngineTarget | None = None
    engine_file: Path | None = None
    trust: bool = False
    frame_size: tuple[int, int] | None = None


def add_tensorrt_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the flags for TensorRT."""
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


def read_tensorrt(args: argparse.Namespace) -> TensorRtFlags | None:
    """Read what is asked of TensorRT; None for another format.

    Raises:
        UserError: a flag for TensorRT with another format, or values out of range.
        EnvironmentFault: an engine is asked for and cannot be built here.
    """
    from edgeseg.runtime.trt.build_settings import BuildSettings

    if args.format != "tensorrt" and args.format not in ENGINES:
        if given := _list_given(args, FLAGS):
            flag = given[0].replace("_", "-")
            raise UserError(f"--{flag} is for TensorRT; add --format engine (or tensorrt), or leave it out.")
        return None
    how = (args.workspace, args.dla, args.opt_level, args.version_compatible, args.hardware_compatible)
    settings = BuildSettings(*how)
    if args.dla is not None and (args.int8 or not args.half):
        raise UserError("--dla needs --half and no --int8: a DLA takes float16, and no INT8 that is written as Q/DQ.")
    if (args.engine_file or args.trust) and not (args.format in ENGINES and args.engine_file):
        raise UserError("--trust and --engine-file FILE go together, with --format engine.")
    return TensorRtFlags(
        settings,
        args.half,
        bool(_list_given(args, SETTINGS)),
        frame_size=_read_frame_size(args),
        target=_find_target(args.format),
        engine_file=args.engine_file,
        trust=args.trust,
    )


def _read_frame_size(args: argparse.Namespace) -> tuple[int, int] | None:
    if args.gpu_resize is None:
        return None
    if args.format not in ENGINES or args.engine_file:
        raise UserError("--gpu-resize H W is for an engine that is built here: --format engine, and no --engine-file.")
    if not all(1 <= side <= MAX_FRAME for side in args.gpu_resize):
        raise UserError(f"--gpu-resize takes height and width from 1 to {MAX_FRAME}; found {args.gpu_resize}.")
    return args.gpu_resize[0], args.gpu_resize[1]


def _find_target(model_format: str) -> EngineTarget | None:
    from edgeseg.api.build_engine import find_target

    return find_target(ENGINES[model_format]) if model_format in ENGINES else None


def _list_given(args: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    """List the flags that were used; ``--dla 0`` was."""
    return [name for name in names if (value := getattr(args, name)) is not None and value is not False]
