"""``edgeseg export``: a checkpoint or ONNX file becomes verified artifacts."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.export_model import default_out, read_network
from edgeseg.api.needs import need_to_export
from edgeseg.console.quantities import whole
from edgeseg.console.terminal import say_lines
from edgeseg.errors import UserError
from edgeseg.files.atomic import check_writable
from edgeseg.files.model_name import read_model
from edgeseg.formats import OPENVINO, TENSORRT, find_format, format_names, formats_to_time
from edgeseg.verbs.export_report import TIMED_S, print_candidates, print_engine, print_results, say_what_stays, warn
from edgeseg.verbs.flags.int8 import (
    add_int8_arguments,
    check_evidence,
    check_int8_arguments,
    read_budget,
    read_quantization,
)
from edgeseg.verbs.flags.spec import add_spec_arguments, check_size, read_spec
from edgeseg.verbs.flags.spec_questions import SpecQuestions
from edgeseg.verbs.flags.tensorrt import ENGINES, TensorRtFlags, add_tensorrt_arguments, read_tensorrt
from edgeseg.verbs.flags.threshold import read_threshold

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.export.forms import ExportOptions
    from edgeseg.export.source.source_net import DepthCut, LevelCut, SourceNet
    from edgeseg.runtime.trt.device_engine import BuiltEngine

EXAMPLES = (
    "edgeseg export runs/train/best.pt",
    "edgeseg export runs/train/best.pt --int8 --data DIR --max-drop 0.5",
    "edgeseg export runs/train/best.pt --for here --data DIR --prefer throughput",
    "edgeseg export 'nets:UNet(3, 2)' --weights best.pth --classes a,b --color-order rgb --mean 0 --std 1 --imgsz 320",
    "edgeseg export foreign.onnx --classes background,person --color-order rgb --mean 0 --std 1 --imgsz 320",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg export``."""
    parser.add_argument(
        "model", type=read_model, help="checkpoint, ONNX file, fp32 ONNX artifact; docs/your-network.md lists all"
    )
    _add_artifact_arguments(parser.add_argument_group("artifact"))
    _add_cut_arguments(parser.add_argument_group("network"))
    _add_output_arguments(parser.add_argument_group("output"))
    add_int8_arguments(parser.add_argument_group("INT8"))
    add_tensorrt_arguments(parser.add_argument_group("TensorRT"))
    add_spec_arguments(parser.add_argument_group("spec of a model that brings none"))


def _add_artifact_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--format", choices=(*format_names(), *ENGINES), default=OPENVINO.name, help="what to make")
    group.add_argument("--int8", action="store_true", help="quantise to INT8 as well; needs --data")
    group.add_argument(
        "--for",
        dest="target",
        choices=("here",),
        help="make fp32 and INT8 for every engine here, prove each precision, measure all, keep the best; needs --data",
    )
    group.add_argument(
        "--prefer",
        choices=("latency", "throughput", "energy", "size"),
        help="what is best of what holds the budget (default: latency); without --for here all artifacts are kept",
    )
    group.add_argument("--keep-all", action="store_true", help="with --for here: keep every artifact that was made")
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder, or a folder of images: calibrates and verifies"
    )
    group.add_argument(
        "--conf", type=read_threshold, metavar="T", help="confidence threshold to bake in, 0..1, or CLASS=T,CLASS=T"
    )
    group.add_argument("--outputs", default="labels", help="labels[,confidence][,logits], or logits alone")


