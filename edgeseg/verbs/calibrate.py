"""``edgeseg calibrate``: an fp32 artifact becomes a verified INT8 one; with ``-o``, a calibration set is chosen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.needs import need, need_to_calibrate
from edgeseg.artifact import MANIFEST, artifact_folder
from edgeseg.console.quantities import whole
from edgeseg.console.terminal import say, say_lines
from edgeseg.console.wording import reword
from edgeseg.errors import SpecError, UserError
from edgeseg.files.atomic import atomic_file, check_writable
from edgeseg.files.output_paths import check_apart, picture_folders
from edgeseg.formats import format_names
from edgeseg.verbs.export import check_name, default_out, report
from edgeseg.verbs.flags.int8 import (
    add_int8_arguments,
    calibration_images,
    check_evidence,
    check_int8_arguments,
    place,
    quantize,
    verification_images,
)

if TYPE_CHECKING:
    from edgeseg.calibration.images.coverage import Coverage
    from edgeseg.proof.samples import Samples
    from edgeseg.spec import ModelSpec

CHECKPOINT_SUFFIXES = (".pt", ".pth")

EXAMPLES = (
    "edgeseg calibrate best-fp32-openvino --data DIR",
    "edgeseg calibrate best-fp32-openvino --calib site.mp4 --eval-data DIR --max-drop 0.5",
    "edgeseg calibrate best-fp32-openvino --data DIR -n 200 -o set.json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, help="fp32 artifact; with -o also a checkpoint (.pt)")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder, or a folder of sample images; calibrates and verifies"
    )
    data.add_argument(
        "--ignore-index", type=whole(0, 255), metavar="N", help="mask value that means void (default: the model's)"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format", help=f"engine to quantise for: {', '.join(format_names())} (default: the artifact's)"
    )
    output.add_argument(
        "--out", type=Path, metavar="DIR", help="where the artifact goes (default: beside the fp32 one)"
    )
    output.add_argument("--name", help="what it is called (default: as the fp32 one)")
    output.add_argument(
        "-o", dest="set_file", type=Path, metavar="SET.json", help="only choose the calibration images, and write them"
    )
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    add_int8_arguments(parser.add_argument_group("INT8"))


def run(args: argparse.Namespace) -> int:
    if args.set_file is not None:
        return _choose(args)
    return _quantise(args)


def _quantise(args: argparse.Namespace) -> int:
    from edgeseg.artifact import Artifact
    from edgeseg.calibration.quantizers.quantizer import expect_parent, quantizer_for

    check_evidence(args)
    check_int8_arguments(args)
    check_name(args.name)
    parent = Artifact.open(args.artifact)
    model_format = args.format or parent.format
    expect_parent(quantizer_for(model_format), parent)
    need_to_calibrate(model_format)
    out = args.out or default_out(parent.path)
    check_writable(out)
    images = calibration_images(args, parent.spec)
    samples = verification_images(args, parent.spec, images)
    report([quantize(args, parent, images, samples, place(args, out, parent.name), model_format)], args.json)
    return 0


def _choose(args: argparse.Namespace) -> int:
    """Write a calibration set and the picture of its coverage, and print the table."""
    from edgeseg.calibration.images.coverage import measure_coverage
    from edgeseg.calibration.images.coverage_report import coverage_text
    from edgeseg.calibration.images.set_file import weight_digests, write_set
    from edgeseg.console.progress import bar_on_tty

    _check_set_file(args.set_file)
    folders = [folder for data in (args.data, args.eval_data) for folder in picture_folders(data)]
    check_apart([args.set_file, args.set_file.with_suffix(".png")], [artifact_folder(args.artifact), *folders])
    need("export", "matplotlib")
    spec, name = _contract(args.artifact)
    images = calibration_images(args, spec)
    reference = _reference(args, spec)
    with bar_on_tty("look at images", len(images) + (len(reference) if reference else 0)) as tick:
        coverage = measure_coverage(images, reference, args.ignore_index, tick)
    picture = args.set_file.with_suffix(".png")
    _write_picture(picture, coverage)
    values = write_set(args.set_file, images, name, weight_digests(args.artifact), coverage.to_dict())
    if args.json:
        say_lines(json.dumps(values, indent=2))
    else:
        say_lines(reword(coverage_text(coverage)))
        say(f"{args.set_file}: {len(images)} images, digest {images.digest[:12]}; {picture}")
    return 0


def _check_set_file(path: Path) -> None:
    if path.suffix != ".json":
        raise UserError(
            f"-o names the set file, which ends in .json; found {path}. For an artifact's folder use --out."
        )
    check_writable(path.parent)


def _contract(path: Path) -> tuple[ModelSpec, str]:
    """The spec and the name of a checkpoint, an artifact or an ONNX file that brings its spec."""
    from edgeseg.artifact import Artifact
    from edgeseg.console.extras import require

    if path.suffix in CHECKPOINT_SUFFIXES and not path.is_dir():
        require("torch", "export")
        from edgeseg.training.checkpoint import load_model

        loaded = load_model(path)
        return loaded.spec, loaded.name
    if path.suffix == ".onnx" and path.is_file() and not (path.parent / MANIFEST).is_file():
        from edgeseg.export.source.onnx_file import embedded_spec, read_onnx

        if (spec := embedded_spec(read_onnx(path))) is None:
            raise SpecError(
                f"{path} brings no spec. Export it first with the flags that give one, then use the artifact."
            )
        return spec, path.stem
    artifact = Artifact.open(path)
    return artifact.spec, artifact.name


def _reference(args: argparse.Namespace, spec: ModelSpec) -> Samples | None:
    """What the set is compared with: --eval-data, else the evaluation images of --data where they are others."""
    from edgeseg.dataset import is_dataset
    from edgeseg.proof.samples import samples_from

    where = args.eval_data
    if where is None and args.data is not None and (is_dataset(args.data) or args.calib is not None):
        where = args.data
    return None if where is None else samples_from(where, spec, None, args.ignore_index)


def _write_picture(path: Path, coverage: Coverage) -> None:
    import cv2

    from edgeseg.calibration.images.coverage_picture import coverage_picture

    with atomic_file(path) as staged:
        staged.write_bytes(cv2.imencode(".png", coverage_picture(coverage))[1].tobytes())
