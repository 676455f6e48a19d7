"""What a run leaves, in words: the files that it wrote, or what would save something."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.console.command import edgeseg_command

if TYPE_CHECKING:
    from edgeseg.runtime.pipeline import Summary
    from edgeseg.runtime.sinks.class_shares import ShareSink
    from edgeseg.runtime.sinks.likeness import Unlike
    from edgeseg.runtime.sinks.sink import Sink

OUTPUTS = ("save", "save_masks", "jsonl", "show")


def saves_nothing(args: argparse.Namespace) -> bool:
    """Whether nobody will see what this run finds."""
    return not any(getattr(args, name) for name in OUTPUTS)


def list_written(args: argparse.Namespace, summary: Summary) -> list[str]:
    """Files and folders that this run wrote, as far as one name says them.

    What is recorded of a camera, and parts of a recording, are said in events, each when it is whole.
    """
    from edgeseg.runtime.sinks.save_target import save_target
    from edgeseg.runtime.sources.kind import CAMERA, kind_of_source

    found: list[tuple[str, Path]] = []
    if args.save and not args.save_every and kind_of_source(args.source) != CAMERA:
        target = save_target(args.save, args.source)
        found.append(("video" if target.video else "pictures", target.path))
    found += [(name, path) for name, path in (("masks", args.save_masks), ("jsonl", args.jsonl)) if path]
    return [str(path) for name, path in found if name not in summary.sink_errors and path.exists()]


def result_lines(args: argparse.Namespace, summary: Summary, sinks: Sequence[Sink]) -> list[str]:
    """Sentences for the end of a run's summary."""
    from edgeseg.runtime.sources.kind import CAMERA, kind_of_source

    lines = [f"written: {path}" for path in list_written(args, summary)]
    lines += [f"unlike calibration: {source}: {text}" for source, text in _unlike_texts(sinks)]
    if saves_nothing(args) and kind_of_source(args.source) != CAMERA:
        lines += [f"found: {text}" for sink in sinks if (text := _shares_text(sink))]
        lines.append(f"Nothing was asked to be saved. With the masks drawn in: {_saving_command(args)}")
    return lines


def unlike_calibration(sinks: Sequence[Sink]) -> dict[str, list[dict[str, Any]]]:
    """In which traits the pictures of each source looked like none of calibration."""
    return {source: [one.to_dict() for one in unlike] for source, unlike in _unlike(sinks).items()}


def _unlike(sinks: Sequence[Sink]) -> dict[str, list[Unlike]]:
    from edgeseg.runtime.sinks.likeness_watch import LikenessSink

    return {source: unlike for sink in sinks if isinstance(sink, LikenessSink) for source, unlike in sink.found.items()}


def _unlike_texts(sinks: Sequence[Sink]) -> list[tuple[str, str]]:
    return [(source, "; ".join(map(str, unlike))) for source, unlike in _unlike(sinks).items()]


def share_sinks(args: argparse.Namespace, sink: ShareSink) -> list[Sink]:
    """The sink that keeps what was found in one image, where nothing else would say it."""
    from edgeseg.runtime.sources.kind import IMAGE, kind_of_source

    return [sink] if saves_nothing(args) and kind_of_source(args.source) == IMAGE else []


def _shares_text(sink: Sink) -> str:
    from edgeseg.runtime.sinks.class_shares import ShareSink

    return sink.text() if isinstance(sink, ShareSink) else ""


def _saving_command(args: argparse.Namespace) -> str:
    from edgeseg.runtime.sinks.save_target import MARK
    from edgeseg.runtime.sources.kind import IMAGE, IMAGES, kind_of_source

    kind = kind_of_source(args.source)
    stem = Path(args.source).stem
    out = {IMAGE: f"{stem}{MARK}.png", IMAGES: "overlays/"}.get(kind, f"{stem}{MARK}.mp4")
    return edgeseg_command("run", args.artifact, "--source", args.source, "--save", out)
