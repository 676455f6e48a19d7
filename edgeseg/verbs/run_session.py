"""One run of ``edgeseg run`` in this process: artifact, source, engine, pipeline and sinks put together."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from edgeseg.console.quantities import duration_or_size, duration_s, parse_limit
from edgeseg.console.terminal import say_lines, visible, visible_lines
from edgeseg.errors import UserError
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.events.event_log import Log
from edgeseg.runtime.events.redact import redact_values
from edgeseg.runtime.events.standard_streams import ReaderGone, finish, print_result
from edgeseg.runtime.service.heartbeat import Progress, Pulse

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.engines.engine import Engine
    from edgeseg.runtime.pipeline import Pipeline, Summary
    from edgeseg.runtime.recording.recording import RecordingPolicy
    from edgeseg.runtime.sinks.lines.pieces import Rotation
    from edgeseg.runtime.sinks.painter import Painter
    from edgeseg.runtime.sinks.sink import Sink
    from edgeseg.runtime.sources.source import Source


LIVE_RECORDING_BYTES, LIVE_MASKS_BYTES, LIVE_LINES_BYTES = 20_000_000_000, 10_000_000_000, 1_000_000_000
"""What is kept of a camera's outputs where nothing else is asked for, so that none fills a disk."""
ASIDE = ("likeness", "shares")
"""Sinks that write nothing: what they miss is no loss."""
SHOWN_S = 2.0
"""How long a window shows each image of a folder."""


def segment(args: argparse.Namespace, pulse: Pulse | None = None) -> int:
    """Run until the source ends or a signal comes; both are exit code 0.

    Args:
        args: flags of ``edgeseg run``.
        pulse: to the supervisor, if there is one.
    """
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.engines.threshold import threshold_for
    from edgeseg.runtime.pipeline import Pipeline

    _check(args)
    log = Log(args.log_json)
    artifact = Artifact.open(args.artifact)
    threshold = threshold_for(artifact, args.conf)
    with ExitStack() as stack:
        source = stack.enter_context(_source(args, log))
        engine = _engine(args, artifact, log)
        pipeline = Pipeline(engine, source, args.slots, threshold, args.max_frames, log.event)
        if pulse is not None:
            pulse.progress = lambda: _make_progress(pipeline, source)
        sinks = _sinks(args, artifact, source, log, pipeline.stop)
        with _stop_on_signals(pipeline, pulse is not None):
            with _progress(args, source, log, pipeline) as advance:
                summary = pipeline.run(sinks, advance)
            if not pipeline.stuck:
                engine.close()
            stack.close()
            _print(summary, args, sinks, log, pipeline)
    if pipeline.stuck:
        finish()
        os._exit(0)  # a thread hangs in native code; the files are closed, and nothing else can end it
    return 0


def _print(summary: Summary, args: argparse.Namespace, sinks: Sequence[Sink], log: Log, pipeline: Pipeline) -> None:
    """Print the summary; whether somebody takes it changes nothing about a run that did its work."""
    from edgeseg.runtime.sinks.lines.stream import is_standard_output
    from edgeseg.verbs.run_results import list_written, result_lines, unlike_calibration

    if args.json:
        found = {"written": list_written(args, summary), "unlike_calibration": unlike_calibration(sinks)}
        text = json.dumps(redact_values({**_as_json(summary), **found}))
    else:
        text = "\n".join([_as_text(summary), *map(visible, redact_values(result_lines(args, summary, sinks)))])
    text = visible_lines(text)
    if args.jsonl and is_standard_output(args.jsonl):
        say_lines(text, file=sys.stderr)  # standard output is for the lines
        return
    try:
        taken = print_result(text, lambda: pipeline.stopping)
    except ReaderGone:
        taken = False
    if not taken:
        log.event(Event("note", "output", "nobody reads standard output; the summary is lost."))


def _make_progress(pipeline: Pipeline, source: Source) -> Progress:
    return Progress(pipeline.frames, pipeline.busy_s, True, pipeline.idle, source.waiting)


