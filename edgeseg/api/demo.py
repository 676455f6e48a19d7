"""The whole path on rendered cells: from a checkpoint to proven INT8 and masks on a clip."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from edgeseg.api.export_model import export_model
from edgeseg.api.load import load
from edgeseg.api.needs import need
from edgeseg.api.quantize import quantize
from edgeseg.artifact import Artifact
from edgeseg.errors import CheckpointError, DataWarning, UserError
from edgeseg.files.atomic import check_writable
from edgeseg.proof.budget import Budget

if TYPE_CHECKING:
    from edgeseg.runtime.summary import Summary

SEED = 2026
CALIBRATION, VALIDATION = 64, 24
SIZE, CLIP_SIZE = 256, 512
SHEET_ROWS = 5
PERSONS = 3
SLOTS = 2
NEEDED = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf", "matplotlib")

Step = Callable[[str], AbstractContextManager[object]]
"""Called with a sentence, for a step's ``with`` block."""


@dataclass(frozen=True)
class Demo:
    """What a demo left and measured.

    Attributes:
        fp32, int8: both OpenVINO artifacts.
        figures: mIoU, bytes, latency and frames a second of each, by precision.
        clip: how the clip was run.
    """

    fp32: Artifact
    int8: Artifact
    figures: dict[str, dict[str, Any]]
    clip: Summary

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with sentences for people."""
        from edgeseg.proof.toolchain import toolchain
        from edgeseg.runtime.system.machine import this_cpu

        drop = 100 * (self.figures["fp32"]["mean_iou"] - self.figures["int8"]["mean_iou"])
        return {
            **self.figures,
            "drop_points": drop,
            "clip": {"frames": self.clip.frames, "fps": self.clip.fps},
            "machine": f"{this_cpu().name}, OpenVINO {toolchain().get('openvino', '')}",
            "sentences": [
                f"INT8 against fp32: {-drop:+.2f} points of mIoU on {VALIDATION} rendered scenes with exact labels.",
                f"The clip: {self.clip.frames} frames of {CLIP_SIZE}x{CLIP_SIZE} at {self.clip.fps:.0f} frames a "
                "second, decoding, resizing, drawing and encoding included.",
            ],
        }


def run_demo(
    out: Path,
    checkpoint: Path | None = None,
    *,
    frames: int = 200,
    max_drop: float = 0.5,
    step: Step = contextlib.nullcontext,
) -> Demo:
    """Render scenes and a clip, make INT8 of a checkpoint, prove it, time it and run it on the clip.

    Args:
        out: where everything goes.
        checkpoint: of the classes of the cells; None: the one that ships with edgeseg.
        frames: length of the clip.
        max_drop: points of mIoU that INT8 may lose.
        step: called with a sentence around each step.

    Raises:
        CheckpointError: no such checkpoint.
        UserError: no frames.
        GateFailed: INT8 lost more than ``max_drop``.
        MissingExtra: a package is not installed.
        OutputError: ``out`` cannot be written.
    """
    checkpoint = checkpoint or shipped_checkpoint()
    if not checkpoint.is_file():
        raise CheckpointError(f"There is no checkpoint {checkpoint}.")
    if frames < 1:
        raise UserError(f"`frames` must be at least 1; found {frames}.")
    check_writable(out)
    need("all", *NEEDED)
    with step("rendering scenes and a clip"):
        _render(out, frames)
    with step("checkpoint to ONNX and OpenVINO, compared with torch"):
        fp32 = export_model(checkpoint, data=out / "scenes", out=out, name="cells")
    with step("calibrated to INT8, compared with fp32"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the scenes are what they are
        int8 = quantize(fp32, out / "scenes", count=CALIBRATION, budget=Budget(max_drop))
    with step("measuring both engines, in turns"):
        figures = {one.precision: {**_scores(one, int8), "bytes": one.size_bytes} for one in (fp32, int8)}
        _measure(fp32, int8, figures)
    with step("masks on the clip"):
        clip = _run_clip(int8, out)
        _write_sheet(fp32, int8, out)
    return Demo(fp32, int8, figures, clip)


def show_people(path: Path, artifact: Path) -> float:
    """Draw what a network for persons finds on drawn ones, as a PNG; the IoU with their exact masks.

    Args:
        path: of the PNG.
        artifact: of the classes background and person.

    Raises:
        ArtifactError, EngineError: it cannot be opened.
        OutputError: ``path`` cannot be written.
    """
    from edgeseg.demo.persons import render_person
    from edgeseg.demo.report import write_pictures

    rows, found, either = [], 0, 0
    with load(artifact) as model:
        for seed in range(PERSONS):
            image, truth = render_person(seed, SIZE, SIZE)
            result = model(image)
            rows.append([image, result.overlay(image)])
            found += int((result.labels & truth).sum())
            either += int((result.labels | truth).sum())
    write_pictures(path, rows, ("drawn person", "what the network finds"))
    return found / either


def shipped_checkpoint() -> Path:
    """Find the checkpoint that ships with edgeseg.

    Raises:
        CheckpointError: it is missing.
    """
    path = Path(str(resources.files("edgeseg.assets") / "cells.pt"))
    if not path.is_file():
        raise CheckpointError(
            f"The demo's checkpoint {path} is missing. Install edgeseg again, or train one (docs/training-data.md) "
            "and give it with `checkpoint`."
        )
    return path


def _render(out: Path, frames: int) -> None:
    from edgeseg.demo import cells
    from edgeseg.demo.report import write_clip

    cells.write_dataset(out / "scenes", CALIBRATION, VALIDATION, SIZE, SEED)
    write_clip(out / "clip.mp4", (image for image, _ in cells.render_clip(SEED, frames, CLIP_SIZE, CLIP_SIZE)))


def _scores(artifact: Artifact, verified: Artifact) -> dict[str, Any]:
    """What verification of INT8 on the val split found for one of its two stages."""
    stage = verified.measured["stages"][f"{artifact.format} {artifact.precision}"]
    return {"mean_iou": stage["mean_iou"], "iou": dict(stage["iou"])}


def _measure(fp32: Artifact, int8: Artifact, figures: dict[str, dict[str, Any]]) -> None:
    """Latency and throughput of the bare engines, in turns so that both meet the same load."""
    from edgeseg.runtime.engines.engine import open_engine
    from edgeseg.runtime.measure.bench import bench_in_turns, throughput

    latencies = bench_in_turns((fp32, int8), 4.0)
    with contextlib.ExitStack() as stack:
        engines = [stack.enter_context(contextlib.closing(open_engine(a, slots=SLOTS))) for a in (fp32, int8)]
        rounds = [[throughput(engine, 0.7, SLOTS)[0] for engine in engines] for _ in range(3)]
    for name, latency, fps in zip(("fp32", "int8"), latencies, zip(*rounds, strict=True), strict=True):
        figures[name] |= {"latency_p50_ms": latency.p50_ms, "latency_p95_ms": latency.p95_ms, "fps": median(fps)}


def _run_clip(artifact: Artifact, out: Path) -> Summary:
    from edgeseg.runtime.engines.engine import open_engine
    from edgeseg.runtime.pipeline import Pipeline
    from edgeseg.runtime.sinks.video import VideoSink
    from edgeseg.runtime.sources.source import open_source

    with contextlib.closing(open_engine(artifact, slots=SLOTS)) as engine, open_source(str(out / "clip.mp4")) as source:
        return Pipeline(engine, source, SLOTS).run([VideoSink(out / "overlay.mp4", artifact.spec, source.fps)])


def _write_sheet(fp32: Artifact, int8: Artifact, out: Path) -> None:
    from edgeseg.dataset import Dataset
    from edgeseg.demo.report import sheet_row, write_sheet

    data = Dataset.open(out / "scenes")
    rows = []
    with load(fp32) as before, load(int8) as after:
        for pair in data.pairs("val")[:SHEET_ROWS]:
            image, truth = data.read(pair)
            rows.append(sheet_row(image, truth, before(image).labels, after(image).labels, fp32.spec))
    write_sheet(out / "contact_sheet.png", rows)