def _add_cut_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights of a network that MODEL builds: 'package.module:build()'"
    )
    group.add_argument(
        "--ignore-weights",
        type=_names,
        metavar="NAME,...",
        help="parts in --weights that MODEL leaves out and its results do not depend on; auxiliary heads are known",
    )
    group.add_argument(
        "--drop-levels",
        type=whole(0, 64),
        metavar="N",
        help="cut the levels below level N of a checkpoint's U-Net (edgeseg inspect --levels says which); needs --data",
    )
    group.add_argument("--depth", type=whole(1, 64), metavar="N", help="cut a U-Net++ to N levels below the finest")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _add_output_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--out", type=Path, metavar="DIR", help="where artifacts go (default: artifacts/ beside the model)"
    )
    group.add_argument("--name", help="what artifacts are called (default: the model's name)")
    group.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Export a model in the formats that are asked for, and print what was made; returns the exit code."""
    tensorrt = read_tensorrt(args)
    model_format = args.format if tensorrt is None else TENSORRT.name
    int8 = args.int8 or _wants_candidates(args)
    _check(args, model_format, int8)
    if tensorrt is not None and (ready := _find_ready(args, tensorrt)) is not None:
        print_engine(_build_engine(tensorrt, ready), ready, args.json)
        return 0
    for name in [one.name for one in formats_to_time()] if _wants_candidates(args) else [model_format]:
        need_to_export(args.model, name, int8)
    from edgeseg.console.progress import bar_on_tty
    from edgeseg.export.source.source_net import SourceRequest

    def read() -> SourceNet:
        cut, ignored = _read_cut(args), args.ignore_weights or ()
        request = SourceRequest(read_spec(args), None, cut, args.weights, args.name, bar_on_tty, ignored)
        return read_network(args.model, request)

    options = _read_options(args, model_format, int8, tensorrt)
    out = args.out or default_out(args.model, args.weights)
    check_writable(out)
    questions = SpecQuestions(args, read)
    source = questions.open_source()
    with questions.say_command():
        return _make(args, source, options, out, tensorrt)


def _make(
    args: argparse.Namespace, source: SourceNet, options: ExportOptions, out: Path, tensorrt: TensorRtFlags | None
) -> int:
    """Export what was read, and print what was made."""
    from edgeseg.console.progress import bar_on_tty
    from edgeseg.export.forms import export_forms
    from edgeseg.proof.publishing import OutputOptions

    if source.cut is not None and not args.json:
        say_lines(f"{source.cut.text()}\n")
    place = OutputOptions(out, args.name or source.name, bar_on_tty, TIMED_S)
    weights = _digest_weights(args.model, source)
    with say_what_stays():
        if _wants_candidates(args):
            from edgeseg.export.candidates.export_candidates import export_candidates

            keeps_all = args.keep_all or args.target is None
            found = export_candidates(source, options, args.prefer or "latency", place, keeps_all, weights, warn)
            print_candidates(found, args.json)
            return 0
        made = export_forms(source, options, place, weights, warn)
    engine = _build_engine(tensorrt, made[-1].artifact) if tensorrt and tensorrt.target else None
    print_results(made, args.json, engine)
    return 0


def _wants_candidates(args: argparse.Namespace) -> bool:
    return args.prefer is not None or args.target is not None


def _digest_weights(model: str | Path, source: SourceNet) -> Collection[str]:
    """Digests that stand for the network: of words and of folders of a library those of what they were read from."""
    from edgeseg.artifact import MANIFEST
    from edgeseg.calibration.images.set_file import weight_digests

    if isinstance(model, str) or (model.is_dir() and not (model / MANIFEST).is_file()):
        return source.parents.values()
    return weight_digests(model).values()


def _check(args: argparse.Namespace, model_format: str, int8: bool) -> None:
    """Raise UserError for what can be known to be wrong before the long work starts."""
    if args.depth is not None and args.drop_levels is not None:
        raise UserError("--depth cuts a U-Net++, --drop-levels any other U-Net; give one of them.")
    if args.keep_all and args.target is None:
        raise UserError("--keep-all is for --for here; without it every artifact that is made is kept.")
    if args.target and (args.format != OPENVINO.name or args.int8):
        raise UserError("--for here makes fp32 and INT8 for every engine that is here; leave --format and --int8 out.")
    if args.prefer and find_format(model_format).is_built_on_device:
        raise UserError("--prefer times what can run here, which is known of every other engine; leave --format out.")
    if int8:
        check_evidence(args)
    check_int8_arguments(args)
    if args.name is not None:
        from edgeseg.proof.publishing import check_name

        check_name(args.name)
    check_size(args.imgsz)


def _read_options(
    args: argparse.Namespace, model_format: str, int8: bool, tensorrt: TensorRtFlags | None
) -> ExportOptions:
    from edgeseg.export.forms import ExportOptions
    from edgeseg.runtime.trt.build_settings import BuildSettings

    return ExportOptions(
        model_format,
        [name.strip() for name in args.outputs.split(",")],
        tensorrt is not None and tensorrt.half,
        BuildSettings() if tensorrt is None else tensorrt.settings,
        data=args.eval_data or args.data,
        ignore_index=args.ignore_index,
        mask_values=args.mask_values,
        int8=read_quantization(args) if int8 else None,
        budget=read_budget(args),
    )


def _read_cut(args: argparse.Namespace) -> LevelCut | DepthCut | None:
    from edgeseg.export.source.source_net import DepthCut, LevelCut

    if args.depth is not None:
        return DepthCut(args.depth)
    return (
        None if args.drop_levels is None else LevelCut(args.drop_levels, args.eval_data or args.data, args.mask_values)
    )


def _find_ready(args: argparse.Namespace, tensorrt: TensorRtFlags) -> Artifact | None:
    """Find out whether the model is a ``tensorrt`` artifact of which only the engine is wanted; needs no torch."""
    from edgeseg.artifact import MANIFEST, Artifact

    if tensorrt.target is None or isinstance(args.model, str) or not (args.model / MANIFEST).is_file():
        return None
    artifact = Artifact.open(args.model)
    if artifact.format != TENSORRT.name:
        return None
    if args.int8 or tensorrt.are_given:
        raise UserError(
            f"{artifact.path} says itself how its engine is built; flags for that are given when it is made. Export "
            "the checkpoint again with them."
        )
    return artifact


def _build_engine(tensorrt: TensorRtFlags, artifact: Artifact) -> BuiltEngine:
    from edgeseg.api.build_engine import build_engine

    return build_engine(
        artifact,
        target=tensorrt.target,
        engine_file=tensorrt.engine_file,
        trust=tensorrt.trust,
        frame_size=tensorrt.frame_size,
    )