def _check(args: argparse.Namespace) -> None:
    """Everything that can be known to be wrong before the work."""
    from edgeseg.artifact import artifact_folder
    from edgeseg.runtime.output_check import check_outputs
    from edgeseg.runtime.sinks.save_target import save_target
    from edgeseg.runtime.sinks.window import check_display
    from edgeseg.runtime.sources.kind import CAMERA, kind_of_source

    if args.max_frames is not None and args.max_frames < 1:
        raise UserError(f"--max-frames must be at least 1; found {args.max_frames}.")
    target = save_target(args.save, args.source) if args.save else None
    _saving(args, live=kind_of_source(args.source) == CAMERA).check()
    _rotation(args, live=True).check()
    _check_meant(args, bool(target and target.video))
    files = [path for path in (target and (target.video or target.picture), args.jsonl) if path]
    others = [artifact_folder(args.artifact), *([args.config] if args.config else [])]
    overlays = target.folder if target else None
    check_outputs(files, args.save_masks, args.source, others, overlays, deletes=bool(args.save_every and args.keep))
    if args.show:
        check_display()


def _check_meant(args: argparse.Namespace, records: bool) -> None:
    """Refuse a flag about an output that is not asked for."""
    recording, masks, lines = "--save OUT.mkv", "--save-masks DIR", "--jsonl FILE"
    for flag, value, output, missing in (
        ("--save-every", args.save_every, records, recording),
        ("--keep", args.keep, records, recording),
        ("--masks-keep", args.masks_keep, args.save_masks, masks),
        ("--jsonl-every", args.jsonl_every, args.jsonl, lines),
        ("--jsonl-keep", args.jsonl_keep, args.jsonl, lines),
    ):
        if value and not output:
            raise UserError(f"{flag} needs something to apply to: give {missing} too.")


def _source(args: argparse.Namespace, log: Log) -> Source:
    """The source, or the part of it that the flags ask for."""
    from edgeseg.runtime.cameras.capture.tls_trust import Trust
    from edgeseg.runtime.cameras.capture_process import Limits
    from edgeseg.runtime.sources.selection import Region, SelectedSource, Selection
    from edgeseg.runtime.sources.source import open_source
    from edgeseg.runtime.system.address_space import check_address_space

    region = Region.parse(args.roi) if args.roi else None
    selection = Selection(args.every, args.max_fps, args.rotate, region)
    selection.check()
    if not 0 < args.timeout <= 3600:
        raise UserError(f"--timeout must lie between 0 and 3600 seconds; found {args.timeout:g}.")
    trust = Trust.given(args.tls_ca, args.tls_fingerprint, args.tls_insecure)
    limits = Limits(args.timeout, max(args.timeout, Limits.open_timeout_s), trust=trust)
    source = open_source(args.source, log.sentence, log.event, limits)
    if source.live:
        check_address_space(len(source.names))
    source = source if selection == Selection() else SelectedSource(source, selection, log.event)
    return _paced(source, args.source) if args.show and not source.live else source


def _paced(source: Source, name: str) -> Source:
    """A file for a window: a video at its own rate, of images one every two seconds."""
    from edgeseg.runtime.sources.images import FOLDER_FPS
    from edgeseg.runtime.sources.kind import VIDEO, kind_of_source
    from edgeseg.runtime.sources.paced import PacedSource

    return PacedSource(source, 1.0 if kind_of_source(name) == VIDEO else SHOWN_S * FOLDER_FPS)


def _engine(args: argparse.Namespace, artifact: Artifact, log: Log) -> Engine:
    from edgeseg.runtime.engines.engine import EngineOptions, open_with

    options = EngineOptions(
        args.device, args.slots, precision=args.precision, may_build=not args.no_build, on_event=log.event
    )
    return open_with(artifact, options)


