"""``edgeseg demo``: the whole path on rendered cells, from the shipped checkpoint to masks on a clip."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.console.command import edgeseg_command
from edgeseg.console.extras import require
from edgeseg.console.quantities import number, whole
from edgeseg.console.terminal import say, say_lines, visible
from edgeseg.errors import CheckpointError, UserError
from edgeseg.files.atomic import check_writable

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.proof.publishing import ExportResult
    from edgeseg.runtime.summary import Summary

SEED = 2026
CALIBRATION, VALIDATION = 64, 24
SIZE, CLIP_SIZE = 256, 512
SHEET_ROWS = 5
SLOTS = 2
NEEDED = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf", "matplotlib")

EXAMPLES = (
    "edgeseg demo",
    "edgeseg demo --out /tmp/demo --frames 50",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("demo")
    group.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="where results go")
    group.add_argument("--frames", type=whole(1, 1_000_000), default=200, metavar="N", help="length of the clip")
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="CKPT",
        help="another checkpoint of the same classes (default: the one that ships with edgeseg)",
    )
    group.add_argument("--max-drop", type=number(0, 100), default=0.5, metavar="P", help="mIoU points INT8 may lose")


def run(args: argparse.Namespace) -> int:
    checkpoint = args.checkpoint or _shipped_checkpoint()
    if not checkpoint.is_file():
        raise CheckpointError(f"There is no checkpoint {checkpoint}.")
    if args.frames < 1:
        raise UserError(f"--frames must be at least 1; found {args.frames}.")
    check_writable(args.out)
    for module in NEEDED:
        require(module, "all")
    start = time.perf_counter()
    with _step("rendering scenes and a clip"):
        _render(args.out, args.frames)
    fp32, int8 = _artifacts(checkpoint, args.out, args.max_drop)
    with _step("measuring both engines, in turns"):
        results = {"fp32": _figures(fp32.artifact, int8, 0), "int8": _figures(int8.artifact, int8, 1)}
        _measure(fp32.artifact, int8.artifact, results)
    with _step("masks on the clip"):
        summary = _run_clip(int8.artifact, args.out)
        _contact_sheet(fp32.artifact, int8.artifact, args.out)
    _tell(args.out, results, summary, time.perf_counter() - start)
    return 0


def _shipped_checkpoint() -> Path:
    path = Path(str(resources.files("edgeseg.assets") / "cells.pt"))
    if not path.is_file():
        raise CheckpointError(
            f"The demo's checkpoint {path} is missing. Install edgeseg again, or train one (docs/training-data.md) "
            "and give it with --checkpoint."
        )
    return path


@contextlib.contextmanager
def _step(sentence: str) -> Iterator[None]:
    start = time.perf_counter()
    say(f"{sentence} ...", end=" ")
    yield
    say(f"{time.perf_counter() - start:.1f} s")


def _render(out: Path, frames: int) -> None:
    from edgeseg.demo import cells
    from edgeseg.demo.report import write_clip

    cells.write_dataset(out / "scenes", CALIBRATION, VALIDATION, SIZE, SEED)
    write_clip(out / "clip.mp4", (image for image, _ in cells.render_clip(SEED, frames, CLIP_SIZE, CLIP_SIZE)))


def _artifacts(checkpoint: Path, out: Path, max_drop: float) -> tuple[ExportResult, ExportResult]:
    """The fp32 and the INT8 OpenVINO artifact, both verified on the rendered val split."""
    from edgeseg.calibration.images.load_set import load_set
    from edgeseg.calibration.int8_artifact import int8_artifact
    from edgeseg.export import build
    from edgeseg.export.source.foreign_spec import SpecFlags
    from edgeseg.export.source.source_net import source_net
    from edgeseg.proof.budget import Budget
    from edgeseg.proof.publishing import OutputOptions
    from edgeseg.proof.samples import samples_from

    with _step("checkpoint to ONNX"):
        source = source_net(checkpoint, SpecFlags())
        samples = samples_from(out / "scenes", source.spec)
        place = OutputOptions(out, "cells")
        onnx = build.onnx_artifact(source, place, ["labels"], samples)
    with _step("ONNX to OpenVINO, compared with torch"):
        fp32 = build.openvino_artifact(source, onnx.artifact, place, samples)
    with _step("calibrated to INT8, compared with fp32"):
        images = load_set(out / "scenes", source.spec, CALIBRATION)
        int8 = int8_artifact(fp32.artifact, images, place, samples, Budget(max_drop))
    return fp32, int8


def _figures(artifact: Artifact, verified: ExportResult, stage: int) -> dict[str, Any]:
    """What verification on the val split found for one of its two stages."""
    confusion = verified.comparison.stages[stage].confusion
    iou = {name: float(value) for name, value in zip(artifact.spec.classes, confusion.iou, strict=True)}
    return {"mean_iou": confusion.mean_iou, "iou": iou, "bytes": artifact.size_bytes}


def _measure(fp32: Artifact, int8: Artifact, results: dict[str, Any]) -> None:
    """Latency and throughput of the bare engines, in turns so that both meet the same load."""
    from statistics import median

    from edgeseg.runtime.engines.engine import open_engine
    from edgeseg.runtime.measure.bench import bench_in_turns, throughput

    latencies = bench_in_turns((fp32, int8), 4.0)
    with contextlib.ExitStack() as stack:
        engines = [stack.enter_context(contextlib.closing(open_engine(a, slots=SLOTS))) for a in (fp32, int8)]
        rounds = [[throughput(engine, 0.7, SLOTS)[0] for engine in engines] for _ in range(3)]
    for name, latency, fps in zip(("fp32", "int8"), latencies, zip(*rounds, strict=True), strict=True):
        results[name] |= {"latency_p50_ms": latency.p50_ms, "latency_p95_ms": latency.p95_ms, "fps": median(fps)}


def _run_clip(artifact: Artifact, out: Path) -> Summary:
    from edgeseg.runtime.engines.engine import open_engine
    from edgeseg.runtime.pipeline import Pipeline
    from edgeseg.runtime.sinks.video import VideoSink
    from edgeseg.runtime.sources.source import open_source

    with contextlib.closing(open_engine(artifact, slots=SLOTS)) as engine, open_source(str(out / "clip.mp4")) as source:
        return Pipeline(engine, source, SLOTS).run([VideoSink(out / "overlay.mp4", artifact.spec, source.fps)])


def _contact_sheet(fp32: Artifact, int8: Artifact, out: Path) -> None:
    from edgeseg.dataset import Dataset
    from edgeseg.demo.report import sheet_row, write_sheet
    from edgeseg.runtime.engines.engine import open_engine
    from edgeseg.runtime.engines.predictor import Predictor

    data = Dataset.open(out / "scenes")
    rows = []
    with Predictor(open_engine(fp32)) as before, Predictor(open_engine(int8)) as after:
        for pair in data.pairs("val")[:SHEET_ROWS]:
            image, truth = data.read(pair)
            rows.append(sheet_row(image, truth, before(image), after(image), fp32.spec))
    write_sheet(out / "contact_sheet.png", rows)


def _tell(out: Path, results: dict[str, Any], summary: Summary, seconds: float) -> None:
    from edgeseg.console.text_table import format_table
    from edgeseg.demo.report import report_rows, write_report
    from edgeseg.proof.toolchain import toolchain
    from edgeseg.runtime.system.machine import this_cpu

    drop = 100 * (results["fp32"]["mean_iou"] - results["int8"]["mean_iou"])
    results["drop_points"] = drop
    results["clip"] = {"frames": summary.frames, "fps": summary.fps}
    results["machine"] = f"{this_cpu().name}, OpenVINO {toolchain().get('openvino', '')}"
    results["sentences"] = [
        f"INT8 against fp32: {-drop:+.2f} points of mIoU on {VALIDATION} rendered scenes with exact labels.",
        f"The clip: {summary.frames} frames of {CLIP_SIZE}x{CLIP_SIZE} at {summary.fps:.0f} frames a second, "
        "decoding, resizing, drawing and encoding included.",
    ]
    write_report(out, results)
    say_lines(f"\n{results['machine']}\n{format_table(report_rows(results))}\n")
    say_lines("\n".join(results["sentences"]))
    say_lines(f"\n{visible(str(out))}/overlay.mp4, contact_sheet.png, report.md ({seconds:.0f} s in all)")
    say(f"proof of the INT8 model: {out}/cells-int8-openvino/report.html")
    say(f"next: {next_command(out)}")


def next_command(out: Path) -> str:
    """A live source that this network understands: in a window where there is a display, else into a video."""
    from edgeseg.runtime.sinks.window import check_display

    live = ("run", out / "cells-int8-openvino", "--source", "test://cells")
    try:
        check_display()
    except UserError:
        return edgeseg_command(*live, "--max-frames", "100", "--save", out / "live.mp4")
    return edgeseg_command(*live, "--show")
