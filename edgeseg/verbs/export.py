"""``edgeseg export``: a checkpoint or ONNX file becomes verified artifacts."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.needs import need_to_export
from edgeseg.console.quantities import number, number_above, whole
from edgeseg.console.terminal import complain, say_lines
from edgeseg.console.wording import reword, reword_values
from edgeseg.errors import EdgesegError, UserError
from edgeseg.files.atomic import check_writable
from edgeseg.formats import BUILT_IN, OPENVINO, TENSORRT, find_format, format_names, formats_to_time
from edgeseg.verbs.flags.int8 import (
    add_int8_arguments,
    calibration_images,
    check_evidence,
    check_int8_arguments,
    place,
    quantize,
    verification_images,
)
from edgeseg.verbs.flags.tensorrt import (
    ENGINES,
    add_tensorrt_arguments,
    as_tensorrt,
    build_engine_for,
    check_tensorrt_arguments,
    engine_dict,
    engine_text,
    ready_artifact,
)

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.calibration.images.calibration_set import CalibrationSet
    from edgeseg.calibration.search.preferred_format import Choice
    from edgeseg.export.source.foreign_spec import SpecFlags
    from edgeseg.export.source.source_net import DepthCut, LevelCut, SourceNet
    from edgeseg.proof.publishing import ExportResult, OutputOptions
    from edgeseg.proof.samples import Samples
    from edgeseg.runtime.trt.device_engine import BuiltEngine

EXAMPLES = (
    "edgeseg export runs/train/best.pt",
    "edgeseg export runs/train/best.pt --int8 --data DIR --max-drop 0.5",
    "edgeseg export foreign.onnx --classes background,person --color-order rgb --mean 0 --std 1 --imgsz 320",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="checkpoint (.pt), ONNX file, or fp32 ONNX artifact")
    _add_artifact_arguments(parser.add_argument_group("artifact"))
    _add_cut_arguments(parser.add_argument_group("network"))
    _add_output_arguments(parser.add_argument_group("output"))
    add_int8_arguments(parser.add_argument_group("INT8"))
    add_tensorrt_arguments(parser.add_argument_group("TensorRT"))
    _add_spec_arguments(parser.add_argument_group("spec of a model that brings none"))


def _add_artifact_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--format", choices=(*format_names(), *ENGINES), default=OPENVINO.name, help="what to make")
    group.add_argument("--int8", action="store_true", help="quantise to INT8 as well; needs --data")
    group.add_argument(
        "--prefer",
        choices=("latency", "size"),
        help="make fp32 and INT8 for every engine that runs here, time them, and say which one to run",
    )
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder, or a folder of images: calibrates and verifies"
    )
    group.add_argument("--conf", type=number(0), metavar="T", help="confidence threshold to bake in, 0..1")
    group.add_argument("--outputs", default="labels", help="labels[,confidence][,logits]")


def _add_cut_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--drop-levels",
        type=whole(0, 64),
        metavar="N",
        help="cut the levels below level N of a checkpoint's U-Net (edgeseg inspect --levels says which); needs --data",
    )
    group.add_argument("--depth", type=whole(1, 64), metavar="N", help="cut a U-Net++ to N levels below the finest")


def _add_output_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--out", type=Path, metavar="DIR", help="where artifacts go (default: artifacts/ beside the model)"
    )
    group.add_argument("--name", help="what artifacts are called (default: the model's name)")
    group.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_spec_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--spec", type=Path, metavar="FILE", help="JSON with any of these; flags win over it")
    group.add_argument(
        "--imgsz", type=whole(1, 1 << 16), nargs="+", metavar="PX", help="network input: H W, or one number for both"
    )
    group.add_argument(
        "--task", choices=("binary", "multiclass"), help="what the logits mean (default: binary with one channel)"
    )
    group.add_argument("--classes", help="names a,b,c in label order, or a file with one a line")
    group.add_argument("--color-order", choices=("rgb", "bgr", "gray"), help="what the network was trained on")
    group.add_argument("--mean", type=number(), nargs="+", help="in the network's colour order")
    group.add_argument("--std", type=number_above(0), nargs="+", help="in the network's colour order")
    group.add_argument(
        "--value-range", type=whole(), choices=(1, 255), default=1, help="pixel scale of --mean and --std"
    )
    group.add_argument(
        "--resize",
        choices=("stretch", "letterbox"),
        help="how pictures are brought to the input's size (default: stretch)",
    )
    group.add_argument("--ignore-index", type=whole(0, 255), metavar="N", help="mask value that means void")
    group.add_argument("--logits", metavar="NAME", help="the output with the logits, where a file has several")
    group.add_argument(
        "--upsample",
        choices=("bilinear", "bilinear-align-corners"),
        help="bring logits that are smaller than the input to its size",
    )


def run(args: argparse.Namespace) -> int:
    _check(args)
    if (ready := ready_artifact(args)) is not None:
        report_engine(build_engine_for(args, ready), ready, args.json)
        return 0
    for name in [one.name for one in formats_to_time()] if args.prefer else [args.format]:
        need_to_export(args.model, name, args.int8)
    from edgeseg.export.graphs.deployed_graph import check_outputs
    from edgeseg.export.source.source_net import source_net
    from edgeseg.export.source.spec_file import merge_flags

    outputs = check_outputs([name.strip() for name in args.outputs.split(",")])
    out = args.out or default_out(args.model)
    check_writable(out)
    source = source_net(args.model, merge_flags(_flags(args), args.spec), _cut(args))
    if source.cut is not None and not args.json:
        say_lines(f"{source.cut.text()}\n")
    to = place(args, out, source.name)
    if args.prefer:
        report_choice(_offer(args, source, to, outputs), args.json)
    else:
        built = _build(args, source, to, outputs)
        report(built, args.json, build_engine_for(args, built[-1].artifact))
    return 0


def default_out(model: Path) -> Path:
    """``artifacts/`` beside a file; beside the directory itself for an artifact."""
    return model.resolve().parent if model.is_dir() else model.resolve().parent / "artifacts"


def report(built: list[ExportResult], as_json: bool, engine: BuiltEngine | None = None) -> None:
    """Print what was made and how it compares."""
    from edgeseg.export.report import describe_result, format_result

    if as_json:
        made = [describe_result(one) for one in built]
        if engine is not None:
            made[-1]["engine"] = engine_dict(engine)
        say_lines(json.dumps(reword_values(made), indent=2))
        return
    say_lines(reword("\n\n".join(format_result(one) for one in built)))
    report_engine(engine, built[-1].artifact, as_json)


def report_engine(engine: BuiltEngine | None, artifact: Artifact, as_json: bool) -> None:
    """Print where the engine of an artifact is, if there is one."""
    if engine is not None:
        say_lines(json.dumps(engine_dict(engine), indent=2) if as_json else engine_text(engine, artifact))


def report_choice(choice: Choice, as_json: bool) -> None:
    """Print every artifact that was made, and which one to run."""
    from edgeseg.export.report import describe_result

    built = [one.built for one in choice.candidates if one.built is not None]
    if as_json:
        made = {"artifacts": [describe_result(one) for one in built], "preferred": choice.to_dict()}
        say_lines(json.dumps(reword_values(made), indent=2))
        return
    report(built, as_json)
    say_lines(reword(f"\n{choice.text()}"))


def check_name(name: str | None) -> None:
    """Raise UserError when ``--name`` is not a plain file name."""
    if name is not None and (not name or name != Path(name).name or name.startswith(".")):
        raise UserError(
            f"--name is a plain name without slashes or a leading dot; found {name!r}. Use --out for a folder."
        )


def _check(args: argparse.Namespace) -> None:
    """Whatever can be known to be wrong before the long work starts."""
    check_tensorrt_arguments(args)
    if args.depth is not None and args.drop_levels is not None:
        raise UserError("--depth cuts a U-Net++, --drop-levels any other U-Net; give one of them.")
    if args.prefer and find_format(args.format).is_built_on_device:
        raise UserError("--prefer times what can run here, which is known of every other engine; leave --format out.")
    args.int8 = args.int8 or args.prefer is not None
    if args.int8:
        check_evidence(args)
    check_int8_arguments(args)
    check_name(args.name)
    if args.imgsz is not None and len(args.imgsz) > 2:
        raise UserError(f"--imgsz takes H W, or one number for both; found {args.imgsz}.")


def _flags(args: argparse.Namespace) -> SpecFlags:
    from edgeseg.export.source.foreign_spec import SpecFlags, class_names

    return SpecFlags(
        task=args.task,
        classes=class_names(args.classes) if args.classes else None,
        imgsz=(args.imgsz[0], args.imgsz[-1]) if args.imgsz else None,
        mean=tuple(args.mean) if args.mean else None,
        std=tuple(args.std) if args.std else None,
        value_range=args.value_range,
        color_order=args.color_order,
        resize=args.resize,
        threshold=args.conf,
        ignore_index=args.ignore_index,
        logits=args.logits,
        upsample=args.upsample,
    )


def _cut(args: argparse.Namespace) -> LevelCut | DepthCut | None:
    from edgeseg.export.source.source_net import DepthCut, LevelCut

    if args.depth is not None:
        return DepthCut(args.depth)
    return None if args.drop_levels is None else LevelCut(args.drop_levels, args.eval_data or args.data)


def _build(args: argparse.Namespace, source: SourceNet, to: OutputOptions, outputs: list[str]) -> list[ExportResult]:
    images, found = _evidence(args, source)
    built = _floats(source, to, outputs, found, args.format)
    if images is not None:
        built.append(quantize(args, built[-1].artifact, images, found, to, args.format))
    return as_tensorrt(args, built, found, to) if args.format == TENSORRT.name else built


def _offer(args: argparse.Namespace, source: SourceNet, to: OutputOptions, outputs: list[str]) -> Choice:
    """fp32 and INT8 for every engine that runs here."""
    from edgeseg.calibration.search.preferred_format import offer
    from edgeseg.console.progress import bar_on_tty

    images, found = _evidence(args, source)
    assert images is not None

    def make_int8(fp32: ExportResult) -> ExportResult:
        return quantize(args, fp32.artifact, images, found, replace(to, benchmark_seconds=0.0), fp32.artifact.format)

    return offer(_floats_to_time(source, to, outputs, found), make_int8, args.prefer, bar_on_tty)


def _evidence(args: argparse.Namespace, source: SourceNet) -> tuple[CalibrationSet | None, Samples]:
    """What calibrates, where INT8 is asked for, and what the results are verified on."""
    if not args.int8:
        return None, _samples(args, source)
    images = calibration_images(args, source.spec)
    return images, verification_images(args, source.spec, images)


def _floats(
    source: SourceNet, to: OutputOptions, outputs: list[str], found: Samples, model_format: str
) -> list[ExportResult]:
    from edgeseg.export import build

    onnx = build.onnx_artifact(source, to, outputs, found)
    asked = find_format(model_format)
    return [onnx, build.converted_artifact(source, onnx.artifact, to, found, asked)] if asked.convert else [onnx]


def _floats_to_time(source: SourceNet, to: OutputOptions, outputs: list[str], found: Samples) -> list[ExportResult]:
    """fp32 in every format whose engine runs here; what an engine of another package does not take is left out."""
    from edgeseg.export import build

    built = [build.onnx_artifact(source, to, outputs, found)]
    for one in formats_to_time():
        if not one.convert:
            continue
        try:
            built.append(build.converted_artifact(source, built[0].artifact, to, found, one))
        except EdgesegError as error:
            if one.name in BUILT_IN:
                raise
            complain(f"warning: {one.title} is left out: {str(error).splitlines()[0]}")
    return built


def _samples(args: argparse.Namespace, source: SourceNet) -> Samples:
    """Images for the parity of float exports: given ones, else synthetic."""
    from edgeseg.proof.samples import samples_from, synthetic_samples

    shown = args.eval_data or args.data
    return samples_from(shown, source.spec, None, args.ignore_index) if shown else synthetic_samples(source.spec)
