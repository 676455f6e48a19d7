"""``edgeseg run``: segment a camera, a video or images."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.pipeline import Pipeline, Summary
    from edgeseg.runtime.sinks import Sink
    from edgeseg.runtime.sources import Source

HELP = "segment a camera, a video or images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="artifact directory made by edgeseg export")
    parser.add_argument(
        "--source",
        required=True,
        help="camera (0, /dev/video0, /dev/v4l/by-id/NAME, csi://0), address (rtsp:// http:// gst:// screen:// "
        "test://cells), video file, image, folder, glob, or a .streams file with several cameras",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use one frame of N (default: 1)")
    parser.add_argument("--max-fps", type=float, metavar="FPS", help="use at most so many frames a second")
    parser.add_argument(
        "--rotate", type=int, choices=(0, 90, 180, 270), default=0, help="turn frames clockwise (default: 0)"
    )
    parser.add_argument("--roi", metavar="X,Y,W,H", help="use this part of each frame, in pixels after --rotate")
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="S", help="a camera silent for so long is lost (default: 5)"
    )
    parser.add_argument("--conf", type=float, help="pixels under this confidence lose their class (0..1)")
    parser.add_argument("--show", action="store_true", help="show the masks in a window; q closes it")
    parser.add_argument("--save", type=Path, metavar="OUT.mp4", help="video with the masks drawn in (.mp4, .mov, .mkv)")
    parser.add_argument("--save-masks", type=Path, metavar="DIR", help="label indices as PNG, at the frame's size")
    parser.add_argument("--jsonl", type=Path, metavar="FILE", help="one JSON line a frame: times and class shares")
    parser.add_argument("--device", default="CPU", help="engine's name of a device (default: CPU)")
    parser.add_argument("--slots", type=int, default=2, metavar="N", help="inferences at the same time (default: 2)")
    parser.add_argument(
        "--precision",
        choices=("f32", "auto"),
        default="f32",
        help="f32: masks as verified; auto: faster on CPUs with AMX, masks may differ (default: f32)",
    )
    parser.add_argument(
        "--no-build", action="store_true", help="TensorRT: fail, naming what differs, instead of building an engine"
    )
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop after this many frames")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Run until the source ends or a signal comes; both are exit code 0."""
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.engine import open_engine
    from edgeseg.runtime.pipeline import Pipeline
    from edgeseg.runtime.threshold import thresholding

    _check(args)
    artifact = Artifact.open(args.artifact)
    threshold = thresholding(artifact, args.conf)
    with (
        _source(args) as source,
        closing(
            open_engine(artifact, args.device, args.slots, precision=args.precision, may_build=not args.no_build)
        ) as engine,
    ):
        pipeline = Pipeline(engine, source, args.slots, threshold, args.max_frames)
        sinks = _sinks(args, artifact, source, pipeline.stop)
        with _stopped_by_signals(pipeline), _progress(args, source) as advance:
            summary = pipeline.run(sinks, advance)
    print(json.dumps(_as_json(summary)) if args.json else _as_text(summary))
    return 0


def _check(args: argparse.Namespace) -> None:
    """Everything that can be known to be wrong before the work."""
    from edgeseg.runtime.sinks import check_outputs
    from edgeseg.runtime.sinks_video import check_video_path
    from edgeseg.runtime.sinks_window import check_display

    if args.max_frames is not None and args.max_frames < 1:
        raise UserError(f"--max-frames must be at least 1; found {args.max_frames}.")
    if args.save:
        check_video_path(args.save)
    files = [path for path in (args.save, args.jsonl) if path]
    check_outputs(files, [args.save_masks] if args.save_masks else [], args.source)
    if args.show:
        check_display()


def _source(args: argparse.Namespace) -> Source:
    """The source, or the part of it that the flags ask for."""
    from edgeseg.runtime.capture_process import Limits
    from edgeseg.runtime.sources import open_source
    from edgeseg.runtime.sources_select import Region, SelectedSource, Selection

    region = Region.parse(args.roi) if args.roi else None
    selection = Selection(args.every, args.max_fps, args.rotate, region)
    selection.check()
    if not 0 < args.timeout <= 3600:
        raise UserError(f"--timeout must lie between 0 and 3600 seconds; found {args.timeout:g}.")
    limits = Limits(timeout_s=args.timeout, open_timeout_s=max(args.timeout, Limits.open_timeout_s))
    source = open_source(args.source, limits=limits)
    return source if selection == Selection() else SelectedSource(source, selection)


def _sinks(args: argparse.Namespace, artifact: Artifact, source: Source, quit_asked: Callable[[], None]) -> list[Sink]:
    from edgeseg.runtime.sinks_files import JsonlSink, MaskSink
    from edgeseg.runtime.sinks_video import VideoSink
    from edgeseg.runtime.sinks_window import WindowSink

    sinks: list[Sink] = []
    if args.save:
        sinks.append(VideoSink(args.save, artifact.spec, source.fps))
    if args.save_masks:
        sinks.append(MaskSink(args.save_masks, artifact.spec))
    if args.jsonl:
        sinks.append(JsonlSink(args.jsonl, artifact.spec))
    if args.show:
        sinks.append(WindowSink(artifact.spec, quit_asked))
    return sinks


@contextmanager
def _stopped_by_signals(pipeline: Pipeline) -> Iterator[None]:
    """The first SIGINT or SIGTERM finishes the outputs; a second one kills as usual."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(_number: int, _frame: FrameType | None) -> None:
        restore()
        pipeline.stop()

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()


@contextmanager
def _progress(args: argparse.Namespace, source: Source) -> Iterator[Callable[[], object]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from tqdm import tqdm

    known = [count for count in (args.max_frames, source.total) if count is not None]
    with tqdm(total=min(known, default=None), unit="frame", dynamic_ncols=True) as bar:
        yield bar.update


def _as_json(summary: Summary) -> dict[str, Any]:
    stages = {name: dataclasses.asdict(stage) for name, stage in summary.stages.items() if stage.count}
    return {**dataclasses.asdict(summary), "fps": summary.fps, "stages": stages}


def _as_text(summary: Summary) -> str:
    lines = [f"{summary.frames} frames in {summary.seconds:.2f} s: {summary.fps:.1f} frames a second"]
    lines += [f"{'stage':<14}{'count':>8}{'p50 ms':>10}{'p95 ms':>10}"]
    lines += [
        f"{name:<14}{stage.count:>8}{stage.p50_ms:>10.2f}{stage.p95_ms:>10.2f}"
        for name, stage in summary.stages.items()
        if stage.count
    ]
    return "\n".join([*lines, ", ".join(_losses(summary))])


def _losses(summary: Summary) -> Sequence[str]:
    sinks = [f"{name} dropped {count}" for name, count in summary.sink_dropped.items() if count]
    notes = [f"dropped {summary.dropped}", f"skipped {summary.skipped}", *sinks]
    if summary.stale:
        notes.append(f"stale {summary.stale}")
    if summary.ended_early:
        notes.append("the source ended early")
    if summary.stopped:
        notes.append("stopped on request")
    return notes