def _sinks(
    args: argparse.Namespace, artifact: Artifact, source: Source, log: Log, quit_asked: Callable[[], None]
) -> list[Sink]:
    from edgeseg.runtime.sinks.class_shares import ShareSink
    from edgeseg.runtime.sinks.jsonl import JsonlSink
    from edgeseg.runtime.sinks.likeness import trait_ranges
    from edgeseg.runtime.sinks.likeness_watch import LikenessSink
    from edgeseg.runtime.sinks.mask_folder import mask_origin
    from edgeseg.runtime.sinks.masks import MaskSink
    from edgeseg.runtime.sinks.painter import Painter
    from edgeseg.runtime.sinks.window import WindowSink
    from edgeseg.verbs.run_results import share_sinks

    spec, names = artifact.spec, source.names
    painter = Painter(spec, not args.no_legend, log.sentence)
    sinks: list[Sink] = []
    if args.save:
        sinks.append(_draw(args, source, log, painter, artifact))
    if args.save_masks:
        kept = parse_limit(args.masks_keep, LIVE_MASKS_BYTES if source.live else None)
        sinks.append(MaskSink(args.save_masks, spec, names, source.live, kept, mask_origin(args.source), log.event))
    if args.jsonl:
        sinks.append(JsonlSink(args.jsonl, spec, source.live, _rotation(args, source.live), log.event))
    if args.show:
        sinks.append(WindowSink(spec, quit_asked, names, not source.live, painter))
    if ranges := trait_ranges(artifact):
        sinks.append(LikenessSink(ranges, log.event))
    return [*sinks, *share_sinks(args, ShareSink(spec))]


def _draw(args: argparse.Namespace, source: Source, log: Log, painter: Painter, artifact: Artifact) -> Sink:
    """Where frames with their masks drawn in go."""
    from edgeseg.runtime.sinks.pictures import PictureSink
    from edgeseg.runtime.sinks.save_target import save_target
    from edgeseg.runtime.sinks.video import VideoSink

    target = save_target(args.save, args.source)
    if target.video is None:
        return PictureSink(target, artifact.spec, painter)
    saving = _saving(args, source.live)
    return VideoSink(target.video, artifact.spec, source.fps, saving, log.event, source.names, painter)


def _saving(args: argparse.Namespace, live: bool) -> RecordingPolicy:
    from edgeseg.runtime.recording.recording import RecordingPolicy

    every_s = duration_s(args.save_every) if args.save_every else None
    return RecordingPolicy(live, every_s, parse_limit(args.keep, LIVE_RECORDING_BYTES if live else None))


def _rotation(args: argparse.Namespace, live: bool) -> Rotation:
    from edgeseg.runtime.sinks.lines.pieces import Rotation

    every_s, every_bytes = duration_or_size(args.jsonl_every) if args.jsonl_every else (None, None)
    default = max(LIVE_LINES_BYTES, 2 * (every_bytes or 0)) if live else None
    return Rotation(every_s, every_bytes, parse_limit(args.jsonl_keep, default))


@contextmanager
def _stop_on_signals(pipeline: Pipeline, supervised: bool) -> Iterator[None]:
    """The first SIGINT or SIGTERM finishes the outputs; a second one kills as usual.

    Under a supervisor, whose business that is, a second one does nothing: a service manager that asks a whole
    process group, and the supervisor too, would else kill what is finishing.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if supervised else handler)

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
def _progress(args: argparse.Namespace, source: Source, log: Log, pipeline: Pipeline) -> Iterator[Callable[[], object]]:
    """A bar on a terminal for what has an end; for a camera a line in the log each ``--status-every``."""
    from edgeseg.runtime.status import Status

    if source.live:
        yield Status(pipeline, args.status_every, log.event).tell
        return
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
    lines += [f"{'stage':<14}{'count':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}"]
    lines += [
        f"{name:<14}{stage.count:>8}{stage.p50_ms:>10.2f}{stage.p95_ms:>10.2f}{stage.p99_ms:>10.2f}"
        for name, stage in summary.stages.items()
        if stage.count and name.removeprefix("sink ") not in ASIDE
    ]
    return "\n".join([*lines, ", ".join(_losses(summary))])


def _losses(summary: Summary) -> Sequence[str]:
    sinks = [f"{name} dropped {count}" for name, count in summary.sink_dropped.items() if count and name not in ASIDE]
    notes = [f"dropped {summary.dropped}", f"skipped {summary.skipped}", *sinks]
    notes += [f"{name} failed" for name in summary.sink_errors]
    if summary.stale:
        notes.append(f"stale {summary.stale}")
    if summary.ended_early:
        notes.append("the source ended early")
    if summary.stopped:
        notes.append("stopped on request")
    return notes
