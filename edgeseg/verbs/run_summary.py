"""What a run did and what it leaves, in words or as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeseg.console.command import edgeseg_command
from edgeseg.console.terminal import say_lines, visible, visible_lines
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.events.event_log import Log
from edgeseg.runtime.events.redact import redact_values
from edgeseg.runtime.events.standard_streams import ReaderGone, print_result
from edgeseg.runtime.session.session import RunSession
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.session.tiled_summary import TiledSummary
from edgeseg.runtime.sinks.class_shares import ShareSink
from edgeseg.runtime.sinks.likeness import Unlike
from edgeseg.runtime.sinks.likeness_watch import LikenessSink
from edgeseg.runtime.sinks.lines.stream import is_standard_output
from edgeseg.runtime.sinks.open_sinks import ASIDE
from edgeseg.runtime.sinks.save_target import MARK, save_target
from edgeseg.runtime.sinks.sink import Sink
from edgeseg.runtime.sources.kind import IMAGE, IMAGES
from edgeseg.runtime.summary import Summary


def print_summary(summary: Summary, settings: RunSettings, session: RunSession, log: Log) -> None:
    """Print the summary; whether somebody takes it changes nothing about a run that did its work."""
    if settings.summary_json:
        found: dict[str, Any] = {
            "written": list_written(settings, summary),
            "unlike_calibration": _list_unlike(session.sinks),
            "plan": dataclasses.asdict(session.plan),
        }
        if settings.analysis.fail_if:
            found["failed"] = session.analyzer.failed
        text = json.dumps(redact_values({**_as_json(summary), **found}))
    else:
        lines = _result_lines(settings, summary, session.sinks)
        if settings.analysis.fail_if:
            lines.insert(0, f"failed: {session.analyzer.failed} of {summary.frames}")
        text = "\n".join([_as_text(summary), f"cores: {session.plan}", *map(visible, redact_values(lines))])
    text = visible_lines(text)
    jsonl = settings.outputs.jsonl
    if jsonl and is_standard_output(jsonl):
        say_lines(text, file=sys.stderr)  # standard output is for the lines
        return
    try:
        taken = print_result(text, lambda: session.pipeline.stopping)
    except ReaderGone:
        taken = False
    if not taken:
        log.event(Event("note", "output", "nothing reads standard output, so the summary is lost."))


def print_tiled_summary(summary: TiledSummary, settings: RunSettings) -> None:
    """Print the summary of a run over pictures in tiles."""
    if settings.summary_json:
        say_lines(json.dumps(redact_values(summary.to_dict())))
        return
    lines = [str(summary), *(f"written: {path}" for path in redact_values(summary.written))]
    if not summary.written:
        found = sorted(((share, name) for name, share in summary.shares.items() if share > 0), reverse=True)
        lines.append(f"found: {', '.join(f'{name} {100 * share:.1f} %' for share, name in found)}")
        lines.append("Nothing was asked to be saved: masks go to --save-masks, overlays to --save.")
    say_lines(visible_lines("\n".join(lines)))


def list_written(settings: RunSettings, summary: Summary) -> list[str]:
    """List files and folders that this run wrote, as far as one name says them.

    What is recorded of a camera, and parts of a recording, are said in events, each when it is whole.
    """
    outputs, source = settings.outputs, settings.source
    found: list[tuple[str, Path]] = []
    if outputs.save and not outputs.save_every and not source.live:
        target = save_target(outputs.save, source.source)
        found.append(("video" if target.video else "pictures", target.path))
    others = (("masks", outputs.save_masks), ("frames", outputs.save_frames), ("jsonl", outputs.jsonl))
    found += [(name, path) for name, path in others if path]
    written = [str(path) for name, path in found if name not in summary.sink_errors and path.exists()]
    return list(dict.fromkeys(written))


def _result_lines(settings: RunSettings, summary: Summary, sinks: Sequence[Sink]) -> list[str]:
    """Sentences for the end of a run's summary."""
    lines = [f"written: {path}" for path in list_written(settings, summary)]
    lines += [f"unlike calibration: {source}: {'; '.join(map(str, unlike))}" for source, unlike in _unlike(sinks)]
    if settings.outputs.is_empty and not settings.source.live:
        lines += [f"found: {text}" for sink in sinks if isinstance(sink, ShareSink) and (text := sink.text())]
        lines.append(f"Nothing was asked to be saved. With the masks drawn in: {_saving_command(settings)}")
    return lines


def _list_unlike(sinks: Sequence[Sink]) -> dict[str, list[dict[str, Any]]]:
    """In which traits the pictures of each source looked like none of calibration."""
    return {source: [one.to_dict() for one in unlike] for source, unlike in _unlike(sinks)}


def _unlike(sinks: Sequence[Sink]) -> list[tuple[str, list[Unlike]]]:
    return [each for sink in sinks if isinstance(sink, LikenessSink) for each in sink.found.items()]


def _saving_command(settings: RunSettings) -> str:
    source = settings.source
    stem = Path(source.source).stem
    out = {IMAGE: f"{stem}{MARK}.png", IMAGES: "overlays/"}.get(source.kind, f"{stem}{MARK}.mp4")
    return edgeseg_command("run", settings.artifact, "--source", source.source, "--save", out)


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
    if summary.skipped_unchanged:
        share = 100 * summary.skipped_unchanged / summary.frames
        notes.append(f"skipped unchanged {summary.skipped_unchanged} ({share:.0f} %)")
    if summary.stale:
        notes.append(f"stale {summary.stale}")
    if summary.ended_early:
        notes.append("the source ended early")
    if summary.stopped:
        notes.append("stopped on request")
    return notes
